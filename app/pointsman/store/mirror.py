"""Writes columns.py from tables.py: `python -m pointsman.store.mirror`, after each change of a table."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Column, ColumnDefault, Table

from pointsman.store.kinds import REAL, TEXT, WHOLE
from pointsman.store.tables import METADATA

FILE = Path(__file__).with_name("columns.py")
_HEAD = '''"""The columns of the tables, for statements. Written by `python -m pointsman.store.mirror` from tables.py.

A gateway that starts needs no more: SQLModel, which makes the tables in a new database, takes 0.4 s and 15 MB.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, MetaData, Table

from pointsman.store.kinds import REAL, TEXT, WHOLE

_ALL = MetaData()


def table(name: str) -> Table:
    """The table of this name, for statements."""
    return _ALL.tables[name]


'''
_TYPES = {id(TEXT): "TEXT", id(WHOLE): "WHOLE", id(REAL): "REAL"}


def text() -> str:
    """What columns.py must hold."""
    return _HEAD + "\n".join(_table(METADATA.tables[name]) for name in sorted(METADATA.tables)) + "\n"


def _table(one: Table) -> str:
    columns = "".join(f"    {_column(column)},\n" for column in one.columns)
    return f'Table(\n    "{one.name}",\n    _ALL,\n{columns})'


def _column(one: Column[object]) -> str:
    key = ", primary_key=True" if one.primary_key else ""
    default = f", default={one.default.arg!r}" if isinstance(one.default, ColumnDefault) else ""
    joined = "".join(f', ForeignKey("{foreign.target_fullname}")' for foreign in one.foreign_keys)
    return f'Column("{one.name}", {_TYPES[id(one.type)]}{joined}{key}{default})'


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
