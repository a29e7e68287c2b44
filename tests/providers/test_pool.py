"""Connections against real servers: kept, dropped after a sleep, through a proxy, under the person's certificates."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pointsman.providers import pool, reaching
from pointsman.providers.connection import Connection
from pointsman.providers.failures import UpstreamError
from pointsman.providers.upstream import Upstream

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


class Wire:
    """A server that writes down each request's head and on which connection it came."""

    def __init__(self, leave_after: int = 1_000) -> None:
        self.requests: list[tuple[int, str]] = []
        self.bodies = 0
        self.connections = 0
        self.address = ""
        self.busy = self.most = 0
        self._leave_after = leave_after

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer until somebody leaves."""
        self.connections += 1
        number = self.connections
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.requests.append((number, head))
                length = next(
                    int(line[15:]) for line in head.lower().splitlines() if line.startswith("content-length:")
                )
                self.bodies += len(await reader.readexactly(length))
                if len(self.requests) > self._leave_after:
                    break
                self.busy += 1
                self.most = max(self.most, self.busy)
                await asyncio.sleep(0)
                self.busy -= 1
                writer.write(ANSWER)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(wire: Wire, context: ssl.SSLContext | None = None) -> AsyncIterator[Wire]:
    """The server on a free port."""
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0, ssl=context)
    scheme = "https" if context else "http"
    wire.address = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield wire
    finally:
        server.close()


async def post(upstream: Upstream, body: bytes = b"{}") -> bytes:
    """One whole answer."""
    async with upstream.post("/chat/completions", body, {}) as response:
        return b"".join([piece async for piece in upstream.pieces(response)])


def clocked(address: str, clock: Callable[[], tuple[float, float]], limit: int = 512) -> Upstream:
    """An upstream whose pool reads this clock."""
    one = Upstream("fake", address)
    one.pool = pool.Pool(address, silence=5, now=clock, limit=limit)
    return one


async def test_a_connection_is_kept() -> None:
    """Two requests share one."""
    async with serving(Wire()) as wire:
        upstream = Upstream("fake", wire.address)
        assert [await post(upstream), await post(upstream)] == [b"{}", b"{}"]
        await upstream.close()
    assert wire.connections == 1


async def test_after_a_sleep_nothing_old_is_used() -> None:
    """The wall clock ran an hour and the steady clock a second: the kept connection is dropped."""
    now = [(1_000.0, 10.0)]
    async with serving(Wire()) as wire:
        upstream = clocked(wire.address, lambda: now[0])
        await post(upstream)
        now[0] = (1_001.0, 11.0)
        await post(upstream)
        assert wire.connections == 1
        now[0] = (4_601.0, 12.0)
        await post(upstream)
        await upstream.close()
    assert [number for number, _head in wire.requests] == [1, 1, 2]


async def test_a_sleep_cuts_no_answer_off() -> None:
    """An answer that is still being read is read to its end, and then its connection is closed."""
    now = [(1_000.0, 10.0)]
    async with serving(Wire()) as wire:
        upstream = clocked(wire.address, lambda: now[0])
        async with upstream.post("/chat/completions", b"{}", {}) as response:
            [old] = upstream.pool._busy
            now[0] = (9_000.0, 11.0)
            await post(upstream)
            assert b"".join([piece async for piece in upstream.pieces(response)]) == b"{}"
        assert old.transport.is_closing()
        await upstream.close()
    assert wire.connections == 2


async def test_as_many_connections_as_the_limit_says() -> None:
    """More requests than connections wait for their turn."""
    async with serving(Wire()) as wire:
        upstream = clocked(wire.address, pool.clocks, limit=2)
        await asyncio.gather(*(post(upstream) for _ in range(10)))
        await upstream.close()
    assert len(wire.requests) == 10
    assert wire.most <= 2
    assert wire.connections <= 10


async def test_a_kept_connection_that_is_closing_is_passed_over() -> None:
    """Nothing is written to it; the request goes over a new one."""
    async with serving(Wire()) as wire:
        upstream = Upstream("fake", wire.address)
        await post(upstream)
        [(_, kept)] = upstream.pool._idle
        kept.transport.close()
        assert await post(upstream) == b"{}"
        await upstream.close()
    assert len(wire.requests) == 2
    assert wire.connections == 2


async def test_a_look_that_fails_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a few of them would leave no room for anybody, for as long as the gateway runs."""
    monkeypatch.setattr(Connection, "stale", property(lambda _: 1 // 0))
    async with serving(Wire()) as wire, asyncio.timeout(5):
        upstream = Upstream("fake", wire.address)
        await post(upstream)
        upstream.pool._room.free = 1
        with pytest.raises(ZeroDivisionError):
            upstream.pool.at_hand()
        assert await post(upstream) == b"{}"
        await upstream.close()


async def test_what_was_written_is_never_sent_again() -> None:
    """The server left with the second request in its hands: it may be billed, so it is no business of ours to repeat it."""
    async with serving(Wire(leave_after=1)) as wire:
        upstream = Upstream("fake", wire.address)
        await post(upstream)
        with pytest.raises(UpstreamError) as failed:
            await post(upstream)
        await upstream.close()
    assert failed.value.sent
    assert len(wire.requests) == 2


async def test_a_large_body_arrives_whole() -> None:
    """Several megabytes go in pieces, without a warning and without a byte lost."""
    async with serving(Wire()) as wire:
        upstream = Upstream("fake", wire.address)
        assert await post(upstream, b" " * 5_000_001) == b"{}"
        await upstream.close()
    assert wire.bodies == 5_000_001


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://api.cloud.example/v1", "http://proxy.example:3128"),
        ("https://api.inside.example/v1", None),
        ("https://127.0.0.1:8000/v1", None),
        ("https://[::1]:8000/v1", None),
        ("https://localhost:8000/v1", None),
        ("http://api.cloud.example/v1", None),
    ],
)
def test_the_proxy_is_for_others_only(monkeypatch: pytest.MonkeyPatch, address: str, expected: str | None) -> None:
    """HTTPS_PROXY holds for clouds but those of NO_PROXY, and never for this machine."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "inside.example")
    assert reaching.proxy(address) == expected


async def test_a_request_goes_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy is asked for the cloud's address, under the name that the person has there."""
    async with serving(Wire()) as wire:
        monkeypatch.setenv("HTTP_PROXY", wire.address.replace("http://", "http://me:pass@"))
        upstream = Upstream("far", "http://api.cloud.example/v1")
        assert await post(upstream) == b"{}"
        await upstream.close()
    head = wire.requests[0][1]
    assert head.startswith("POST http://api.cloud.example/v1/chat/completions HTTP/1.1")
    assert "Proxy-Authorization: Basic bWU6cGFzcw==" in head


