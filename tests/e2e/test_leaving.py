"""A client that leaves ends its request at the provider's and settles it; one that reads slowly slows the provider."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.busy_house import BusyHouse, at_the_door, open_house, workers
from tests.fakes.home import MODELS, target
from tests.fakes.watching_upstream import ENOUGH, WatchingUpstream, watching

TARGETS = "".join(target(name, name) for name in ("silent", "begins", "floods"))
ASKED: dict[str, dict[str, Any]] = {
    "chat/completions": {"messages": [{"role": "user", "content": "Hi"}]},
    "responses": {"input": "Hi"},
    "messages": {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 50},
    "completions": {"prompt": "Hi"},
}
BUFFERED = 48 * 2**20  # bytes that the kernel's buffers of four sockets may hold, at most


@pytest.fixture
async def upstream() -> AsyncIterator[WatchingUpstream]:
    """A provider that watches its connections."""
    async with watching() as one:
        yield one


@pytest.fixture
async def busy(upstream: WatchingUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[BusyHouse]:
    """A house with its door open."""
    models = tmp_path / "models.toml"
    models.write_text(MODELS.format(base_url=upstream.base_url, targets=TARGETS))
    monkeypatch.setenv("POINTSMAN_MODELS", str(models))
    monkeypatch.setenv("FAKE_KEY", "sk-test")
    supervisor = workers(tmp_path)
    async with open_house(tmp_path / "home", supervisor) as house, at_the_door(house):
        yield house
    await supervisor.close()


class Client:
    """One request on a bare connection."""

    def __init__(self, busy: BusyHouse) -> None:
        self._busy = busy
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def ask(
        self, model: str, path: str = "chat/completions", *, stream: bool = True, behind: bytes = b""
    ) -> None:
        """Send it, with what a client may send ahead of its answer."""
        (key,) = await self._busy.agents("ann")
        body = json.dumps({"model": model, "stream": stream, **ASKED[path]}).encode()
        head = f"POST /v1/{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._busy.port)
        self.writer.write(head.encode() + body + behind)
        await self.writer.drain()

    async def leave(self, *, rudely: bool = False) -> None:
        """Politely or not."""
        if rudely:
            self.writer.transport.abort()
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


async def settled(busy: BusyHouse) -> None:
    """The only request has ended as one whose client left, and holds nothing any more."""
    await busy.all_ended()
    (row,) = [row for row in busy.books().rows if row["kind"] == "request"]
    assert row["outcome"] == "cancelled"
    assert row["cost"] > 0 and row["estimated"]
    assert not busy.house.live.all()


@pytest.mark.parametrize("rudely", [False, True])
@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("asked", [("silent", True), ("silent", False), ("begins", True), ("begins", False)])
async def test_a_client_that_leaves(
    busy: BusyHouse, upstream: WatchingUpstream, asked: tuple[str, bool], path: str, rudely: bool
) -> None:
    """Before the first byte, in a stream, without one, in each dialect: the provider's connection closes."""
    client, (model, stream) = Client(busy), asked
    await client.ask(model, path, stream=stream)
    async with asyncio.timeout(30):
        await upstream.asked.wait()
        if stream and model == "begins":
            await client.reader.readuntil(b"Hello")
    assert not upstream.closed.is_set()
    await client.leave(rudely=rudely)
    async with asyncio.timeout(30):
        await upstream.closed.wait()
    await settled(busy)


async def test_a_client_that_leaves_with_another_request_in_line(busy: BusyHouse, upstream: WatchingUpstream) -> None:
    """What it sent ahead does not hide that it has left."""
    client = Client(busy)
    await client.ask("silent", behind=b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    async with asyncio.timeout(30):
        await upstream.asked.wait()
        await client.leave()
        await upstream.closed.wait()
    await settled(busy)


@pytest.mark.parametrize("path", ["chat/completions", "messages"])
async def test_a_slow_client_slows_the_provider(busy: BusyHouse, upstream: WatchingUpstream, path: str) -> None:
    """Passed on or translated: what the client does not take is not taken from the provider, and then it goes on."""
    client = Client(busy)
    await client.ask("floods", path)
    async with asyncio.timeout(60):
        await client.reader.readuntil(b"Hello")
        await upstream.full.wait()
        held = upstream.sent
        assert held < BUFFERED < ENOUGH
        while upstream.sent == held:
            await client.reader.read(2**20)
        await client.leave()
        await upstream.closed.wait()
    await settled(busy)
