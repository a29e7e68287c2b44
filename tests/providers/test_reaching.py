"""Opening connections through proxies, each a real one: it reads CONNECT and passes bytes on."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pointsman.providers import reaching
from pointsman.providers.failures import UpstreamError
from pointsman.providers.upstream import Upstream
from tests.providers.test_pool import Wire, certified, clocked, post, serving


class Tunnel:
    """A proxy that passes everything on to one server, whatever name it is asked for."""

    def __init__(self, port: int, says: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> None:
        self.heads: list[str] = []
        self.clients: list[asyncio.Task[None]] = []
        self.address = ""
        self._port = port
        self._says = says

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        self.clients.append(asyncio.ensure_future(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(self._says)
        if b"200" in self._says:
            inner, outer = await asyncio.open_connection("127.0.0.1", self._port)
            await asyncio.gather(_passed(reader, outer), _passed(inner, writer))
        writer.close()


async def _passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def tunnelled(proxy: Tunnel, context: ssl.SSLContext | None = None) -> AsyncIterator[Tunnel]:
    """The proxy on a free port."""
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0, ssl=context)
    scheme = "https" if context else "http"
    proxy.address = f"{scheme}://me:p%40ss@127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
        await asyncio.wait_for(asyncio.gather(*proxy.clients), 10)  # each has left, so nothing is left open
    finally:
        server.close()


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
async def test_tls_goes_through_a_tunnel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secure: bool) -> None:
    """The proxy hears for whom and by whom, and nothing of what is said; over one tunnel go two requests."""
    context, certificate = certified(tmp_path)
    async with (
        serving(Wire(), context) as wire,
        tunnelled(Tunnel(int(wire.address.rpartition(":")[2])), context if secure else None) as proxy,
    ):
        monkeypatch.setattr(reaching, "proxy", lambda _address: proxy.address)
        upstream = Upstream("far", "https://127.0.0.1:1/v1", ca_file=str(certificate))
        assert [await post(upstream), await post(upstream)] == [b"{}", b"{}"]
        await upstream.close()
    assert len(wire.requests) == 2
    [head] = proxy.heads
    assert head.startswith("CONNECT 127.0.0.1:1 HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic bWU6cEBzcw==" in head


async def test_a_proxy_that_refuses_was_sent_nothing_for_the_cloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It wants another name or password: the request never left."""
    _, certificate = certified(tmp_path)
    refusal = b"HTTP/1.1 407 Who are you\r\ncontent-length: 0\r\n\r\n"
    async with tunnelled(Tunnel(9, refusal)) as proxy:
        monkeypatch.setattr(reaching, "proxy", lambda _address: proxy.address)
        upstream = Upstream("far", "https://127.0.0.1:1/v1", ca_file=str(certificate))
        with pytest.raises(UpstreamError) as failed:
            await post(upstream)
        await upstream.close()
    assert (failed.value.sent, failed.value.reason) == (False, "far cannot be reached")


async def test_a_name_with_two_families_of_addresses_is_reached_at_the_one_that_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody listens at the first of them."""
    async with serving(Wire()) as wire:
        port = int(wire.address.rpartition(":")[2])
        loop = asyncio.get_running_loop()

        asked = type(loop).getaddrinfo

        async def found(self: asyncio.AbstractEventLoop, host: str, *more: object, **named: object) -> object:
            if host != "some.name.example":
                return await asked(self, host, *more, **named)  # type: ignore[arg-type]
            return [(10, 1, 6, "", ("::1", port, 0, 0)), (2, 1, 6, "", ("127.0.0.1", port))]

        monkeypatch.setattr(type(loop), "getaddrinfo", found)
        upstream = Upstream("fake", f"http://some.name.example:{port}")
        assert await post(upstream) == b"{}"
        await upstream.close()
    assert f"host: some.name.example:{port}\r\n" in wire.requests[0][1]


async def test_a_proxys_password_is_for_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a sleep in which the proxy went away, the server itself hears nothing of it."""
    now, through = [(1_000.0, 10.0)], [""]
    async with serving(Wire()) as wire:
        through[0] = wire.address.replace("http://", "http://me:pass@")
        monkeypatch.setattr(reaching, "proxy", lambda _address: through[0] or None)
        upstream = clocked(wire.address, lambda: now[0])
        await post(upstream)
        now[0], through[0] = (9_000.0, 11.0), ""
        await post(upstream)
        await upstream.close()
    before, after = (head for _, head in wire.requests)
    assert "Proxy-Authorization" in before
    assert "Proxy-Authorization" not in after
    assert after.startswith("POST /chat/completions HTTP/1.1")


async def test_another_way_is_looked_for_where_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The person took the proxy away, and the machine did not sleep."""
    through = ["http://127.0.0.1:9"]
    monkeypatch.setattr(reaching, "proxy", lambda _address: through[0] or None)
    async with serving(Wire()) as wire:
        upstream = Upstream("fake", wire.address)
        with pytest.raises(UpstreamError):
            await post(upstream)
        through[0] = ""
        assert await post(upstream) == b"{}"
        await upstream.close()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://api.example/caf\u00e9 x/v1", ("https", "api.example", 443, "/caf%C3%A9%20x/v1", "api.example")),
        ("https://api.example/v1/", ("https", "api.example", 443, "/v1", "api.example")),
        ("http://localhost:8000", ("http", "localhost", 8000, "", "localhost:8000")),
        ("http://[::1]:11434/v1", ("http", "::1", 11434, "/v1", "[::1]:11434")),
        ("https://b\u00fccher.example", ("https", "xn--bcher-kva.example", 443, "", "xn--bcher-kva.example")),
    ],
)
def test_an_address_is_read(address: str, expected: tuple[str, str, int, str, str]) -> None:
    """Scheme, host, port, what stands before each path, and how the Host header names it."""
    known = reaching.place(address)
    assert (known.scheme, known.host, known.port, known.path, known.authority) == expected


@pytest.mark.parametrize("address", ["ftp://api.example", "api.example/v1", "http://", "http://host:none"])
def test_an_address_of_another_kind_is_no_address(address: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match=r"."):
        reaching.place(address)


async def test_an_idle_connection_grows_too_old() -> None:
    """After 15 seconds the next request opens a new one: no upstream may have left unheard."""
    now = [(1_000.0, 10.0)]
    async with serving(Wire()) as wire:
        upstream = clocked(wire.address, lambda: now[0])
        await post(upstream)
        now[0] = (1_016.0, 26.0)
        await post(upstream)
        assert wire.connections == 2
        now[0] = (1_040.0, 50.0)
        upstream.pool._expire()
        assert not upstream.pool._idle
        await upstream.close()
