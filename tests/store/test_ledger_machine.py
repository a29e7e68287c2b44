"""Any sequence of what can happen to money, against the real store of each engine.

`POINTSMAN_SOAK=1` runs the full counts.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterable
from datetime import UTC

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace
from sqlalchemy import case, func, select

from pointsman.core import budget
from pointsman.core.budget import Account, Cap, Subject
from pointsman.store import audit
from pointsman.store.accounts import ACCOUNTS, HOLDS, PLEDGES
from pointsman.store.columns import table
from pointsman.store.db import Database
from pointsman.store.grants import GRANTS
from pointsman.store.ledger import Charge, Grant, HoldRequest, Ledger, Reserved, Standing
from pointsman.store.pruning import prune
from tests.fakes.ledger_world import WHO, Made, OnServer, World, belongs, excess, place

SOAK = os.environ.get("POINTSMAN_SOAK") == "1"
AUDIT = table("audit")
LIMITS = (
    Cap(id="all", name="all", scope="everything", window="hour", limit=1_000, soft_percent=50, at_soft="ask"),
    Cap(id="each", name="each", scope="agent", window="day", limit=700),
    Cap(id="life", name="life", scope="session", match="s1", window="session", limit=900),
    Cap(id="request", name="request", scope="request", window="once", limit=450),
)
MOST_ALLOWED = 150
AMOUNTS = st.integers(0, 400)
CAP = st.integers(0, len(LIMITS) - 1)
BINDINGS = st.sampled_from([(), ("request:f",), ("session:s1", "request:f")])
Allowed = tuple[tuple[str, ...], tuple[Standing, ...]]
STANDING = st.sampled_from([(), (), (Standing("always", 0),), (Standing("always", MOST_ALLOWED),)])
SUBJECTS = st.builds(
    lambda agent, session: replace(WHO, agent=agent, session=session),
    st.sampled_from("ab"),
    st.sampled_from(["s1", "s2"]),
)


class Money(World, RuleBasedStateMachine):
    """Holds come and go, windows turn, clocks jump, caps change, people grant and revoke, callers leave, gateways die.

    Two programs write to the one ledger, each with what it remembers of it.
    """

    @initialize()
    def caps(self) -> None:
        """Begin with caps of different shapes, and a second program."""
        self.other_db, self.other = self.second()
        for cap in LIMITS:
            self.do(self.ledger.set_cap(cap, self.now))

    def hold(self, hold: HoldRequest) -> bool:
        """Try to hold; whether it was done. What was made fits all of its accounts, whoever lent for it."""
        self.note_above(self.of(hold.subject))  # one that is not opened yet may be above its limit already
        made = isinstance(self.do(self.ledger.reserve(hold, self.now)), Reserved)
        if made:
            self.open[hold.id] = Made(hold, self.now)
            assert all(a.spent + a.held <= a.limit for a in self.of(hold.subject) if hold.amount)
        return made

    @rule(amount=AMOUNTS, who=SUBJECTS, allowed=st.tuples(BINDINGS, STANDING), other=st.booleans())
    def reserve(self, amount: int, who: Subject, allowed: Allowed, other: bool) -> None:
        """What fits is held, and what does not is not, but for a grant."""
        self.turn(other)
        bindings, standing = allowed
        hold = self.wanted(amount, who, *bindings, standing=standing)
        fits = not budget.admit(self.of(hold.subject), amount)
        made = self.hold(hold)
        assert made or not fits
        assert fits or not made or bindings or standing

    @rule(who=SUBJECTS, bindings=BINDINGS, standing=STANDING, soft=st.booleans())
    def fill(self, who: Subject, bindings: tuple[str, ...], standing: tuple[Standing, ...], soft: bool) -> None:
        """All of the headroom can be held, and not a micro-dollar more."""
        hold = self.wanted(0, who, *bindings, standing=standing)
        most = self.do(self.ledger.headroom(hold, self.now, soft=soft))
        if most is not None:
            assert not self.hold(replace(hold, amount=most + 1))
            fits = self.hold(replace(hold, amount=most))
            assert fits or not soft

    @rule(amount=AMOUNTS, who=SUBJECTS, standing=STANDING)
    def leave(self, amount: int, who: Subject, standing: tuple[Standing, ...]) -> None:
        """A caller that is cancelled holds nothing, and everything is as it was before it came."""
        hold = self.wanted(amount, who, standing=standing)
        before = self.of(hold.subject)
        self.note_above(before)

        async def cancelled() -> None:
            go = threading.Event()
            self.db.submit(lambda connection: go.wait(10))  # the writer is at work, so the caller has to wait
            caller = asyncio.create_task(self.ledger.reserve(hold, self.now))
            await asyncio.sleep(0)
            caller.cancel()
            go.set()
            await asyncio.wait([caller])
            await self.db.write(lambda connection: None)

        self.do(cancelled())
        assert self.of(hold.subject) == before
        assert not self.do(self.ledger.refund(hold.id, self.now))

    def second(self) -> tuple[Database, Ledger]:
        """Another program that has the same ledger open."""
        opened = Database.connect(self.url) if isinstance(self, OnServer) else Database.open(self.path)
        return opened, Ledger(opened, UTC)

    def turn(self, other: bool) -> None:
        """What comes next is done by the other program, until the next turn; or still by this one."""
        if not other:
            return
        self.db, self.ledger, self.other_db, self.other = self.other_db, self.other, self.db, self.ledger

    @rule(
        amounts=st.lists(AMOUNTS, min_size=1, max_size=6),
        who=SUBJECTS,
        ends=st.lists(st.integers(0), max_size=4),
        leaves=st.integers(0, 9),
        other=st.booleans(),
    )
    def rush(self, amounts: list[int], who: Subject, ends: list[int], leaves: int, other: bool) -> None:
        """Many come and go in one turn of the loop, and one leaves: each counts once, and what is held fits."""
        self.turn(other)
        wanted = [self.wanted(amount, who) for amount in amounts]
        for hold in wanted:
            self.note_above(self.of(hold.subject))
        ended = [self.end(pick) for pick in ends if self.open]
        for made in ended:
            self.charged[made.hold.id] = made.hold.amount // 2
        held = self.do(self.at_once(ended, wanted, leaves))
        self.open |= {hold.id: Made(hold, self.now) for hold in held}
        assert all(a.spent + a.held <= a.limit for hold in held if hold.amount for a in self.of(hold.subject))

    async def at_once(self, ended: list[Made], wanted: list[HoldRequest], leaves: int) -> list[HoldRequest]:
        """End these and make those, together; those that are held then."""
        ends = []
        for made in ended:
            charge = Charge(amount=made.hold.amount // 2, estimated=False)
            row = audit.Row(at=self.now, request=made.hold.request)
            ends += [asyncio.create_task(self.ledger.settle(made.hold.id, charge, self.now, row, later=True))]
            ends += [asyncio.create_task(self.ledger.refund(made.hold.id, self.now, row, later=True))]
        callers = [asyncio.create_task(self.ledger.reserve(hold, self.now)) for hold in wanted]
        await asyncio.sleep(0)
        for caller in callers[leaves : leaves + 1]:
            caller.cancel()
        found = await asyncio.gather(*callers, return_exceptions=True)
        assert await asyncio.gather(*ends) == [True, False] * len(ended)
        await self.db.write(lambda connection: None)  # what was held for who left is given back by then
        return [hold for hold, one in zip(wanted, found, strict=True) if isinstance(one, Reserved)]

    @rule(amount=AMOUNTS, who=SUBJECTS, bindings=BINDINGS, standing=STANDING)
    def come_and_go(self, amount: int, who: Subject, bindings: tuple[str, ...], standing: tuple[Standing, ...]) -> None:
        """What was held, raised and lent for an attempt that was not sent is as it was before it."""
        hold = self.wanted(amount, who, *bindings, standing=standing)
        before, lent = self.of(hold.subject), self.lent()
        if self.hold(hold):
            self.ended[hold.id] = self.open.pop(hold.id)
            assert self.do(self.ledger.refund(hold.id, self.now))
        assert (self.of(hold.subject), self.lent()) == (before, lent)

    @precondition(lambda self: self.open)
    @rule(pick=st.integers(0), part=st.sampled_from([0.0, 0.4, 1.0, 1.5, 4.0]), other=st.booleans())
    def settle(self, pick: int, part: float, other: bool) -> None:
        """A hold ends below, at or above what was held; a second end changes nothing."""
        self.turn(other)
        made = self.end(pick)
        amount = self.charged[made.hold.id] = int(made.hold.amount * part)
        overrun = sum(account.overrun for account in self.accounts().values())
        told = self.told()
        row = audit.Row(at=self.now, request=made.hold.request)
        assert self.do(self.ledger.settle(made.hold.id, Charge(amount=amount, estimated=False), self.now, row))
        before = self.accounts()
        assert self.told() - told == sum(account.overrun for account in before.values()) - overrun
        assert not self.do(self.ledger.settle(made.hold.id, Charge(amount=77, estimated=False), self.now, row))
        assert not self.do(self.ledger.refund(made.hold.id, self.now, row))
        assert self.accounts() == before

    @precondition(lambda self: self.open)
    @rule(pick=st.integers(0))
    def refund(self, pick: int) -> None:
        """A hold ends with nothing sent."""
        made = self.end(pick)
        assert self.do(self.ledger.refund(made.hold.id, self.now, audit.Row(at=self.now)))

    def end(self, pick: int) -> Made:
        """One of the open holds, which now ends."""
        id_ = sorted(self.open)[pick % len(self.open)]
        self.ended[id_] = self.open.pop(id_)
        return self.ended[id_]

    def told(self) -> int:
        """All overruns that the audit tells of."""
        rows = self.rows(select(AUDIT.c.detail).where(AUDIT.c.outcome == "overrun"))
        return sum(msgspec.json.decode(row["detail"])["amount"] for row in rows)

    @rule(seconds=st.sampled_from([1.0, 60.0, 3_600.0, 86_400.0, 9 * 86_400.0, -60.0, -3_600.0, -86_400.0]))
    def time_passes(self, seconds: float) -> None:
        """Windows turn; a clock is put back by a day at most. What is long over is cleared away."""
        self.now = max(self.now + seconds, self.latest - 86_400)
        self.latest = max(self.now, self.latest)
        self.ledger._pruned = self.other._pruned = self.now
        self.do(self.db.write(lambda connection: prune(connection, self.now)))
        self.cleared()

    def cleared(self) -> None:
        """What accounts were raised by and grants have lent goes with them."""
        self.raised = self.beyond_grants()

    def teardown(self) -> None:
        """Close the second program too."""
        self.other_db.close()
        super().teardown()

    @rule(which=CAP, limit=st.integers(0, 1_500))
    def change_limit(self, which: int, limit: int) -> None:
        """A cap gets another limit; what is above a lower one was there before."""
        self.do(self.ledger.set_cap(replace(LIMITS[which], limit=limit), self.now))
        self.note_above()

    def note_above(self, found: Iterable[Account] | None = None) -> None:
        """What stands above a limit that a person set, whichever of the open holds end and give back what grants lend them.

        Under a lowered cap a grant lends more than a hold is worth: then the account stands higher once that one has ended.
        """
        parts = self.parts()
        for account in self.accounts().values() if found is None else found:
            most = account.spent + parts.get(place(account), 0) - account.limit - account.overrun
            self.above[place(account)] = max(self.above.get(place(account), 0), excess(account), most)

    @rule(more=st.integers(1, 300))
    def borrow(self, more: int) -> None:
        """With a grant for each account that is short, just that much more can be held."""
        hold = self.wanted(0, WHO, "session:s1")
        found = self.of(hold.subject)
        amount = min(account.left for account in found) + more
        for account in found:
            missing = max(0, account.spent + account.held + amount - account.limit)
            if missing or account.cap.at_soft != "go":
                self.add_grant(account.cap.id, account.key, missing, "session:s1")
        assert self.hold(replace(hold, amount=amount))

    @rule(which=CAP)
    def make_again(self, which: int) -> None:
        """A cap that is taken away and made again loses its raises, and nothing else."""
        assert self.do(self.ledger.remove_cap(LIMITS[which].name))
        assert not self.do(self.ledger.remove_cap(LIMITS[which].name))
        self.do(self.ledger.set_cap(LIMITS[which], self.now))
        self.note_above()
        self.cleared()

    @rule(
        which=CAP, amount=AMOUNTS, binding=st.sampled_from(["request:f", "session:s1"]), life=st.sampled_from([60, 1e9])
    )
    def grant(self, which: int, amount: int, binding: str, life: float) -> None:
        """A person says yes, for a while or for long."""
        self.add_grant(LIMITS[which].id, ("", "a", "s1", f"r{(self.count + 1) // 2}")[which], amount, binding, life)

    def add_grant(self, cap: str, key: str, amount: int, binding: str, life: float = 1e9) -> None:
        """A grant."""
        self.count += 1
        grant = Grant(id=f"g{self.count}", cap=cap, key=key, binding=binding, amount=amount, expires=self.now + life)
        self.do(self.ledger.add_grant(grant, self.now))

    @rule(pick=st.integers(0))
    def revoke(self, pick: int) -> None:
        """A person takes a grant back, a raise, or an allowance for its window."""
        live = sorted(self.do(self.ledger.grants(self.now)), key=_known)  # ids of allowances and raises are random
        if live:
            grant = live[pick % len(live)]
            before = self.beyond_grants()
            assert self.do(self.ledger.revoke(grant.id))
            assert grant.id not in {one.id for one in self.do(self.ledger.grants(self.now))}
            taken = before - self.beyond_grants()
            assert 0 <= taken <= (grant.amount if grant.binding.startswith("cap:") else 0)
            self.raised -= taken
            self.note_above()  # open holds keep what they have of a raise

    @rule(which=st.integers(0, 2), amount=AMOUNTS)
    def raise_cap(self, which: int, amount: int) -> None:
        """A person raises a cap for its present window."""
        self.note_above(self.of(replace(WHO, agent="a", session="s1")))
        assert self.do(self.ledger.raise_cap(LIMITS[which].id, ("", "a", "s1")[which], amount, self.now))
        self.raised += amount

    @rule()
    def crash(self) -> None:
        """The gateway dies; holds that were open are charged in full, each with a row."""
        gone, self.db = self.other_db, self.die()
        gone.close()
        self.ledger = Ledger(self.db, UTC)
        self.other_db, self.other = self.second()
        self.other._pruned = self.now
        assert set(self.do(self.ledger.recover(self.now))) == set(self.open)
        self.charged |= {id_: made.hold.amount for id_, made in self.open.items()}
        self.ended |= self.open
        self.open = {}
        self.cleared()

    def beyond_grants(self) -> int:
        """What accounts were raised by, but for what grants have lent and not got back."""
        return self.number(select(func.sum(ACCOUNTS.c.raised))) - self.lent()

    def parts(self) -> dict[tuple[str, str, str], int]:
        """The larger of what each open hold holds and what a grant lends it, by account."""
        where = (ACCOUNTS.c.cap, ACCOUNTS.c.key, ACCOUNTS.c.window)
        larger = case((PLEDGES.c.lent > HOLDS.c.amount, PLEDGES.c.lent), else_=HOLDS.c.amount)
        query = select(*where, func.sum(larger).label("part")).join(PLEDGES, PLEDGES.c.account == ACCOUNTS.c.id)
        rows = self.rows(query.join(HOLDS, HOLDS.c.id == PLEDGES.c.hold).group_by(*where))
        return {(row["cap"], row["key"], row["window"]): int(row["part"]) for row in rows}

    def lent(self) -> int:
        """What all grants have lent and not got back."""
        return self.number(select(func.sum(GRANTS.c.given - GRANTS.c.amount)))

    @invariant()
    def no_cap_is_passed_unseen(self) -> None:
        """Spent and held stay within limit, raise and recorded overrun; nothing is negative."""
        for account in self.accounts().values():
            assert excess(account) <= self.above.get(place(account), 0), account
            assert min(account.spent, account.held, account.raised, account.overrun) >= 0

    @invariant()
    def an_account_is_the_sum_of_its_holds(self) -> None:
        """Of its owner, made in its window: held is what the open ones hold, spent what the others were charged."""
        for account in self.accounts().values():
            held = sum(made.hold.amount for made in self.open.values() if belongs(made, account))
            spent = sum(self.charged.get(id_, 0) for id_, made in self.ended.items() if belongs(made, account))
            assert (account.held, account.spent) == (held, spent), account

    @invariant()
    def the_audit_adds_up_to_what_was_charged(self) -> None:
        """So do the holds, and the report."""
        charged = sum(self.charged.values())
        assert self.number(select(func.sum(AUDIT.c.cost))) == charged
        assert self.number(select(func.sum(HOLDS.c.charge))) == charged
        assert sum(row.amount for row in self.do(self.ledger.spend("agent"))) == charged

    @invariant()
    def a_grant_is_spent_or_still_there(self) -> None:
        """What accounts were raised by is what people raised and what grants have lent; no grant lends more than it has."""
        assert self.beyond_grants() == self.raised
        for row in self.rows(select(GRANTS)):
            assert 0 <= row["amount"] <= row["given"]
            assert not row["window"] or row["given"] <= MOST_ALLOWED


class MoneyOnServer(OnServer, Money):
    """The same, on a server."""


def _known(grant: Grant) -> tuple[object, ...]:
    """All of a grant but its id."""
    return grant.expires, grant.cap, grant.key, grant.binding, grant.amount


def counts(examples: int, steps: int) -> settings:
    """How many sequences, how long; a step that waits for a disk has no deadline."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


class TestMoney(Money.TestCase):  # type: ignore[misc, valid-type]  # hypothesis makes the base class
    """The machine, as a test."""

    settings = counts(1_000, 50) if SOAK else counts(12, 20)


class TestMoneyOnServer(MoneyOnServer.TestCase):  # type: ignore[misc, valid-type]  # hypothesis makes the base class
    """The machine, as a test on PostgreSQL."""

    settings = counts(200, 50) if SOAK else counts(2, 15)
