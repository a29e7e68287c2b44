"""Where a door listens."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from pointsman.core.errors import SetupError
from pointsman.gateway import listening


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
