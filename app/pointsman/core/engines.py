"""Which local models stay loaded: idle unload, eviction for another one, and when nothing may be loaded. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

_ON_BATTERY = 120.0  # seconds an idle model stays, at most, while the machine runs on its battery
_LOW_BATTERY = 15  # percent, below which nothing is loaded and nothing idle stays
_NICE = 5
_LEFT_FREE = 8  # one part of so many of main memory is for the person's programs to grow into
_LEAST_FREE, _MOST_FREE = 1 << 30, 8 << 30


class Power(Struct, frozen=True, kw_only=True):
    """How the machine stands. `percent` is the battery's, None without one; `away`: nobody uses it, None: not known."""

    on_battery: bool = False
    percent: int | None = None
    hot: bool = False
    sleeping: bool = False
    away: bool | None = None

    @property
    def low(self) -> bool:
        """The battery is nearly empty."""
        return self.on_battery and self.percent is not None and self.percent <= _LOW_BATTERY


class Held(Struct, frozen=True, kw_only=True):
    """A model that has memory: bytes by pool, when it last had a request, and whether it has one now."""

    name: str
    takes: Mapping[str, int]
    used: float
    busy: bool = False


class Unload(Struct, frozen=True):
    """An idle model that goes, and why."""

    name: str
    why: Literal["idle", "battery", "sleep", "evicted"]


class Evict(Struct, frozen=True):
    """There is room once these are gone, the least recently used first; often none."""

    names: tuple[str, ...]


class Short(Struct, frozen=True, kw_only=True):
    """There is no room: `missing` bytes of a pool, even without all idle models. `busy` names those that have some."""

    pool: str
    missing: int
    busy: tuple[str, ...]


def unloads(held: Iterable[Held], now: float, power: Power, keep_alive: float) -> tuple[Unload, ...]:
    """The models that go now. One with a request under way never does."""
    found = []
    for one in held:
        why = None if one.busy else _why(one, now, power, keep_alive)
        if why is not None:
            found.append(Unload(one.name, why))
    return tuple(found)


def _why(one: Held, now: float, power: Power, keep_alive: float) -> Literal["idle", "battery", "sleep"] | None:
    if power.sleeping:
        return "sleep"
    if power.low:
        return "battery"
    return "idle" if now - one.used >= patience(power, keep_alive) else None


def patience(power: Power, keep_alive: float) -> float:
    """For how many seconds an idle model stays."""
    return min(keep_alive, _ON_BATTERY) if power.on_battery else keep_alive


def next_look(held: Iterable[Held], now: float, power: Power, keep_alive: float) -> float | None:
    """In how many seconds the first idle model is due, None when none is."""
    waits = [one.used + patience(power, keep_alive) - now for one in held if not one.busy]
    return max(0.0, min(waits)) if waits else None


def refusal(name: str, power: Power) -> str | None:
    """Why nothing may be loaded now, in a sentence; None when it may."""
    if power.sleeping:
        return f"{name} is not loaded now: this machine is going to sleep."
    if power.low:
        return f"{name} is not loaded now: the battery is at {power.percent} %. Plug this machine in."
    if power.hot:
        return f"{name} is not loaded now: this machine is too hot. Try again when it has cooled down."
    return None


def make_room(needs: Mapping[str, int], free: Mapping[str, int], held: Sequence[Held]) -> Evict | Short:
    """Who goes so that `needs` fits into what is `free`, which already counts all that `held` takes as taken."""
    left = {pool: free.get(pool, 0) - size for pool, size in needs.items()}
    idle = sorted((one for one in held if not one.busy), key=lambda one: (one.used, one.name))
    gone: list[Held] = []
    for one in idle:
        if all(size >= 0 for size in left.values()):
            break
        if any(left[pool] < 0 and one.takes.get(pool, 0) > 0 for pool in left):
            gone.append(one)
            left = {pool: size + one.takes.get(pool, 0) for pool, size in left.items()}
    pool = min(left, key=lambda pool: left[pool], default="")
    if pool and left[pool] < 0:
        busy = tuple(one.name for one in held if one.busy and one.takes.get(pool, 0) > 0)
        return Short(pool=pool, missing=-left[pool], busy=busy)
    return Evict(tuple(one.name for one in _needed(gone, left)))


def _needed(gone: Sequence[Held], left: Mapping[str, int]) -> list[Held]:
    """Without those that, as it turned out, may stay; the most recently used are kept first."""
    spare, kept = dict(left), list(gone)
    for one in reversed(gone):
        if all(spare[pool] >= one.takes.get(pool, 0) for pool in spare):
            kept.remove(one)
            spare = {pool: size - one.takes.get(pool, 0) for pool, size in spare.items()}
    return kept


def budget(total: int, available: int, ours: int, limit: int | None = None) -> int:
    """Bytes of main memory for all local models together: what is available or ours, less room for other programs.

    `limit` is the person's own, which only lowers it.
    """
    left_free = min(_MOST_FREE, max(_LEAST_FREE, total // _LEFT_FREE))
    found = max(0, min(total, available + ours) - left_free)
    return found if limit is None else min(found, limit)


def niceness(power: Power) -> int:
    """How far a worker stands back: not at all while the person is known to be away."""
    return 0 if power.away else _NICE
