"""From answers to figures: medians of rounds, ratios to xllamacpp, and what a machine bears at once. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import msgspec

from pointsman.bench.figures import Check, ratio

AT_ONCE = (1, 4, 8)
_WAIT = 60.0  # seconds that the last in the queue may wait for its turn
_ANSWER = 256  # tokens of a usual answer
_LONGEST_QUEUE = 64
_LONG = 7_500  # tokens, from which on a prompt counts as one of 8k


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens per processor second at so many at once, in each round; `theirs` is empty where xllamacpp is not there."""

    at_once: int
    ours: tuple[float, ...]
    theirs: tuple[float, ...] = ()

    @property
    def ratio(self) -> float | None:
        """Ours to theirs: the median of what it was in each round, as a machine is not the same in all."""
        pairs = zip(self.ours, self.theirs, strict=False)
        each = [one for ours, theirs in pairs if (one := ratio(ours, theirs)) is not None]
        return median(each) if each else None


class First(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds to the first token of a prompt with so many tokens, in each round: read anew, and with them known."""

    tokens: int
    fresh: tuple[float, ...]
    known: tuple[float, ...]

    @property
    def share(self) -> float | None:
        """Of the time of a fresh one, what a known one takes."""
        return ratio(median(self.known), median(self.fresh))


class Guessed(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens per processor second of an answer that repeats one word, in each round: plain, and with `lookup`."""

    plain: tuple[float, ...]
    lookup: tuple[float, ...]

    @property
    def ratio(self) -> float | None:
        """The most that guessing gains here, as every guess comes true: the median of what it was in each round."""
        pairs = zip(self.lookup, self.plain, strict=True)
        each = [one for lookup, plain in pairs if (one := ratio(lookup, plain)) is not None]
        return median(each) if each else None


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """All that was measured."""

    rates: Sequence[Rate]
    first: First | None = None
    guessed: Guessed | None = None


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """What a target bears: answers at once, how many more may wait, and the speed of one of them then."""

    slots: int
    queue: int
    alone: float
    speed: float


def checks(rates: Sequence[Rate], first: First | None) -> list[Check]:
    """Every bound of the engine's speed."""
    found = [
        Check(
            name=f"tokens per processor second at {one.at_once}, times xllamacpp's",
            value=one.ratio,
            bound=0.95,
            aim=1,
            least=True,
        )
        for one in rates
    ]
    share = None if first is None or first.tokens < _LONG else first.share  # what is not long says little
    return [
        *found,
        Check(name="time to the first token of 8k known ones, times that of fresh ones", value=share, bound=0.05),
    ]


def capacity(speeds: Mapping[int, float]) -> Capacity:
    """From tokens a second of each stream, by how many there are: as many as keep half of what one has alone."""
    alone = speeds[1]
    slots = 1
    for count in sorted(speeds):
        if speeds[count] * 2 < alone:
            break
        slots = count
    turns = int(_WAIT * speeds[slots] / _ANSWER)
    return Capacity(slots=slots, queue=min(_LONGEST_QUEUE, max(1, slots * turns)), alone=alone, speed=speeds[slots])


def summary(model: str, found: Found) -> dict[str, Any]:
    """Everything, for programs."""
    rates, first, guessed = found.rates, found.first, found.guessed
    held = checks(rates, first)
    return {
        "model": model,
        "ratio_to_reference": {f"parallel_{one.at_once}": one.ratio for one in rates},
        "first_token": None if first is None else msgspec.structs.asdict(first) | {"share": first.share},
        "guessed": None if guessed is None else msgspec.structs.asdict(guessed) | {"ratio": guessed.ratio},
        "checks": [msgspec.structs.asdict(one) | {"passed": one.passed} for one in held],
        "rates": [msgspec.structs.asdict(one) for one in rates],
    }


def rows(found: Found, missing: str) -> list[tuple[str, ...]]:
    """For a table. `missing` says what stands where xllamacpp is not there."""
    told: list[tuple[str, ...]] = [("tokens per processor second", "pointsman", "xllamacpp", "ratio")]
    for one in found.rates:
        theirs = f"{median(one.theirs):.1f}" if one.theirs else missing
        told.append((f"  {one.at_once} at once", f"{median(one.ours):.1f}", theirs, _times(one.ratio)))
    if (guessed := found.guessed) is not None:
        told.append(("tokens per processor second", "plain", "lookup", "ratio"))
        speeds = (f"{median(guessed.plain):.1f}", f"{median(guessed.lookup):.1f}")
        told.append(("  one word over and over: each guess is right", *speeds, _times(guessed.ratio)))
    if (first := found.first) is not None:
        told.append(("time to the first token", "fresh", "known", "share"))
        times = (f"{median(first.fresh):.2f} s", f"{median(first.known):.2f} s")
        told.append((f"  {first.tokens:,} tokens", *times, f"{first.share or 0:.1%}"))
    return told


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
