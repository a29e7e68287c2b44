"""Where a door listens."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from pointsman.core.errors import SetupError
from pointsman.gateway import listening
from pointsman.gateway.exchange import Answering, Exchange
from pointsman.gateway.reply import Written
from pointsman.gateway.seats import Seats
from pointsman.system import descriptors as descriptors_


def close(sockets: list[socket.socket]) -> None:
    """All of them."""
    for one in sockets:
        one.close()


@pytest.fixture
def stranger() -> Iterator[int]:
    """A port that is free on 127.0.0.1 and another program's on ::1."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as other:
        yield other.getsockname()[1]


def test_both_addresses_have_one_port() -> None:
    """An agent that asks for localhost finds the door under either."""
    sockets = listening.listen(0, "PORT")
    try:
        assert [one.getsockname()[0] for one in sockets] == ["127.0.0.1", "::1"]
        assert len({one.getsockname()[1] for one in sockets}) == 1
    finally:
        close(sockets)


def test_a_port_that_a_stranger_has_on_the_other_address_is_taken(stranger: int) -> None:
    """Else agents would give that program their keys; the socket that was free is let go."""
    with pytest.raises(SetupError, match=f"Port {stranger} is taken on ::1 .* POINTSMAN_PORT"):
        listening.listen(stranger, "POINTSMAN_PORT")
    close([socket.create_server(("127.0.0.1", stranger))])


def test_any_port_is_one_that_is_free_on_both(stranger: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system gives one that a stranger has on ::1, another is asked for."""
    bind, given = listening._bind, iter([stranger, 0])

    def unlucky(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
        return bind(family, address, next(given) if family == socket.AF_INET else port)

    monkeypatch.setattr(listening, "_bind", unlucky)
    sockets = listening.listen(0, "PORT")
    try:
        assert len(sockets) == 2
        assert sockets[0].getsockname()[1] != stranger
    finally:
        close(sockets)


def test_a_machine_without_ipv6_has_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is enough."""
    bind = listening._bind

    def old(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError("no such family")
        return bind(family, address, port)

    monkeypatch.setattr(listening, "_bind", old)
    sockets = listening.listen(0, "PORT")
    close(sockets)
    assert len(sockets) == 1


async def answered(port: int) -> bool:
    """Whether a door takes one more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    said = await reader.read()
    writer.close()
    return said.startswith(b"HTTP/1.1 200 ")


async def test_a_crowd_at_one_door_takes_no_place_at_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The person can look and stop whatever the agents do."""

    async def busy(_asked: Exchange) -> None:
        began.set()
        await over.wait()

    async def hello(asked: Exchange) -> None:
        await Written(asked).whole(b"hello")

    began, over = asyncio.Event(), asyncio.Event()
    monkeypatch.setattr(listening, "seats", lambda: Seats(1))
    doors = [listening.listen(0, "PORT"), listening.listen(0, "PORT")]
    servers = listening.servers(busy, hello)
    serving = [asyncio.create_task(one.serve(sockets)) for one, sockets in zip(servers, doors, strict=True)]
    agents, admin = (sockets[0].getsockname()[1] for sockets in doors)
    first = asyncio.create_task(answered(agents))
    await began.wait()
    assert not await answered(agents)
    assert await answered(admin)
    over.set()
    for one in servers:
        one.stop()
    await asyncio.wait([first, *serving])
    for sockets in doors:
        close(sockets)


@pytest.mark.parametrize(("descriptors", "places"), [(16_384, 8_128), (1_024, 448), (256, 64), (100, 32)])
def test_each_place_is_worth_two_descriptors(monkeypatch: pytest.MonkeyPatch, descriptors: int, places: int) -> None:
    """A request that is answered has a connection of its provider's too."""
    monkeypatch.setattr(descriptors_, "raised", lambda: descriptors)
    assert listening.seats()._most == places


async def test_what_is_being_answered_when_it_ends_is_answered() -> None:
    """A connection that rests is closed at once; a last answer says that it is the last."""

    async def slow(asked: Exchange) -> None:
        if asked.path != "/rest":
            began.set()
            await over.wait()
        await Written(asked).whole(b"hello")

    began, over = asyncio.Event(), asyncio.Event()
    sockets = listening.listen(0, "PORT")
    server = listening.server(slow, Seats(9))
    serving = asyncio.create_task(server.serve(sockets))
    port = sockets[0].getsockname()[1]
    resting, quiet = await asyncio.open_connection("127.0.0.1", port)
    quiet.write(b"GET /rest HTTP/1.1\r\n\r\n")
    await resting.readuntil(b"hello")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    await began.wait()
    server.stop()
    assert await resting.read() == b""
    over.set()
    said = await reader.read()
    await serving
    assert said.endswith(b"hello") and b"\r\nconnection: close\r\n" in said
    writer.close()
    quiet.close()


async def cut_off(door: Answering, began: asyncio.Event) -> bool:
    """Whether a request is answered whose server ends once it began; the server has ended."""
    sockets = listening.listen(0, "PORT")
    server = listening.server(door, Seats(9))
    serving = asyncio.create_task(server.serve(sockets))
    asking = asyncio.create_task(answered(sockets[0].getsockname()[1]))
    await began.wait()
    server.stop()
    await serving
    return bool(await asking)


async def test_what_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway's end waits only so long; its client is told."""

    async def endless(_asked: Exchange) -> None:
        began.set()
        await asyncio.Event().wait()

    began = asyncio.Event()
    monkeypatch.setattr(listening, "_GRACE", 0.01)
    assert not await cut_off(endless, began)


async def test_what_is_cut_off_says_what_it_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server has not ended before that: its books are closed behind it."""

    async def endless(_asked: Exchange) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(100):
                await asyncio.sleep(0)
            settled.append(True)

    began, settled = asyncio.Event(), list[bool]()
    monkeypatch.setattr(listening, "_GRACE", 0.01)
    await cut_off(endless, began)
    assert settled
