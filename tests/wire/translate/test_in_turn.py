"""Calls whose pieces come mixed are told one after the other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.translate.answers.in_turn import InTurn
from pointsman.wire.translate.neutral import Argued, Called, Event

ARGUMENTS = ('{"path": "a"}', '{"path": "b"}', "{}")


@given(order=st.permutations([at for at, text in enumerate(ARGUMENTS) for _ in text]))
def test_mixed_pieces_come_out_in_turn(order: list[int]) -> None:
    """Each call is whole before the next begins, whatever the order of their pieces."""
    turns, left = InTurn(), [iter(text) for text in ARGUMENTS]
    told: list[Event] = [one for at in range(3) for one in turns.over(Called(at, f"c{at}", "f"))]
    told += [one for at in order for one in turns.over(Argued(at, next(left[at])))]
    told += turns.end()
    assert [event.at for event in told if isinstance(event, Called | Argued)] == sorted([0, 1, 2, *order])
    for at, text in enumerate(ARGUMENTS):
        assert "".join(event.text for event in told if isinstance(event, Argued) and event.at == at) == text


def test_a_call_that_comes_in_its_turn_waits_for_nothing() -> None:
    """Its arguments are told as they come."""
    turns = InTurn()
    events: list[Called | Argued] = [Called(0, "a", "f"), Argued(0, "{}"), Called(1, "b", "f"), Argued(1, "{")]
    assert [turns.over(event) for event in events] == [[event] for event in events]


def test_a_call_without_arguments_holds_the_next_back_until_the_end() -> None:
    """Nobody can say that it is whole before."""
    turns = InTurn()
    assert turns.over(Called(0, "a", "f")) == [Called(0, "a", "f")]
    assert turns.over(Called(1, "b", "f")) == []
    assert turns.end() == [Called(1, "b", "f")]


def test_a_call_that_goes_on_after_its_end_is_nonsense() -> None:
    """Its arguments would stand in another call."""
    turns = InTurn()
    for event in (Called(0, "a", "f"), Argued(0, "{}"), Called(1, "b", "f")):
        turns.over(event)
    assert turns.over(Argued(0, "\n")) == []
    with pytest.raises(ValueError, match="after its end"):
        turns.over(Argued(0, "x"))
