"""The writer's connection as the hot path uses it: the driver's own, and what it remembers of the file.

What is remembered is true for as long as nobody else writes: another program changes SQLite's `data_version`, any other
statement of ours its `total_changes`, and a transaction that is undone forgets all. Of a server nothing is remembered:
other gateways write there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec import Struct
from sqlalchemy import Connection

from pointsman.core.budget import Account, Cap

_MOST = 2_048  # accounts and open holds that are remembered; where they are more, it begins anew
_NAME = "cached_connection"
_log = logging.getLogger(__name__)


Place = tuple[str, str, str]
"""Where an account is: the id of its cap, its key and the key of its window."""


class Kept(Struct, frozen=True):
    """An account, the number of its row, and where it is."""

    row: int
    place: Place
    account: Account


class CapKept(NamedTuple):
    """A cap and when it, in its present shape, was made."""

    cap: Cap
    made: float


def place(account: Account) -> Place:
    """Where an account is."""
    return account.cap.id, account.key, account.window.key


class Part(Struct, frozen=True):
    """An open hold's part in an account, and what a grant lends it there."""

    row: int
    place: Place
    lent: int = 0
    lender: str | None = None


class Open(Struct, frozen=True):
    """An open hold, as much of it as its end needs; `parts` is None where they are to be read."""

    request: str
    amount: int
    parts: tuple[Part, ...] | None


class CachedConnection:
    """Statements run on it, by `execute`. `caps` and `head` are None while they are not known.

    `patient` while SQLite itself waits for others.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.dialect: str = connection.dialect.name
        driver: Any = connection.connection.dbapi_connection
        self.driver = driver
        self.execute: Callable[..., Any] = driver.execute
        self.unsummed = 0  # charges that were noted since sums were made
        self.caps: tuple[CapKept, ...] | None = None
        self.head: tuple[int, str] | None = None
        self.accounts: dict[Place, Kept] = {}
        self.holds: dict[str, Open] = {}
        self.patient = True
        self._sure = False
        self._version = self._changes = -1

    def forget(self) -> None:
        """Remember nothing."""
        self.caps = self.head = None
        self.accounts.clear()
        self.holds.clear()

    def begun(self) -> None:
        """A transaction of SQLite's has begun, which keeps other programs from writing: what they wrote before it counts."""
        [version] = self.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self._version = version
            self.forget()
        self._sure = True

    def ended(self, *, undone: bool) -> None:
        """The transaction is over."""
        self._sure = False
        if undone:
            self.forget()

    def revalidate(self) -> None:
        """Before anything here is trusted: whatever else was written in this transaction, or before it, is to be read anew."""
        if not self._sure or self._changes != self.driver.total_changes or len(self.accounts) + len(self.holds) > _MOST:
            self.forget()

    def best_effort(self, work: Callable[[Connection], None]) -> None:
        """Do this in the transaction; where it fails it alone is undone, as whoever needs it can do without."""
        self.execute("SAVEPOINT best_effort").close()
        try:
            work(self.connection)
        except Exception as error:  # noqa: BLE001 what undid all of the transaction makes the next line fail
            self.execute("ROLLBACK TO SAVEPOINT best_effort").close()
            _log.warning("%s failed (%s) and is left for later.", work.__qualname__, type(error).__name__)
        self.execute("RELEASE SAVEPOINT best_effort").close()

    def synced(self) -> None:
        """What was written since `revalidate` is remembered as it was written."""
        if self._sure:
            self._changes = self.driver.total_changes


def of(connection: Connection) -> CachedConnection:
    """A connection with what it remembers."""
    info = connection.info
    cached: CachedConnection | None = info.get(_NAME)
    if cached is None:
        cached = info[_NAME] = CachedConnection(connection)
    cached.connection = connection
    return cached
