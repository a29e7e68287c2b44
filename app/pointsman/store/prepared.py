"""Statements of the hot path, compiled once. What SQLAlchemy does for each call costs ten times what SQLite does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import ClauseElement, Connection, Dialect, Table

from pointsman.store.cached_connection import CachedConnection

Found = Mapping[str, Any]


class _Ready(NamedTuple):
    """SQL for a driver, how it takes its values, those that are always the same, and the names of what it gives."""

    sql: str
    order: Callable[[Found], Any]
    constants: dict[str, Any]
    names: list[str]


class Prepared:
    """A Core statement that runs on the driver's own connection. Only for column types that need no conversion.

    SQLite takes its values by position, PostgreSQL's driver by name; it prepares what it has seen five times itself.
    """

    def __init__(self, statement: ClauseElement, *columns: str) -> None:
        self._statement = statement
        self._columns = columns
        self._ready: dict[str, _Ready] = {}

    def __call__(self, connection: Connection, values: Found) -> list[Found]:
        """Run it; the rows that it gives, if any."""
        sql, order, constants, names = self._ready.get(connection.dialect.name) or self._compile(connection.dialect)
        driver: Any = connection.connection.dbapi_connection
        cursor = driver.execute(sql, order({**constants, **values} if constants else values))
        try:
            if cursor.description is None:
                return []
            if not names:
                names += [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]
        finally:
            cursor.close()

    def _compile(self, dialect: Dialect) -> _Ready:
        compiled: Any = self._statement.compile(dialect=dialect, column_keys=list(self._columns) or None)
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        self._ready[dialect.name] = _Ready(str(compiled), _order(compiled.positiontup), constants, [])
        return self._ready[dialect.name]


def _order(names: list[str] | None) -> Callable[[Found], Any]:
    """From values by name to what the driver takes: the same where `names` is None, else a tuple in their order."""
    if names is None:
        return dict
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple(values[name] for name in names)


class Straight:
    """A Core statement of the hot path: values as a tuple in the order of `names`, rows as tuples, on a cached connection.

    All of its values are given: one that is always the same is a literal in its text.
    """

    def __init__(self, statement: ClauseElement, *names: str, columns: tuple[str, ...] = ()) -> None:
        self._statement = statement
        self._names = names
        self._columns = columns
        self._ready: dict[str, tuple[str, Callable[[tuple[Any, ...]], Any]]] = {}

    def __call__(self, cached: CachedConnection, values: tuple[Any, ...]) -> int:
        """Run it; how many rows it changed."""
        sql, order = self._ready.get(cached.dialect) or self._compile(cached)
        changed: int = cached.execute(sql, order(values)).rowcount
        return changed

    def many(self, cached: CachedConnection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run it for each of these values, in one call of the driver."""
        sql, order = self._ready.get(cached.dialect) or self._compile(cached)
        cached.driver.cursor().executemany(sql, [order(values) for values in rows])

    def rows(self, cached: CachedConnection, values: tuple[Any, ...]) -> list[Any]:
        """Run it; the rows that it gives."""
        sql, order = self._ready.get(cached.dialect) or self._compile(cached)
        found: list[Any] = cached.execute(sql, order(values)).fetchall()
        return found

    def _compile(self, cached: CachedConnection) -> tuple[str, Callable[[tuple[Any, ...]], Any]]:
        compiled: Any = self._statement.compile(
            dialect=cached.connection.dialect, column_keys=list(self._columns) or None
        )
        if set(compiled.params) != set(self._names):
            raise TypeError(f"a statement takes {sorted(compiled.params)} and is given {sorted(self._names)}")
        self._ready[cached.dialect] = str(compiled), _arranged(self._names, compiled.positiontup)
        return self._ready[cached.dialect]


@cache
def upsert(onto: Table, dialect: str, change: Callable[[Any, Any], dict[str, Any]]) -> Straight:
    """The statement that makes a row of all columns, or changes the one of its key; `change` gets the old and the new one.

    A server's dialect is read in where there is one.
    """
    insert: Any = import_module(f"sqlalchemy.dialects.{dialect}").insert(onto)
    changed = change(onto.c, insert.excluded)
    statement = insert.on_conflict_do_update(index_elements=list(onto.primary_key), set_=changed)
    return Straight(statement, *[column.name for column in onto.columns])


def _arranged(names: tuple[str, ...], wanted: list[str] | None) -> Callable[[tuple[Any, ...]], Any]:
    """From values in one order to what the driver takes: by name where `wanted` is None, else in that order."""
    if wanted is None:
        return lambda values: dict(zip(names, values, strict=True))
    if tuple(wanted) == names:
        return tuple
    return itemgetter(*map(names.index, wanted)) if len(wanted) > 1 else lambda values: (values[0],)
