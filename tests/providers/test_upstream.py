"""The upstream client against a real server that answers, refuses, stalls, breaks off, or is not there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from pointsman.providers import upstream as upstream_
from pointsman.providers.connection import Answer
from pointsman.providers.failures import UpstreamError
from pointsman.providers.headers import authorised
from pointsman.providers.upstream import Upstream
from tests.fakes.fake_upstream import FakeUpstream


@pytest.fixture
def fake() -> Iterator[FakeUpstream]:
    """A provider on loopback."""
    with FakeUpstream() as server:
        yield server


@pytest.fixture
async def upstream(fake: FakeUpstream) -> AsyncIterator[Upstream]:
    """Its client, with little patience."""
    one = Upstream("fake", fake.base_url, silence=0.3)
    yield one
    await one.close()


def body(model: str) -> bytes:
    """A streamed request."""
    return json.dumps({"model": model, "messages": [], "stream": True}).encode()


async def answer(upstream: Upstream, model: str, key: str = "sk-test") -> bytes:
    """All bytes of an answer."""
    async with upstream.post("/chat/completions", body(model), authorised(key)) as response:
        return b"".join([piece async for piece in upstream.pieces(response)])


async def test_bytes_arrive(upstream: Upstream) -> None:
    """The stream as the server sent it."""
    assert (await answer(upstream, "ok")).endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("status", ["400", "429", "500"])
async def test_an_error_status_was_not_billed(upstream: Upstream, status: str) -> None:
    """Status and body are kept; nothing is owed."""
    with pytest.raises(UpstreamError) as failed:
        await answer(upstream, status)
    assert failed.value.said is not None
    assert (failed.value.said.status, failed.value.sent) == (int(status), False)
    assert b"fake" in failed.value.said.body


@pytest.mark.parametrize("model", ["die", "stall"])
async def test_a_broken_answer_may_be_billed(upstream: Upstream, model: str) -> None:
    """Cut or stalled after dispatch: sent."""
    with pytest.raises(UpstreamError) as failed:
        await answer(upstream, model)
    assert failed.value.sent


async def test_no_connection_costs_nothing() -> None:
    """A server that is not there was sent nothing."""
    nobody = Upstream("nobody", "http://127.0.0.1:9/v1")
    with pytest.raises(UpstreamError) as failed:
        await answer(nobody, "ok")
    await nobody.close()
    assert (failed.value.sent, failed.value.reason) == (False, "nobody cannot be reached")


async def test_leaving_early_closes_the_connection(upstream: Upstream, fake: FakeUpstream) -> None:
    """The provider sees that nobody listens any more."""
    async with upstream.post("/chat/completions", body("stall"), authorised("sk-test")) as response:
        async for _piece in upstream.pieces(response):
            break
    assert await asyncio.to_thread(fake.gone.wait, 5)


async def test_a_key_is_checked_by_the_list_of_models(upstream: Upstream) -> None:
    """The right key lists models; a wrong one is a refusal, without the key in it."""
    assert await upstream.models("sk-test") == ["ok", "slow"]
    with pytest.raises(UpstreamError) as failed:
        await upstream.models("sk-wrong")
    assert "sk-wrong" not in failed.value.reason


async def test_a_stream_whose_end_follows_its_last_event_keeps_its_connection() -> None:
    """Nobody reads past that event, and the next request must not pay for a connection of its own."""
    callers: list[object] = []
    heard = asyncio.Event()

    async def stream(request: web.Request) -> web.StreamResponse:
        callers.append(request.transport)
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"data: [DONE]\n\n")
        await heard.wait()
        heard.clear()
        return answer

    app = web.Application()
    app.router.add_post("/v1/chat/completions", stream)
    server = TestServer(app)
    await server.start_server()
    one = Upstream("fake", str(server.make_url("/v1")))
    try:
        for _ in range(2):
            async with one.post("/chat/completions", b"{}", {}) as response:
                assert await anext(one.pieces(response)) == b"data: [DONE]\n\n"
                heard.set()
    finally:
        await one.close()
        await server.close()
    assert callers[0] is callers[1]


REFUSAL = b'{"error":{"code":"context_length_exceeded","message":"Too long."}}'


@asynccontextmanager
async def refusing(then: asyncio.Event) -> AsyncIterator[Upstream]:
    """The client of a provider that refuses, the second half of its words only when it may."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 400 No\r\ncontent-length: %d\r\n\r\n" % len(REFUSAL) + REFUSAL[:9])
        await then.wait()
        writer.write(REFUSAL[9:])
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    one = Upstream("fake", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", silence=600)
    async with server:
        yield one
        then.set()
        await one.close()


async def refusal(one: Upstream) -> bytes:
    """What it says."""
    with pytest.raises(UpstreamError) as failed:
        await answer(one, "any")
    assert failed.value.said is not None
    return failed.value.said.body


async def test_a_refusal_may_come_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its code and its sentence are whole, though its second half is sent when the first was read."""
    heard, read = asyncio.Event(), Answer.piece

    async def told(self: Answer) -> bytes:
        piece = await read(self)
        heard.set()
        return piece

    monkeypatch.setattr(Answer, "piece", told)
    async with refusing(heard) as one:
        assert await refusal(one) == REFUSAL


async def test_a_refusal_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has come of it when its time is over is kept, and no more than its bound."""
    monkeypatch.setattr(upstream_, "_ERROR_TIME", 0.2)
    async with refusing(asyncio.Event()) as one:
        assert await refusal(one) == REFUSAL[:9]
        monkeypatch.setattr(upstream_, "_ERROR_BYTES", 5)
        assert await refusal(one) == REFUSAL[:5]
