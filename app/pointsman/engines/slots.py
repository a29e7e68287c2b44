"""Which slot a request gets and what goes into the next step. Pure: lists in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

_TAIL = 64  # tokens at a slot's end that are no loss: what a template writes anew after an answer
_WORTH_COPYING = 64  # tokens more than are there: for fewer, an answer had better not lie in scattered cells
_TILE = 64  # tokens that attention looks at together
_SOME = 20  # new tokens, from which on it is worth it to read so many
_LONG = 2048  # tokens, behind which attention takes most of the time
_WORTH_WAITING = 256  # tokens; so many are worth a wait for another prompt that computes them now
_NONE: Mapping[int, Sequence[int]] = {}


class Place(msgspec.Struct, frozen=True):
    """A slot, and how many of its tokens the new prompt may keep; of those of `source`, where it is another slot."""

    slot: int
    kept: int
    source: int | None = None


class Run(msgspec.Struct, frozen=True):
    """Tokens of one slot in a step, from position `start` on; the last one is sampled from when `complete`.

    The last `guessed` of them are not known to be right; the one before them, and each of them, is sampled from.
    """

    slot: int
    start: int
    tokens: Sequence[int]
    complete: bool
    guessed: int = 0


def common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    """How many leading tokens are equal."""
    # By halves: slices are compared in C, and prompts are long.
    known, most = 0, min(len(left), len(right))
    while known < most:
        middle = (known + most + 1) // 2
        if left[known:middle] == right[known:middle]:
            known = middle
        else:
            most = middle - 1
    return known


def choose_slot(idle: Mapping[int, Sequence[int]], prompt: Sequence[int]) -> Place:
    """The slot that keeps most of what it holds; `idle` maps slots to their tokens, least recently used first.

    A slot whose content would mostly be lost is only taken when there is none with less to lose.
    """
    shared = {slot: common_prefix(tokens, prompt) for slot, tokens in idle.items()}
    near = [slot for slot in idle if shared[slot] * 2 > len(idle[slot])]
    empty = [slot for slot in idle if not idle[slot]]
    best = max(near, key=lambda slot: shared[slot], default=None)
    slot = best if best is not None else (empty or list(idle))[0]
    # At least one token must be computed: without it there is nothing to sample from.
    return Place(slot, min(shared[slot], len(prompt) - 1))


def share(
    place: Place, idle: Mapping[int, Sequence[int]], active: Mapping[int, Sequence[int]], prompt: Sequence[int]
) -> Place:
    """The same place, or one that takes more over from another slot; `active` maps the others to what they computed.

    Where a slot's own rest would be lost, an empty one takes the common part over: both conversations stay.
    """
    held = {**idle, **active}
    shared = {slot: min(common_prefix(tokens, prompt), len(prompt) - 1) for slot, tokens in held.items()}
    source = max(shared, key=lambda slot: (shared[slot], slot == place.slot))
    if source != place.slot:
        return Place(place.slot, shared[source], source) if shared[source] - place.kept >= _WORTH_COPYING else place
    empty = [slot for slot in idle if not idle[slot]]
    if place.kept >= _WORTH_COPYING and empty and len(held[source]) - place.kept > _TAIL:
        return Place(empty[0], place.kept, source)
    return place


def widened(place: Place, length: int) -> Place:
    """The same place, some of what is known forgotten where that makes the rest quicker to read.

    Flash attention on a processor takes several times as long for each token of fewer than 64: behind a long beginning,
    reading 64 is quicker than reading 20.
    """
    if place.kept < _LONG or not _SOME <= length - place.kept < _TILE:
        return place
    return Place(place.slot, length - _TILE, place.source)


def worth_waiting(kept: int, reading: Iterable[Sequence[int]], prompt: Sequence[int]) -> bool:
    """Whether another prompt, of those that are being read, will soon share much more than is there now."""
    most = max((common_prefix(tokens, prompt) for tokens in reading), default=0)
    return min(most, len(prompt) - 1) - kept >= _WORTH_WAITING


def has_room(lengths: Sequence[int], added: int, cells: int, margin: int = 64) -> bool:
    """Whether one more request fits beside those under way, with a margin for each to grow."""
    return not lengths or sum(lengths) + added + margin * (len(lengths) + 1) <= cells


def plan_step(
    pending: Mapping[int, tuple[int, Sequence[int]]],
    room: int,
    prefill: int,
    guesses: Mapping[int, Sequence[int]] = _NONE,
) -> list[Run]:
    """`pending` maps slots to (start, tokens not yet computed). Answers go on first, prompts share what is left.

    At most `room` tokens in all, and at most `prefill` of prompts, so that no step takes long. `guesses` maps slots
    whose answer goes on to what may come next in it.
    """
    runs = [
        _answering(slot, start, tokens, guesses.get(slot, ()))
        for slot, (start, tokens) in pending.items()
        if len(tokens) == 1
    ]
    left = min(prefill, room - sum(len(run.tokens) for run in runs))
    for slot, (start, tokens) in pending.items():
        if len(tokens) > 1 and left > 0:
            taken = tokens[:left]
            runs.append(Run(slot, start, taken, len(taken) == len(tokens)))
            left -= len(taken)
    return runs


def _answering(slot: int, start: int, tokens: Sequence[int], guess: Sequence[int]) -> Run:
    return Run(slot, start, [*tokens, *guess] if guess else tokens, True, len(guess))
