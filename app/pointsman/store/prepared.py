"""Statements of the hot path, compiled once. What SQLAlchemy does for each call costs ten times what SQLite does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ClauseElement, Connection, Dialect

Found = Mapping[str, Any]


class Prepared:
    """A Core statement that runs on the driver's own cursor. Only for column types that need no conversion.

    SQLite takes its values by position, PostgreSQL's driver by name; it prepares what it has seen five times itself.
    """

    def __init__(self, statement: ClauseElement, *columns: str) -> None:
        self._statement = statement
        self._columns = columns
        self._ready: dict[str, tuple[str, list[str] | None, dict[str, Any]]] = {}

    def __call__(self, connection: Connection, values: Found) -> list[Found]:
        """Run it; the rows that it gives, if any."""
        sql, order, constants = self._ready.get(connection.dialect.name) or self._compile(connection.dialect)
        given = constants | dict(values)
        cursor = connection.connection.cursor()
        try:
            cursor.execute(sql, given if order is None else tuple(given[name] for name in order))
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()] if names else []
        finally:
            cursor.close()

    def many(self, connection: Connection, rows: Sequence[Found]) -> None:
        """Run it for each of these values, in one call of the driver; it gives no rows."""
        sql, order, constants = self._ready.get(connection.dialect.name) or self._compile(connection.dialect)
        given = [constants | dict(values) for values in rows]
        cursor = connection.connection.cursor()
        try:
            cursor.executemany(sql, given if order is None else [tuple(one[name] for name in order) for one in given])
        finally:
            cursor.close()

    def _compile(self, dialect: Dialect) -> tuple[str, list[str] | None, dict[str, Any]]:
        compiled: Any = self._statement.compile(dialect=dialect, column_keys=list(self._columns) or None)
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        self._ready[dialect.name] = str(compiled), compiled.positiontup, constants
        return self._ready[dialect.name]
