"""Values between Python and PostgreSQL, so that both engines of the store take and give the same."""

from __future__ import annotations

from typing import Any

from psycopg import Connection
from psycopg.adapt import Buffer, Dumper, Loader
from psycopg.postgres import types

from pointsman.store.text import storable


class _Sum(Loader):
    """PostgreSQL's sum of whole numbers is `numeric`; here it is a whole number again."""

    def load(self, data: Buffer) -> int | float:
        text = bytes(data).decode()
        return float(text) if "." in text or text == "NaN" else int(text)


class _Flag(Dumper):
    """Flags are 0 or 1 in every table."""

    oid = types["int8"].oid

    def dump(self, obj: Any) -> bytes:
        return b"1" if obj else b"0"


class _Text(Dumper):
    """Whatever came from outside, it can be written."""

    def dump(self, obj: Any) -> bytes:
        return storable(obj).encode()


def adapt(connection: Connection[Any]) -> None:
    """Use these for all that goes over this connection."""
    adapters = connection.adapters
    adapters.register_loader("numeric", _Sum)
    adapters.register_dumper(bool, _Flag)
    adapters.register_dumper(str, _Text)
