"""From runs to figures: medians of rounds, what each system adds to direct, and which bounds hold. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import msgspec

from pointsman.bench.load import Sample

DIRECT, NGINX, BARE, OURS, LITELLM = "direct", "nginx", "uvicorn + aiohttp", "pointsman", "litellm"
Runs = Mapping[tuple[str, str], Sequence[Sample]]
"""The runs of (case, system), one a round."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Medians over the rounds, milliseconds. `added` are differences to direct, each taken within its round."""

    p50: float
    p99: float
    per_second: float
    cpu: float
    first: float
    gap: float
    gap_p99: float
    added: Added


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """What a system puts on top of direct."""

    p50: float
    p99: float
    first: float
    gap: float
    gap_p99: float


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Megabytes resident before and after so many requests."""

    requests: int
    before: float
    after: float


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A figure and its bound; `least` says that it may not be less. `value` is None where nothing was measured."""

    name: str
    value: float | None
    bound: float
    aim: float | None = None
    least: bool = False

    @property
    def passed(self) -> bool | None:
        """None where nothing was measured."""
        return self._holds(self.bound)

    @property
    def word(self) -> str:
        """For the table."""
        if self.value is None:
            return "not measured"
        if not self._holds(self.bound):
            return "MISS"
        return "pass, at the aim" if self.aim is not None and self._holds(self.aim) else "pass"

    def _holds(self, bound: float) -> bool | None:
        if self.value is None:
            return None
        return self.value >= bound if self.least else self.value <= bound


_READ: dict[str, Callable[[Sample], float]] = {
    "p50": lambda one: one.ms.p50,
    "p99": lambda one: one.ms.p99,
    "first": lambda one: one.first.p50,
    "gap": lambda one: one.gap.p50,
    "gap_p99": lambda one: one.gap.p99,
}


def figures(runs: Runs, case: str, system: str) -> Figures | None:
    """The figures of a system in a case, or None where it was not measured."""
    own, direct = runs.get((case, system)), runs.get((case, DIRECT))
    if not own or not direct:
        return None
    middle = {name: median(read(one) for one in own) for name, read in _READ.items()}
    added = {
        name: median(read(one) - read(beside) for one, beside in zip(own, direct, strict=True))
        for name, read in _READ.items()
    }
    per_second, cpu = median(one.per_second for one in own), median(one.cpu for one in own)
    return Figures(**middle, per_second=per_second, cpu=cpu, added=Added(**added))


def ratio(value: float | None, of: float | None) -> float | None:
    """None where one is missing or there is nothing to divide by."""
    return None if value is None or of is None or of <= 0 else value / of


_SLOWER = "added p50 at 1, times nginx's"
_RATE = "requests a second at 32, times uvicorn + aiohttp's"
_CPU = "processor time a request at 10, ms"
# Bounds on one figure of ours in one case: name, case, the figure, bound, aim.
_BOUNDS: tuple[tuple[str, str, Callable[[Figures], float], float, float | None], ...] = (
    ("added p50 at 10, ms", "c10", lambda one: one.added.p50, 2, 1),
    ("added p99 at 10, ms", "c10", lambda one: one.added.p99, 6, None),
    (_CPU, "c10", lambda one: one.cpu, 0.35, 0.2),
    ("added p50 of 100 KB bodies at 1, ms", "100 KB", lambda one: one.added.p50, 0.8, None),
    ("added to the first streamed byte at 1, ms", "stream", lambda one: one.added.first, 0.5, None),
    ("added to the widest gap of half the streams, ms", "paced", lambda one: one.added.gap, 2, None),
    ("added to the widest gap of 99 in 100 streams, ms", "paced", lambda one: one.added.gap_p99, 2, None),
)


def checks(runs: Runs, memory: Memory | None, cold: float | None) -> list[Check]:
    """Every bound of the gateway's cost."""

    def of(case: str, system: str, read: Callable[[Figures], float]) -> float | None:
        found = figures(runs, case, system)
        return None if found is None else read(found)

    ours, nginx, litellm = (of("c1", system, lambda one: one.added.p50) for system in (OURS, NGINX, LITELLM))
    fast, bare = (of("c32", system, lambda one: one.per_second) for system in (OURS, BARE))
    found = [Check(name=_SLOWER, value=ratio(ours, nginx), bound=5, aim=3)]
    for name, case, read, bound, aim in _BOUNDS:
        found.append(Check(name=name, value=of(case, OURS, read), bound=bound, aim=aim))
    found.append(Check(name=_RATE, value=ratio(fast, bare), bound=0.5, aim=1, least=True))
    found += _at_rest(memory, cold)
    if litellm is not None:
        name = "LiteLLM's added p50 at 1, times ours"
        found.append(Check(name=name, value=ratio(litellm, ours), bound=20, least=True))
    return found


def _at_rest(memory: Memory | None, cold: float | None) -> list[Check]:
    grown = None if memory is None else memory.after - memory.before
    over = f"{memory.requests:,}" if memory else "the"
    return [
        Check(name="resident, MB", value=memory.after if memory else None, bound=90),
        Check(name=f"grown over {over} requests, MB", value=grown, bound=5),
        Check(name="cold start to the first answer, s", value=cold, bound=0.8),
    ]


def summary(runs: Runs, memory: Memory | None, colds: Mapping[str, float]) -> dict[str, Any]:
    """Everything, for programs."""
    held = checks(runs, memory, colds.get(OURS))
    values = {one.name: one.value for one in held}
    rows: dict[str, dict[str, Figures | None]] = {}
    for case, system in runs:
        rows.setdefault(case, {})[system] = figures(runs, case, system)
    return {
        "ratio_to_nginx": {"p50_c1": values[_SLOWER]},
        "ratio_to_probe": {"throughput_c32": values[_RATE]},
        "cpu_ms_per_request": values[_CPU],
        "checks": [msgspec.structs.asdict(one) | {"passed": one.passed} for one in held],
        "rows": rows,
        "memory": memory,
        "cold_start_s": dict(colds),
    }