async def test_a_proxy_of_another_kind_is_told_and_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be spoken is no crash."""
    monkeypatch.setenv("HTTP_PROXY", "socks5://127.0.0.1:9")
    upstream = Upstream("far", "http://api.cloud.example/v1")
    with pytest.raises(UpstreamError) as failed:
        await post(upstream)
    await upstream.close()
    assert (failed.value.sent, failed.value.reason) == (False, "far cannot be reached")


def certified(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context under a certificate that nobody knows, and the file that makes it known."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    start = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "ca.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, secret)
    return context, certificate


async def test_a_certificate_of_the_persons_own(tmp_path: Path) -> None:
    """Unknown it is refused before anything is sent; named by ca_file it is trusted."""
    context, certificate = certified(tmp_path)
    async with serving(Wire(), context) as wire:
        strange = Upstream("lab", wire.address)
        with pytest.raises(UpstreamError) as failed:
            await post(strange)
        assert not failed.value.sent
        assert not wire.requests
        known = Upstream("lab", wire.address, ca_file=str(certificate))
        assert await post(known) == b"{}"
        await strange.close()
        await known.close()


def test_ssl_cert_file_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable that all of OpenSSL's programs obey."""
    _context, certificate = certified(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    subjects = [found["subject"] for found in pool._trusted.__wrapped__(None).get_ca_certs()]
    assert subjects == [((("commonName", "test"),),)]


def test_who_is_trusted_is_read_once() -> None:
    """Reading all certificates takes longer than a whole request."""
    assert pool.trusted(None) is pool.trusted(None)


async def test_a_missing_ca_file_is_a_sentence(tmp_path: Path) -> None:
    """It names the provider and what cannot be read."""
    upstream = Upstream("lab", "https://127.0.0.1:9", ca_file=str(tmp_path / "none.pem"))
    with pytest.raises(UpstreamError) as failed:
        await post(upstream)
    assert failed.value.reason == "lab cannot be reached, for its ca_file cannot be read (No such file or directory)"
    assert not failed.value.sent
