"""What an attempt costs, in every way it can end."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest

from pointsman.core.errors import UpstreamFailed
from pointsman.core.pricing import FREE, Meters, Rates
from pointsman.core.routing import Attempt
from pointsman.gateway import record
from pointsman.gateway.attempts import AttemptFailed, Tally
from pointsman.gateway.run import Owed, Run
from pointsman.store.ledger import Reserved
from tests.fakes.asking import Office

RATES = Rates(
    input=10**6,
    cache_read=10**5,
    cache_write_short=10**6,
    cache_write_long=10**6,
    output=10**7,
    source="mine",
    dated="2026-01-01",
)
CLOUD = Attempt(target="t", tier="cloud", about=5, at_most=1000, output=10, rates=RATES)
LOCAL = Attempt(target="t", tier="local", about=0, at_most=0, output=10, rates=FREE)
FAILED = AttemptFailed(UpstreamFailed("it broke"), again=True)


def tally(*, sent: bool = True, meters: Meters | None = None, cost: int | None = None) -> Tally:
    """What was used."""
    used = Tally()
    used.sent, used.meters, used.cost = sent, meters, cost
    used.finish = "stop" if meters or cost else None
    return used


def test_usage_is_priced_by_its_meters() -> None:
    """Each meter at its own rate."""
    owed = record.charge(CLOUD, tally(meters=Meters(fresh_input=3, cache_read=10, output=2)), None)
    assert owed is not None
    assert (owed.amount, owed.estimated, owed.output) == (3 + 1 + 20, False, 2)


def test_the_providers_own_cost_wins() -> None:
    """It knows its bill better than a price list."""
    owed = record.charge(CLOUD, tally(meters=Meters(output=2), cost=7), None)
    assert owed is not None
    assert owed.amount == 7


@pytest.mark.parametrize("failed", [None, FAILED])
def test_missing_usage_costs_the_hold(failed: AttemptFailed | None) -> None:
    """Cut or complete: without usage the bound is charged and marked."""
    owed = record.charge(CLOUD, tally(), failed)
    assert owed is not None
    assert (owed.amount, owed.estimated) == (1000, True)


def test_usage_of_a_part_is_not_usage() -> None:
    """A stream that was cut after an early usage costs the hold."""
    used = tally(meters=Meters(output=1))
    used.finish = None
    owed = record.charge(CLOUD, used, FAILED)
    assert owed is not None
    assert (owed.amount, owed.estimated) == (1000, True)


def test_nothing_sent_costs_nothing() -> None:
    """A refund, not a charge of zero."""
    assert record.charge(CLOUD, tally(sent=False), FAILED) is None


def test_a_local_failure_costs_nothing() -> None:
    """There is nobody to pay."""
    assert record.charge(LOCAL, tally(), FAILED) is None


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ((), ""),
        (("verbosity", "part smell"), "; not carried over: verbosity, part smell"),
        (tuple("abcdefghij"), "; not carried over: a, b, c, d, e, f, g, h and 2 more"),
        (("x", "tool ghp_" + "aB3dE5gH7j" * 3 + "aB3dE5", "4111111111111111"), "; not carried over: x, a field"),
        (
            ("part said?to?me", "part " + "k" * 40, "item of another kind"),
            "; not carried over: a field, item of another kind",
        ),
    ],
)
async def test_of_what_was_not_carried_over_a_few_are_named(tmp_path: Path, lost: tuple[str, ...], told: str) -> None:
    """However many there are; a key or the number of a card in place of a name is not told."""
    office = Office(tmp_path / "home")
    run, decision = Run("r1", "tester"), office.decision()
    run.tally.lost = lost
    assert record.reason(run, decision) == decision.plan.reason + told
    office.close()


@pytest.mark.parametrize("sign", ["a", "%", "\u00e9", "\u20ac", "\U0001f600"])
async def test_a_reason_fits_its_header_and_its_row(tmp_path: Path, sign: str) -> None:
    """A client could not read an answer, paid as it is, whose header is longer; no sign is cut in two."""
    office = Office(tmp_path / "home")
    run = Run("r1", "tester")
    run.decision = office.decision()
    run.attempt, run.notes = run.decision.plan.attempts[0], [sign * 100_000]
    said = dict(record.headers(run, run.decision))[b"x-pointsman-reason"]
    assert 1_980 < len(said) <= 2_000
    assert unquote(said.decode(), errors="strict").endswith(sign)
    assert len(record._row(run, None).reason) == 4_000
    office.close()


async def test_a_row_names_the_provider_that_it_was_sent_to(tmp_path: Path) -> None:
    """Also where models.toml has lost it meanwhile; and of what an upstream says only a word is written."""
    office = Office(tmp_path / "home")
    run, used = Run("r1", "tester"), tally()
    run.decision, used.bytes, used.finish = office.decision(), 7, "x" * 1000
    office.house.use_catalog(msgspec.structs.replace(office.house.catalog, targets={}, providers={}))
    row = record._row(run, Owed(run.decision.plan.attempts[0], 1, Reserved("h", 5), None, used))
    assert (row.provider, row.bytes_sent, row.finish) == ("plain", 7, "x" * 40)
    office.close()
