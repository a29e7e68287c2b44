"""Places for connections, and who gives way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pointsman.gateway.seats import Seats


class Guest:
    """A connection that only notes that it had to go."""

    def __init__(self) -> None:
        self.gone = False

    def evict(self) -> None:
        """It had to."""
        self.gone = True


def test_whoever_rests_longest_gives_way() -> None:
    """Not whoever came first: that one has just been served."""
    seats, (first, second, third) = Seats(2), (Guest(), Guest(), Guest())
    assert seats.take(first) and seats.take(second)
    seats.busy(first)
    seats.idle(first)
    assert seats.take(third)
    assert (first.gone, second.gone) == (False, True)


def test_nobody_busy_gives_way() -> None:
    """The new one is turned away instead."""
    seats, busy = Seats(1), Guest()
    assert seats.take(busy)
    seats.busy(busy)
    assert not seats.take(Guest())
    assert not busy.gone


@given(st.lists(st.tuples(st.sampled_from(["take", "busy", "idle", "leave"]), st.integers(0, 9)), max_size=60))
def test_there_are_never_more_than_there_are_places(acts: list[tuple[str, int]]) -> None:
    """Whatever happens in whatever order; whoever had to go may still say that it left."""
    seats, guests = Seats(3), [Guest() for _ in range(10)]
    seated: set[int] = set()
    for act, at in acts:
        if act == "take" and at in seated:
            continue
        taken = getattr(seats, act)(guests[at])
        if taken:
            guests[at].gone = False
            seated.add(at)
        elif act == "leave":
            seated.discard(at)
        seated -= {one for one in seated if guests[one].gone}
        assert len(seated) == len(seats._taken) <= 3
        assert set(seats._resting) <= seats._taken
