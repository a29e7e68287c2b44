"""Where a request goes, and what a step computes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pointsman.engines.slots import (
    Place,
    Run,
    choose_slot,
    common_prefix,
    has_room,
    plan_step,
    share,
    widened,
    worth_waiting,
)

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


def test_takes_over_from_another() -> None:
    """Another slot's tokens are taken over, also while it is at work, where that is worth it."""
    long = list(range(500))
    assert share(Place(0, 0), {0: []}, {1: [*long, 9]}, [*long, 7]) == Place(0, 500, 1)
    assert share(Place(0, 0), {0: [], 2: long}, {}, [*long, 7]) == Place(0, 500, 2)
    assert share(Place(0, 450), {0: long[:450]}, {1: long}, [*long, 7]) == Place(0, 450)


def test_stays_where_it_is() -> None:
    """The next turn goes on in place, also where another slot holds as much."""
    long = list(range(500))
    assert share(Place(1, 500), {0: long, 1: long}, {}, [*long, 7]) == Place(1, 500)


def test_a_tail_is_kept() -> None:
    """What a slot holds beyond is kept where an empty one can take over, and lost where none is."""
    long, tail = list(range(500)), list(range(900, 1000))
    held = {0: [*long, *tail], 1: list[int]()}
    assert share(Place(0, 500), held, {}, [*long, 7]) == Place(1, 500, 0)
    assert share(Place(0, 500), {0: held[0]}, {}, [*long, 7]) == Place(0, 500)
    assert share(Place(0, 500), {0: [*long, 1], 1: []}, {}, [*long, 7]) == Place(0, 500)


def test_waits_for_what_is_being_read() -> None:
    """For much that both begin with; not for little, nor for what is there."""
    long = list(range(1000))
    assert worth_waiting(0, [[*long, 1]], [*long, 2])
    assert not worth_waiting(900, [[*long, 1]], [*long, 2])
    assert not worth_waiting(0, [long[:100]], [*long, 2])
    assert not worth_waiting(0, [], long)


@given(st.dictionaries(st.integers(0, 3), _tokens, min_size=1), st.dictionaries(st.integers(4, 7), _tokens), _tokens.filter(bool))  # fmt: skip
def test_what_is_taken_over_is_there(
    idle: dict[int, list[int]], active: dict[int, list[int]], prompt: list[int]
) -> None:
    """Whatever is held, it is a true prefix of the prompt, in an idle slot, with something left to compute."""
    times = 100  # as only long beginnings are taken over
    held = {slot: [one for one in tokens for _ in range(times)] for slot, tokens in {**idle, **active}.items()}
    long = [one for one in prompt for _ in range(times)]
    resting = {slot: held[slot] for slot in idle}
    place = share(choose_slot(resting, long), resting, {slot: held[slot] for slot in active}, long)
    source = held[place.slot if place.source is None else place.source]
    assert place.slot in idle and place.source != place.slot
    assert place.kept <= common_prefix(source, long) and place.kept < len(long)


@given(_tokens, _tokens)
def test_common_prefix(left: list[int], right: list[int]) -> None:
    """As counted one by one."""
    counted = 0
    while counted < min(len(left), len(right)) and left[counted] == right[counted]:
        counted += 1
    assert common_prefix(left, right) == counted


def test_little_that_is_new_behind_much_that_is_known_is_read_with_some_of_it() -> None:
    """64 tokens; where little is known, or too few or enough are new, nothing is read twice."""
    assert widened(Place(1, 5000, 2), 5030) == Place(1, 4966, 2)
    for place, length in ((Place(1, 5000), 5064), (Place(1, 5000), 9000), (Place(1, 5000), 5001), (Place(1, 900), 930)):
        assert widened(place, length) == place
