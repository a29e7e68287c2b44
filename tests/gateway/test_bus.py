"""Events to those who listen, and wake-ups for those who wait for money."""

from __future__ import annotations

from pointsman.core.events import AgentsChanged, MoneyMoved
from pointsman.gateway.bus import Bus


async def test_listeners_hear_until_they_leave() -> None:
    """Each hears every event while it listens."""
    bus = Bus()
    heard = bus.listen()
    bus.publish(AgentsChanged())
    bus.leave(heard)
    bus.publish(AgentsChanged())
    assert heard.qsize() == 1


async def test_a_slow_listener_loses_the_oldest() -> None:
    """Publishing never waits, and memory is bounded."""
    bus = Bus()
    heard = bus.listen()
    for _ in range(1000):
        bus.publish(AgentsChanged())
    bus.publish(MoneyMoved())
    assert heard.qsize() == heard.maxsize
    assert isinstance([heard.get_nowait() for _ in range(heard.qsize())][-1], MoneyMoved)


async def test_money_wakes_everyone_who_took_a_ticket_before() -> None:
    """A ticket taken before the move is resolved by it; a later one waits for the next."""
    bus = Bus()
    early = bus.money()
    bus.publish(AgentsChanged())
    assert not early.done()
    bus.publish(MoneyMoved())
    assert early.done()
    assert not bus.money().done()


async def test_whoever_listens_or_waits_hears_that_money_moved() -> None:
    """Also where only one of the two is there; where nobody is, nothing is said."""
    bus = Bus()
    bus.money_moved()
    waiting, silent = bus.money(), bus.heard
    bus.money_moved()
    assert (waiting.done(), silent) == (True, False)
    heard = bus.listen()
    bus.money_moved()
    assert (bus.heard, heard.qsize()) == (True, 1)
