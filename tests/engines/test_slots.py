"""Where a request goes, and what a step computes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pointsman.engines.slots import Place, Run, choose_slot, common_prefix, has_room, plan_step

_tokens = st.lists(st.integers(0, 2), max_size=12)


def test_next_turn() -> None:
    """The next turn of a conversation goes where the last one was."""
    assert choose_slot({0: [], 1: [1, 2, 3], 2: [9, 9]}, [1, 2, 3, 4]) == Place(1, 3)


def test_stranger() -> None:
    """A stranger takes an empty slot rather than what another left."""
    assert choose_slot({1: [1, 2, 3, 4, 5], 0: []}, [1, 7]) == Place(0, 0)


def test_least_recently_used() -> None:
    """Where none is empty the least recently used gives way and keeps what fits."""
    assert choose_slot({1: [1, 2, 3, 4], 0: [5, 6, 7]}, [1, 7]) == Place(1, 1)


def test_whole_prompt_is_there() -> None:
    """A prompt that is wholly there still computes its last token."""
    assert choose_slot({0: [1, 2, 3]}, [1, 2, 3]) == Place(0, 2)


@given(st.dictionaries(st.integers(0, 3), _tokens, min_size=1), _tokens.filter(bool))
def test_kept_prefix(idle: dict[int, list[int]], prompt: list[int]) -> None:
    """What is kept is always a true prefix."""
    place = choose_slot(idle, prompt)
    assert place.kept <= common_prefix(idle[place.slot], prompt) and place.kept < len(prompt)


def test_room() -> None:
    """One request always has room and two long ones have not."""
    assert has_room([], 5000, 4096)
    assert has_room([1000], 1000, 4096)
    assert not has_room([3000], 1000, 4096)


def test_answers_first() -> None:
    """Answers go on before prompts share what is left."""
    runs = plan_step({0: (0, [1, 2, 3]), 1: (7, [9])}, room=3, prefill=8)
    assert runs == [Run(1, 7, [9], True), Run(0, 0, [1, 2], False)]


@given(
    st.dictionaries(st.integers(0, 7), st.tuples(st.integers(0, 99), st.lists(st.integers(), min_size=1, max_size=40)), min_size=1),
    st.integers(8, 64),
    st.integers(1, 64),
)  # fmt: skip
def test_step(pending: dict[int, tuple[int, list[int]]], room: int, prefill: int) -> None:
    """A step stays within its room and always gets on."""
    runs = plan_step(pending, room, prefill)
    assert 0 < sum(len(run.tokens) for run in runs) <= room
    for run in runs:
        start, tokens = pending[run.slot]
        assert run.start == start and list(run.tokens) == tokens[: len(run.tokens)]
        assert run.complete == (len(run.tokens) == len(tokens))
    assert len({run.slot for run in runs}) == len(runs)
