"""Any sequence of what can happen to money, against the real store.

`POINTSMAN_SOAK=1` runs the full counts.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Coroutine
from datetime import UTC
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace
from sqlalchemy import Connection

from pointsman.core.budget import Account, Cap, Subject
from pointsman.store.db import Database
from pointsman.store.ledger import Charge, Grant, HoldRequest, Ledger, Reserved

T = TypeVar("T")
SOAK = os.environ.get("POINTSMAN_SOAK") == "1"
CAPS = (
    Cap(id="all", name="all", scope="everything", window="hour", limit=1_000, soft_percent=50, at_soft="ask"),
    Cap(id="each", name="each", scope="agent", window="day", limit=700),
    Cap(id="one", name="one", scope="session", match="s1", window="session", limit=900),
)
WHO = Subject(person="ann", project=None, label=None, agent="a", session="s1", task="t", model="m", tier="cloud")
AMOUNTS = st.integers(0, 400)
AGENTS = st.sampled_from(["a", "b"])
SESSIONS = st.sampled_from(["s1", "s2"])
Place = tuple[str, str, str]


class Money(RuleBasedStateMachine):
    """Holds come and go, windows turn, caps change, people grant, the gateway dies."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.generation = 0
        self.runner = asyncio.Runner()
        self.now = 1_800_000_000.0
        self.open: dict[str, HoldRequest] = {}
        self.charged: dict[str, int] = {}
        self.count = 0
        self.raised = 0
        # How far a lowered limit left each account above it: that is nobody's overrun.
        self.lowered: dict[Place, int] = {}
        self.db = Database.open(self.path)
        self.ledger = Ledger(self.db, UTC)

    @property
    def path(self) -> Path:
        """Each crash goes on in a new copy."""
        return self.folder / f"{self.generation}.sqlite3"

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it on this machine's own loop."""
        return self.runner.run(work)

    def teardown(self) -> None:
        """Close everything."""
        self.db.close()
        self.runner.close()
        shutil.rmtree(self.folder)

    def accounts(self) -> dict[Place, Account]:
        """Every account of the present windows."""
        return {(a.cap.id, a.key, a.window.key): a for a in self.do(self.ledger.accounts(self.now))}

    @initialize()
    def caps(self) -> None:
        """Begin with three caps of different shapes."""
        for cap in CAPS:
            self.do(self.ledger.set_cap(cap, self.now))

    @rule(
        amount=AMOUNTS,
        agent=AGENTS,
        session=SESSIONS,
        soft_ok=st.booleans(),
        bindings=st.sampled_from([(), ("request:f",), ("session:s1", "request:f")]),
    )
    def reserve(self, amount: int, agent: str, session: str, soft_ok: bool, bindings: tuple[str, ...]) -> None:
        """A hold that is made fits every one of its accounts at that moment."""
        who = replace(WHO, agent=agent, session=session)
        if self.hold(amount, who, soft_ok, bindings):
            for account in self.do(self.ledger.accounts(self.now, who)):
                assert amount == 0 or account.spent + account.held <= account.limit

    @rule(agent=AGENTS, session=SESSIONS)
    def fill(self, agent: str, session: str) -> None:
        """All that is left can be held, and not a micro-dollar more."""
        who = replace(WHO, agent=agent, session=session)
        left = min(account.left for account in self.do(self.ledger.accounts(self.now, who)))
        assert not self.hold(left + 1, who, True, ())
        assert self.hold(left, who, True, ())

    def hold(self, amount: int, who: Subject, soft_ok: bool, bindings: tuple[str, ...]) -> bool:
        """Try to hold; whether it was done."""
        self.count += 1
        hold = HoldRequest(
            id=f"h{self.count}",
            request=f"r{self.count // 2}",
            attempt=1,
            subject=who,
            target="m",
            amount=amount,
            estimate=amount,
            bindings=bindings,
            soft_ok=soft_ok,
        )
        made = isinstance(self.do(self.ledger.reserve(hold, self.now)), Reserved)
        if made:
            self.open[hold.id] = hold
        return made

    @precondition(lambda self: self.open)
    @rule(pick=st.integers(0), part=st.sampled_from([0.0, 0.4, 1.0, 1.5]))
    def settle(self, pick: int, part: float) -> None:
        """A hold ends below, at or above what was held; a second end changes nothing."""
        hold = self.open.pop(sorted(self.open)[pick % len(self.open)])
        self.charged[hold.id] = int(hold.amount * part)
        charge = Charge(amount=self.charged[hold.id], estimated=False)
        assert self.do(self.ledger.settle(hold.id, charge, self.now))
        before = self.accounts()
        assert not self.do(self.ledger.settle(hold.id, Charge(amount=77, estimated=False), self.now))
        assert not self.do(self.ledger.refund(hold.id, self.now))
        assert self.accounts() == before

    @precondition(lambda self: self.open)
    @rule(pick=st.integers(0))
    def refund(self, pick: int) -> None:
        """A hold ends with nothing sent."""
        hold = self.open.pop(sorted(self.open)[pick % len(self.open)])
        assert self.do(self.ledger.refund(hold.id, self.now))

    @rule(seconds=st.sampled_from([1.0, 1.0, 3_600.0, 86_400.0]))
    def time_passes(self, seconds: float) -> None:
        """Windows turn."""
        self.now += seconds

    @rule(which=st.integers(0, 2), limit=st.integers(0, 1_500))
    def change_limit(self, which: int, limit: int) -> None:
        """A cap gets another limit; what is above a lower one was there before."""
        self.do(self.ledger.set_cap(replace(CAPS[which], limit=limit), self.now))
        self.note_lowered()

    def note_lowered(self) -> None:
        """What stands above a limit that a person set."""
        for place, account in self.accounts().items():
            above = account.spent + account.held - account.limit - account.overrun
            self.lowered[place] = max(self.lowered.get(place, 0), above)

    @rule(more=st.integers(1, 300))
    def borrow(self, more: int) -> None:
        """With a grant for each account that is short, just that much more can be held."""
        found = self.do(self.ledger.accounts(self.now, WHO))
        amount = min(account.left for account in found) + more
        for account in found:
            missing = max(0, account.spent + account.held + amount - account.limit)
            if missing:
                self.add_grant(account.cap, account.key, missing, "session:s1")
        assert self.hold(amount, WHO, True, ("session:s1",))

    @rule()
    def make_again(self) -> None:
        """A cap that is taken away and made again loses its raises, and nothing else."""
        assert self.do(self.ledger.remove_cap("all"))
        self.do(self.ledger.set_cap(CAPS[0], self.now))
        self.raised = 0
        self.note_lowered()

    @rule(which=st.integers(0, 2), amount=AMOUNTS, binding=st.sampled_from(["request:f", "session:s1"]))
    def grant(self, which: int, amount: int, binding: str) -> None:
        """A person says yes."""
        self.add_grant(CAPS[which], ("", "a", "s1")[which], amount, binding)

    def add_grant(self, cap: Cap, key: str, amount: int, binding: str) -> None:
        """A grant that lasts."""
        self.count += 1
        grant = Grant(id=f"g{self.count}", cap=cap.id, key=key, binding=binding, amount=amount, expires=1e12)
        self.do(self.ledger.add_grant(grant, self.now))

    @rule(amount=AMOUNTS)
    def raise_cap(self, amount: int) -> None:
        """A person raises this hour's cap."""
        assert self.do(self.ledger.raise_cap("all", "", amount, self.now))
        self.raised += amount

    @rule()
    def crash(self) -> None:
        """What is on the disk in mid-flight is opened again; holds that were open are charged in full."""
        before = self.path
        self.generation += 1
        for end in ("", "-wal"):
            shutil.copyfile(f"{before}{end}", f"{self.path}{end}")
        self.db.close()
        self.db = Database.open(self.path)
        self.ledger = Ledger(self.db, UTC)
        assert set(self.do(self.ledger.recover(self.now))) == set(self.open)
        self.charged |= {hold.id: hold.amount for hold in self.open.values()}
        self.open = {}

    @invariant()
    def no_cap_is_passed_unseen(self) -> None:
        """Spent and held stay within limit, raise and recorded overrun; nothing is negative."""
        for place, account in self.accounts().items():
            excused = account.overrun + self.lowered.get(place, 0)
            assert account.spent + account.held <= account.limit + excused, (place, account)
            assert min(account.spent, account.held, account.raised, account.overrun) >= 0

    @invariant()
    def held_is_the_sum_of_open_holds(self) -> None:
        """Over all windows, each cap's accounts hold what the open holds do, and the ledger what was charged."""
        rows = self.do(
            self.db.read(
                lambda c: c.exec_driver_sql(
                    "SELECT a.held, (SELECT sum(h.amount) FROM pledges p JOIN holds h ON h.id = p.hold"
                    " WHERE p.account = a.id AND h.state = 'open') FROM accounts a"
                ).all()
            )
        )
        assert all(held == (pledged or 0) for held, pledged in rows)
        spent = sum(row.amount for row in self.do(self.ledger.spend("agent")))
        assert spent == sum(self.charged.values())

    @invariant()
    def a_grant_is_spent_or_still_there(self) -> None:
        """What accounts were raised by is what people raised and what grants have lent and not got back."""
        lent = "SELECT coalesce(sum(given - amount), 0) FROM grants"
        query = f"SELECT coalesce(sum(raised), 0) - ({lent}) FROM accounts"
        assert self.do(self.db.read(partial(one_number, query, ()))) == self.raised

    @invariant()
    def an_account_is_the_sum_of_its_holds(self) -> None:
        """Taken away and made again, a cap counts the same."""
        query = "SELECT coalesce(sum(charge), 0) FROM holds WHERE made >= ? AND made < ?"
        for account in self.accounts().values():
            span = account.window.starts, account.window.ends
            if account.cap.id == "all":
                found = self.do(self.db.read(partial(one_number, query, span)))
                assert account.spent == found


def one_number(query: str, values: tuple[Any, ...], connection: Connection) -> int:
    """What a query counts."""
    return int(connection.exec_driver_sql(query, values).scalar_one())


class TestMoney(Money.TestCase):  # type: ignore[misc, valid-type]  # hypothesis makes the base class
    """The machine, as a test."""

    settings = settings(
        max_examples=1_000 if SOAK else 25,
        stateful_step_count=50 if SOAK else 25,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
