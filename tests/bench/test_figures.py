"""What is made of the runs: medians, differences, bounds, tables."""

from __future__ import annotations

import msgspec
import pytest

from pointsman.bench import tables
from pointsman.bench.figures import BARE, DIRECT, LITELLM, NGINX, OURS, Check, Memory, checks, figures, ratio, summary
from pointsman.bench.load import Sample, Spread

MEMORY = Memory(requests=100_000, before=60.0, after=64.0)


def sample(p50: float, *, p99: float = 9.0, per_second: float = 1000.0, cpu: float = 0.2) -> Sample:
    """A run with these figures."""
    spread = Spread(p50, p50, p99, p99)
    return Sample(
        requests=100,
        counted=100,
        errors=0,
        per_second=per_second,
        ms=spread,
        first=spread,
        gap=spread,
        failure="",
        cpu=cpu,
    )


def runs() -> dict[tuple[str, str], list[Sample]]:
    """One round in which nginx adds 0.1 ms, the bare proxy 0.3, we 0.4 and LiteLLM 10."""
    added = {DIRECT: 0.0, NGINX: 0.1, BARE: 0.3, OURS: 0.4, LITELLM: 10.0}
    cases = ("c1", "c10", "c32", "100 KB", "stream", "paced")
    return {(case, name): [sample(1 + more, p99=5 + more)] for case in cases for name, more in added.items()}


def check(name: str, found: list[Check]) -> Check:
    """The one check whose name starts so."""
    (one,) = [one for one in found if one.name.startswith(name)]
    return one


def test_difference_is_taken_within_each_round_before_the_median() -> None:
    """A machine that slows down between rounds changes no difference."""
    slow = {("c1", DIRECT): [sample(1), sample(5), sample(9)], ("c1", OURS): [sample(1.5), sample(5.5), sample(9.5)]}
    found = figures(slow, "c1", OURS)
    assert found is not None
    assert found.p50 == 5.5
    assert found.added.p50 == pytest.approx(0.5)


def test_system_that_was_not_measured_has_no_figures() -> None:
    """None, not zeros."""
    assert figures(runs(), "c1", "haproxy") is None


def test_ratio_to_nothing_is_nothing() -> None:
    """No division by zero, and none by what was not measured."""
    assert ratio(1.0, 0.0) is None
    assert ratio(1.0, None) is None
    assert ratio(None, 2.0) is None
    assert ratio(1.0, 2.0) == 0.5


def test_figures_within_all_bounds_pass() -> None:
    """A gateway that is quick enough misses nothing."""
    found = checks(runs(), MEMORY, 0.5)
    assert [one.name for one in found if not one.passed] == []
    assert check("added p50 at 1, ", found).value == pytest.approx(4.0)
    assert check("LiteLLM", found).value == pytest.approx(25.0)


@pytest.mark.parametrize(
    ("case", "name"),
    [
        ("c1", "added p50 at 1, "),
        ("c10", "added p99 at 10"),
        ("100 KB", "added p50 of 100 KB"),
        ("stream", "added to the first"),
        ("paced", "added to the widest gap of half"),
    ],
)
def test_slow_case_misses_its_own_bound(case: str, name: str) -> None:
    """Each case is judged by its own bound."""
    slow = runs() | {(case, OURS): [sample(10, p99=20)]}
    assert check(name, checks(slow, MEMORY, 0.5)).passed is False


def test_throughput_is_bounded_from_below() -> None:
    """Half of the bare proxy's passes, less does not."""
    half = runs() | {("c32", OURS): [sample(1, per_second=500)]}
    less = runs() | {("c32", OURS): [sample(1, per_second=499)]}
    assert check("requests a second", checks(half, MEMORY, 0.5)).passed is True
    assert check("requests a second", checks(less, MEMORY, 0.5)).passed is False


def test_memory_is_judged_by_size_and_by_growth() -> None:
    """A small gateway that grows misses one bound, a large one that stands still the other."""
    grown = checks(runs(), Memory(requests=100_000, before=50.0, after=56.0), 0.5)
    assert check("grown", grown).passed is False
    assert check("resident", grown).passed is True
    large = checks(runs(), Memory(requests=100_000, before=91.0, after=91.0), 0.5)
    assert check("grown", large).passed is True
    assert check("resident", large).passed is False


def test_without_nginx_its_ratio_is_blank() -> None:
    """What was not measured neither passes nor misses."""
    without = {key: value for key, value in runs().items() if key[1] not in {NGINX, LITELLM}}
    found = checks(without, None, None)
    assert check("added p50 at 1, ", found).passed is None
    assert check("added p50 at 1, ", found).word == "not measured"
    assert check("added p50 at 10", found).passed is True
    assert not [one for one in found if one.name.startswith("LiteLLM")]


def test_word_tells_a_pass_from_an_aim() -> None:
    """The table says how good it is."""
    at = {value: Check(name="", value=value, bound=5, aim=3).word for value in (2.0, 4.0, 6.0)}
    assert at == {2.0: "pass, at the aim", 4.0: "pass", 6.0: "MISS"}


def test_summary_holds_the_names_that_scripts_read() -> None:
    """`ratio_to_nginx.p50_c1`, `ratio_to_probe.throughput_c32`, `cpu_ms_per_request`."""
    found = msgspec.json.decode(msgspec.json.encode(summary(runs(), MEMORY, {OURS: 0.5})))
    assert found["ratio_to_nginx"]["p50_c1"] == pytest.approx(4.0)
    assert found["ratio_to_probe"]["throughput_c32"] == 1.0
    assert found["cpu_ms_per_request"] == 0.2
    assert found["rows"]["c10"]["nginx"]["added"]["p50"] == pytest.approx(0.1)
    assert found["cold_start_s"] == {"pointsman": 0.5}


def test_table_of_a_case_has_a_row_for_each_system() -> None:
    """Also for one that was not measured."""
    without = {key: value for key, value in runs().items() if key[1] != NGINX}
    shown = tables.cases(without, {"c1": "one at a time"}, [DIRECT, NGINX, OURS]).splitlines()
    assert shown[0].split()[:5] == ["one", "at", "a", "time", "p50"]
    assert shown[2].split() == ["nginx", "none"]
    assert shown[3].split()[:5] == ["pointsman", "1.40", "5.40", "0.40", "0.40"]


def test_table_of_bounds_says_what_was_measured() -> None:
    """A person reads figure, bound and verdict on one line."""
    shown = tables.bounds(checks(runs(), MEMORY, 0.9))
    assert "cold start to the first answer, s" in shown
    assert shown.splitlines()[-2].split()[-4:] == ["at", "most", "0.8", "MISS"]
