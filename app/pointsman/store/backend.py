"""What the writer and the readers need of a database engine: SQLite for one gateway, PostgreSQL for several."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from msgspec import Struct
from sqlalchemy import Connection, Engine

from pointsman.core.errors import Unavailable


class Away(Unavailable):
    """The shared ledger cannot be reached. What costs money is refused; what is free goes on.

    `unsure`: the connection broke during a commit, so what was written may be there all the same.
    """

    def __init__(self, sentence: str, *, unsure: bool = False) -> None:
        super().__init__(sentence)
        self.unsure = unsure


class Busy(Unavailable):
    """Another program writes to the file, and did not end in the time that was given for it."""


class Clash(Exception):
    """A row breaks a rule of its table, such as a second one of the same key: a mistake of the caller."""


class Backend(Struct, frozen=True):
    """An engine whose transactions keep all other writers out, one that cannot write, and how errors are told.

    `plain` makes `Away`, `Unavailable` or `Clash` of the engine's own errors and leaves any other as it is. `sound`
    raises where a COMMIT would keep nothing and not say so. `begin` begins the writer's transaction, which ends with
    the block; it waits so many seconds for another program that writes. `tidy` is done once in a while, beside
    transactions; where it is False it is done once more, between two of them; None where nothing is put off. `inline`: a short transaction may run
    where it is asked for, for nobody else writes and no server answers.
    """

    writer: Engine
    readers: Engine
    plain: Callable[[Exception], Exception]
    sound: Callable[[Connection], None] = lambda _: None
    begin: Callable[[Connection, float], AbstractContextManager[object]] = lambda connection, _: connection.begin()
    tidy: Callable[[], bool] | None = None
    inline: bool = False

    def dispose(self) -> None:
        """Close every connection."""
        self.readers.dispose()
        self.writer.dispose()
