"""What counts in an account that is made up, against plain addition over the holds."""

from __future__ import annotations

import os
import random
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection

from pointsman.core.budget import SCOPES, WINDOWS, Cap, account_key, window
from pointsman.store import counted, holds
from pointsman.store.db import Database
from pointsman.store.holds import Books, HoldRequest
from tests.fakes.money import NOON, WHO, paid, want

SOAK = os.environ.get("POINTSMAN_SOAK") == "1"
DAY = 86_400
BOOKS = Books(UTC, "")
SHAPES = [(scope, kind) for scope in SCOPES for kind in WINDOWS]


class Past:
    """Forty days of holds by a few agents, projects and sessions, some of them open, some refunded."""

    def __init__(self, count: int) -> None:
        chance = random.Random(count)
        self.holds: list[tuple[HoldRequest, float, int, int]] = []
        for number in range(count):
            who = replace(
                WHO,
                agent=chance.choice(["a", "b"]),
                project=chance.choice([None, "/x"]),
                session=chance.choice(["s1", "s2"]),
            )
            hold = want(f"h{number}", chance.randrange(1_000), who=who, request=f"r{number // 3}")
            state, charge = chance.choice(["open", "settled", "settled", "refunded"]), chance.randrange(1_500)
            at = NOON + chance.choice([chance.uniform(-40 * DAY, 0), chance.uniform(-1_800, 0)])
            held, charged = hold.amount if state == "open" else 0, charge if state == "settled" else 0
            self.holds.append((hold, at, held, charged))

    def write(self, connection: Connection) -> None:
        """All of it."""
        for hold, at, held, charged in self.holds:
            holds.reserve(connection, BOOKS, hold, at)
            if charged:
                holds.settle(connection, hold.id, paid(charged), at + 1)
            elif not held:
                holds.refund(connection, hold.id, at + 1)

    def sums(self, cap: Cap, made: float, zone: tzinfo) -> tuple[int, int]:
        """Spent and held in the account of the first hold's subject, at noon."""
        key, span = account_key(cap, self.holds[0][0].subject), window(cap.window, NOON, zone).key
        spent = total = 0
        for hold, at, held, charged in self.holds:
            late = cap.window == "once" and cap.scope != "request" and at < made
            if account_key(cap, hold.subject) == key and window(cap.window, at, zone).key == span and not late:
                spent, total = spent + charged, total + held
        return spent, total


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "Africa/Monrovia"])
async def test_an_account_is_the_sum_of_its_holds(db: Database, zone: str) -> None:
    """Whatever its scope and window are, and wherever its days begin."""
    past, place, made = Past(3_000 if SOAK else 150), ZoneInfo(zone), NOON - 3 * DAY - 1234.5
    await db.write(past.write)
    for scope, kind in SHAPES:
        cap = Cap(id="c", name="c", scope=scope, window=kind, limit=1)
        key = account_key(cap, past.holds[0][0].subject)
        if key is not None:
            wanted = counted.of(cap, made, key, window(kind, NOON, place))
            spent = await db.read(lambda connection, of=wanted: counted.spent(connection, of))
            held = await db.read(lambda connection, of=wanted: counted.held(connection, of))
            assert (spent, held) == past.sums(cap, made, place), (scope, kind)
