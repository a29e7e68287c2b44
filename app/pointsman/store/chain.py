"""The audit's chain: each row carries a hash over all of it and over the hash of the row before.

Whoever changes, removes, moves or cuts rows is found out. Whoever can write the file and reckons the whole chain anew
is not: against that, keep the newest hash, which `pointsman audit verify` prints, somewhere else.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select
from sqlalchemy.exc import OperationalError

from pointsman.store.columns import table
from pointsman.store.prepared import Prepared
from pointsman.store.text import storable

PAGE = 2_000
"""Rows that are checked at a time: others read and write between two pages."""

_AUDIT = table("audit")
_HEAD = table("audit_head")
_READ_HEAD = Prepared(select(_HEAD.c.seq, _HEAD.c.hash))
_SEALED = [column for column in _AUDIT.columns if column.name != "hash"]
COLUMNS = tuple(column.name for column in _SEALED)
"""What is sealed of a row, in the order in which it is."""
_REALS = tuple(at for at, column in enumerate(_SEALED) if column.type.python_type is float)
_PREVIOUS = COLUMNS.index("previous")
_encode = msgspec.json.Encoder().encode
_NUL = b"\\u0000"  # as JSON writes it


class Link(Struct, frozen=True):
    """A row by its number and its hash."""

    seq: int
    hash: str


class Checked(Struct, frozen=True, kw_only=True):
    """The last row that fits the chain; `done` when it is the newest, `problem` names the first one that does not fit."""

    link: Link
    done: bool = False
    problem: str | None = None


START = Link(0, "")


def head(connection: Connection) -> tuple[int, str]:
    """The number and the hash of the newest row."""
    found = _READ_HEAD(connection, {})
    return (found[0]["seq"], found[0]["hash"]) if found else (0, "")


def has(connection: Connection, link: Link) -> bool:
    """Whether this very row was written."""
    return connection.execute(select(_AUDIT.c.hash).where(_AUDIT.c.seq == link.seq)).scalar() == link.hash


def sealed(values: list[Any]) -> str:
    """The hash of a row, whose values are made as they are written: real numbers where the column is real, text that can be stored."""
    for at in _REALS:
        value = values[at]
        if value is not None:
            values[at] = value = float(value)
            if not math.isfinite(value):
                raise ValueError(f"a row of the audit holds what is no number: {COLUMNS[at]} {value}")
    try:
        encoded = _encode(values)
        if encoded.isascii() and _NUL not in encoded:
            return hashlib.sha256(encoded).hexdigest()
    except UnicodeEncodeError:
        pass
    values[:] = [storable(value) if isinstance(value, str) else value for value in values]
    return hashlib.sha256(_encode(values)).hexdigest()


def check(connection: Connection, link: Link, limit: int) -> Checked:
    """Follow the chain for up to `limit` rows after `link`."""
    rows = _following(connection, link, limit)
    for *values, hash_ in rows:
        if wrong := _wrong(values, hash_, link):
            return Checked(link=link, problem=wrong)
        link = Link(link.seq + 1, hash_)
    if len(rows) == limit:
        return Checked(link=link)
    newest, last = head(connection)
    if link != Link(newest, last):
        said = f"The audit ends at row {link.seq}, but row {newest} was written: rows were removed from its end."
        return Checked(link=link, problem=said)
    return Checked(link=link, done=True)


def _following(connection: Connection, link: Link, limit: int) -> Sequence[Any]:
    query = select(*_SEALED, _AUDIT.c.hash).order_by(_AUDIT.c.seq).limit(limit)
    if link != START:  # the first page takes rows with impossible numbers too
        query = query.where(_AUDIT.c.seq > link.seq)
    try:
        return connection.execute(query).all()
    except OperationalError:
        with _any_text(connection):
            return connection.execute(query).all()


@contextlib.contextmanager
def _any_text(connection: Connection) -> Iterator[None]:
    """Text that is not UTF-8 was not written by us; it must be found as changed, not stop the reading.

    This halves the speed, so it is for pages that cannot be read otherwise.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.dbapi_connection
    driver.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    try:
        yield
    finally:
        driver.text_factory = str


def _wrong(values: list[Any], hash_: str, before: Link) -> str | None:
    """`values` begin with the row's number."""
    expected = before.seq + 1
    if values[0] != expected:
        return f"Row {expected} of the audit is missing: it was removed or renumbered."
    if values[_PREVIOUS] != before.hash:
        return f"Row {expected} of the audit does not follow row {before.seq}: rows were moved or replaced."
    if math.inf in values or -math.inf in values or hash_ != _seal(values):  # JSON has no word for what is infinite
        return f"Row {expected} of the audit was changed after it was written."
    return None


def _seal(values: Sequence[Any]) -> str | None:
    """The hash over everything in the row but the hash itself; None for text that is not UTF-8."""
    try:
        return hashlib.sha256(_encode(values)).hexdigest()
    except UnicodeEncodeError:
        return None
