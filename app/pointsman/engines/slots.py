"""Which slot a request gets and what goes into the next step. Pure: lists in, values out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec


class Place(msgspec.Struct, frozen=True):
    """A slot, and how many of its tokens the new prompt may keep."""

    slot: int
    kept: int


class Run(msgspec.Struct, frozen=True):
    """Tokens of one slot in a step, from position `start` on; the last one is sampled from when `complete`."""

    slot: int
    start: int
    tokens: Sequence[int]
    complete: bool


def common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    """How many leading tokens are equal."""
    return next((at for at, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))


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


def has_room(lengths: Sequence[int], added: int, cells: int, margin: int = 64) -> bool:
    """Whether one more request fits beside those under way, with a margin for each to grow."""
    return not lengths or sum(lengths) + added + margin * (len(lengths) + 1) <= cells


def plan_step(pending: Mapping[int, tuple[int, Sequence[int]]], room: int, prefill: int) -> list[Run]:
    """`pending` maps slots to (start, tokens not yet computed). Answers go on first, prompts share what is left.

    At most `room` tokens in all, and at most `prefill` of prompts, so that no step takes long.
    """
    runs = [Run(slot, start, tokens, True) for slot, (start, tokens) in pending.items() if len(tokens) == 1]
    left = min(prefill, room - len(runs))
    for slot, (start, tokens) in pending.items():
        if len(tokens) > 1 and left > 0:
            taken = tokens[:left]
            runs.append(Run(slot, start, taken, len(taken) == len(tokens)))
            left -= len(taken)
    return runs
