"""Holds, charges and grants for tests of the ledger, all on one day in Berlin."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from pointsman.core.budget import Cap, Short, Subject
from pointsman.store.ledger import Charge, Grant, HoldRequest, Ledger, Reserved

ZONE = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 20, 12, tzinfo=ZONE).timestamp()
TOMORROW = NOON + 86_400
LATER = NOON + 900
DAILY = Cap(id="daily", name="daily", scope="everything", window="day", limit=1_000)
WHO = Subject(
    person="ann",
    project="/src/x",
    label=None,
    agent="claude",
    session="s1",
    task="t1",
    model="sonnet",
    tier="cloud",
    request="",
)


def want(name: str, amount: int, *bindings: str, who: Subject = WHO, **more: Any) -> HoldRequest:
    """A hold that is asked for."""
    fields: dict[str, Any] = {"request": f"r-{name}", "attempt": 1, "target": "sonnet", "estimate": amount // 2} | more
    subject = replace(who, request=fields["request"])
    return HoldRequest(id=name, subject=subject, amount=amount, bindings=bindings, **fields)


def paid(amount: int, **more: Any) -> Charge:
    """A charge of known usage."""
    return Charge(amount=amount, estimated=False, **more)


def grant(binding: str, amount: int, **change: Any) -> Grant:
    """A grant for the daily cap."""
    return replace(
        Grant(id=f"g-{binding}", cap="daily", key="", binding=binding, amount=amount, expires=LATER), **change
    )


def shorts(answer: Reserved | tuple[Short, ...]) -> list[tuple[str, int, bool]]:
    """What stands in the way: cap, how much is missing, whether only the soft mark."""
    assert isinstance(answer, tuple)
    return [(short.account.cap.name, short.over, short.soft) for short in answer]


async def sums(ledger: Ledger, now: float = NOON) -> tuple[int, int, int, int]:
    """Spent, held, raised and overrun of the only account."""
    [account] = await ledger.accounts(now)
    return account.spent, account.held, account.raised, account.overrun


async def full(ledger: Ledger) -> None:
    """A cap of which 900 of 1,000 are spent."""
    await ledger.set_cap(DAILY, NOON)
    await ledger.reserve(want("full", 900), NOON)
    await ledger.settle("full", paid(900), NOON)
