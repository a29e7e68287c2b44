"""A ledger on either engine with what a test knows of it: which holds are open, what was charged, what time it is."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from msgspec.structs import replace
from sqlalchemy import Select, select

from pointsman.core.budget import Account, Subject, account_key, window
from pointsman.store import accounts
from pointsman.store.accounts import ACCOUNTS, CAPS
from pointsman.store.db import Database
from pointsman.store.ledger import HoldRequest, Ledger, Standing
from tests.fakes import postgres

T = TypeVar("T")
Row = tuple[int, str, str]
"""The number of an account's row, which may be given again after it is gone, its cap and its key."""
WHO = Subject(
    person="ann", project=None, label=None, agent="a", session="s1", task="t", model="m", tier="cloud", request="r0"
)


class Made(NamedTuple):
    """A hold that was made, and when."""

    hold: HoldRequest
    at: float


class World:
    """One gateway's ledger in a file, on a clock of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.generation = 0
        self.runner = asyncio.Runner()
        self.now = self.latest = 1_800_000_000.0
        self.open: dict[str, Made] = {}
        self.ended: dict[str, Made] = {}
        self.charged: dict[str, int] = {}
        self.count = 0
        self.raised = 0
        # How far each account stood above its limit when it was opened or a person changed the cap: nobody's overrun.
        self.above: dict[tuple[str, str, str], int] = {}
        self.db = self.begin()
        self.ledger = Ledger(self.db, UTC)

    @property
    def path(self) -> Path:
        """Each crash goes on in a new copy."""
        return self.folder / f"{self.generation}.sqlite3"

    def begin(self) -> Database:
        """An empty database."""
        return Database.open(self.path)

    def die(self) -> Database:
        """What is on the disk in mid-flight, opened again."""
        before = self.path
        self.generation += 1
        for end in ("", "-wal"):
            shutil.copyfile(f"{before}{end}", f"{self.path}{end}")
        self.db.close()
        return Database.open(self.path)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it on this machine's own loop."""
        return self.runner.run(work)

    def teardown(self) -> None:
        """Close everything."""
        self.db.close()
        self.runner.close()
        shutil.rmtree(self.folder)

    def rows(self, query: Select[Any]) -> Sequence[Any]:
        """What a query finds."""
        return self.do(self.db.read(lambda connection: connection.execute(query).mappings().all()))

    def number(self, query: Select[Any]) -> int:
        """The one number that a query gives."""
        return int(self.do(self.db.read(lambda connection: connection.execute(query).scalar_one())) or 0)

    def accounts(self) -> dict[Row, Account]:
        """Every account of every window that is kept."""
        caps = {row["id"]: accounts.as_cap(row) for row in self.rows(select(CAPS))}
        rows = self.rows(select(ACCOUNTS))
        return {(row["id"], row["cap"], row["key"]): accounts.as_account(row, caps[row["cap"]]) for row in rows}

    def of(self, who: Subject) -> list[Account]:
        """The accounts that a hold of this subject falls into."""
        return self.do(self.ledger.accounts(self.now, who))

    def wanted(self, amount: int, who: Subject, *bindings: str, standing: tuple[Standing, ...] = ()) -> HoldRequest:
        """A hold of the next number; two in a row are attempts of one request."""
        self.count += 1
        request = f"r{self.count // 2}"
        return HoldRequest(
            id=f"h{self.count}",
            request=request,
            attempt=1 + self.count % 2,
            subject=replace(who, request=request),
            target="m",
            amount=amount,
            estimate=amount,
            bindings=bindings,
            standing=standing,
        )


class OnServer(World):
    """The same, on a server."""

    def begin(self) -> Database:
        """An empty database of the server."""
        self.url = postgres.server().empty()
        return Database.connect(self.url)

    def die(self) -> Database:
        """The gateway is gone, what it committed is there."""
        self.db.close()
        return Database.connect(self.url)

    def teardown(self) -> None:
        """Close everything."""
        super().teardown()
        postgres.server().give_back(self.url)


def place(account: Account) -> tuple[str, str, str]:
    """What stays the same of an account when its row goes and comes again."""
    return account.cap.id, account.key, account.window.key


def excess(account: Account) -> int:
    """What is spent and held beyond limit, raise and recorded overrun."""
    return account.spent + account.held - account.limit - account.overrun


def belongs(made: Made, account: Account) -> bool:
    """Whether a hold counts in an account."""
    cap = account.cap
    same = account_key(cap, made.hold.subject) == account.key
    return same and window(cap.window, made.at, UTC).key == account.window.key
