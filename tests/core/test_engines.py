"""Which local models stay loaded: examples."""

from __future__ import annotations

import pytest

from pointsman.core import engines
from pointsman.core.engines import Evict, Held, Power, Short, Unload

GB = 1 << 30
CALM = Power()


def held(name: str, size: int = GB, used: float = 0.0, *, busy: bool = False, gpu: int = 0) -> Held:
    """A model that is loaded."""
    return Held(name=name, takes={"main": size, **({"gpu": gpu} if gpu else {})}, used=used, busy=busy)


@pytest.mark.parametrize(
    ("power", "since", "why"),
    [
        (CALM, 599.0, None),
        (CALM, 600.0, "idle"),
        (Power(on_battery=True, percent=80), 119.0, None),
        (Power(on_battery=True, percent=80), 120.0, "idle"),
        (Power(on_battery=True, percent=15), 0.0, "battery"),
        (Power(on_battery=False, percent=3), 0.0, None),
        (Power(sleeping=True), 0.0, "sleep"),
        (Power(hot=True), 0.0, None),
    ],
)
def test_when_an_idle_model_goes(power: Power, since: float, why: str | None) -> None:
    """After its time, sooner on battery, and at once before sleep and where the battery is nearly empty."""
    expected = (Unload("a", why),) if why else ()
    assert engines.unloads([held("a", used=1000.0)], 1000.0 + since, power, 600.0) == expected


@pytest.mark.parametrize("power", [CALM, Power(sleeping=True), Power(on_battery=True, percent=1)])
def test_a_model_in_use_stays(power: Power) -> None:
    """Whatever happens."""
    assert engines.unloads([held("a", busy=True)], 1e9, power, 1.0) == ()


def test_a_short_keep_alive_is_not_made_longer_by_a_battery() -> None:
    """The person's own time, where it is shorter."""
    assert engines.patience(Power(on_battery=True), 30.0) == 30.0


def test_the_next_look_is_when_the_first_is_due() -> None:
    """Those in use are not waited for."""
    some = [held("a", used=50.0), held("b", used=10.0), held("c", used=0.0, busy=True)]
    assert engines.next_look(some, 100.0, CALM, 600.0) == 510.0
    assert engines.next_look(some[2:], 100.0, CALM, 600.0) is None
    assert engines.next_look(some, 1e6, CALM, 600.0) == 0.0


@pytest.mark.parametrize(
    ("power", "words"),
    [
        (Power(sleeping=True), "going to sleep"),
        (Power(on_battery=True, percent=7), "battery is at 7 %"),
        (Power(hot=True), "too hot"),
        (Power(on_battery=True, percent=90), None),
        (Power(percent=2), None),
        (CALM, None),
    ],
)
def test_when_nothing_is_loaded(power: Power, words: str | None) -> None:
    """A sentence with the reason and what to do, or none."""
    sentence = engines.refusal("m", power)
    assert sentence is None if words is None else sentence and words in sentence and sentence.endswith(".")


def test_the_least_recently_used_goes_first() -> None:
    """And only as many as needed."""
    some = [held("new", used=9.0), held("old", used=1.0), held("mid", used=5.0)]
    assert engines.make_room({"main": GB}, {"main": 0}, some) == Evict(("old",))
    assert engines.make_room({"main": 2 * GB}, {"main": 0}, some) == Evict(("old", "mid"))
    assert engines.make_room({"main": GB}, {"main": GB}, some) == Evict(())


def test_nobody_goes_in_vain() -> None:
    """One that has none of what is missing stays, and so does one that was not enough by itself."""
    some = [held("elsewhere", used=1.0), held("there", used=2.0, gpu=GB)]
    assert engines.make_room({"main": 0, "gpu": GB}, {"main": 9 * GB, "gpu": 0}, some) == Evict(("there",))
    some = [held("little", GB, used=1.0), held("much", 8 * GB, used=2.0)]
    assert engines.make_room({"main": 6 * GB}, {"main": 0}, some) == Evict(("much",))


def test_no_room() -> None:
    """How much is missing, and who holds it."""
    some = [held("busy", 4 * GB, busy=True), held("idle", GB)]
    found = engines.make_room({"main": 6 * GB}, {"main": 2 * GB}, some)
    assert found == Short(pool="main", missing=3 * GB, busy=("busy",))


@pytest.mark.parametrize(
    ("total", "available", "ours", "limit", "expected"),
    [
        (16 * GB, 10 * GB, 0, None, 8 * GB),  # an eighth is left
        (16 * GB, 6 * GB, 4 * GB, None, 8 * GB),  # what is ours counts as free
        (128 * GB, 100 * GB, 0, None, 92 * GB),  # but never more than 8 GB is left
        (4 * GB, 3 * GB, 0, None, 2 * GB),  # and never less than one
        (4 * GB, GB // 2, 0, None, 0),
        (16 * GB, 10 * GB, 0, 3 * GB, 3 * GB),
        (16 * GB, 3 * GB, 0, 9 * GB, GB),  # the person's limit only lowers it
    ],
)
def test_budget(total: int, available: int, ours: int, limit: int | None, expected: int) -> None:
    """Room for the person's programs comes first."""
    assert engines.budget(total, available, ours, limit) == expected


def test_niceness() -> None:
    """It stands back unless nobody is known to be there."""
    assert engines.niceness(Power(away=True)) == 0
    assert engines.niceness(Power(away=False)) == engines.niceness(Power()) > 0
