"""Answers of providers, as far as no server is needed for it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pointsman.core.errors import UpstreamSaid
from pointsman.gateway import remote
from pointsman.providers.upstream import UpstreamError
from pointsman.wire.scan import ChatScan, ResponsesScan, Scan


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    """An answer in pieces."""
    for piece in given:
        yield piece


async def test_a_whole_answer_is_scanned() -> None:
    """Its usage counts."""
    scan = ChatScan()
    body = b'{"choices": [{"finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}'
    assert await remote._body(pieces(body[:20], body[20:]), scan) == body
    assert scan.finish == "stop"


async def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was sent, so it may be billed: nothing of it stays in memory."""
    monkeypatch.setattr(remote, "MOST_BODY", 10)
    with pytest.raises(UpstreamError, match="without end") as raised:
        await remote._body(pieces(b"123456", b"123456"), ChatScan())
    assert raised.value.sent


@pytest.mark.parametrize(
    ("scan", "body"),
    [
        (ChatScan, b'{"error": {"message": "Too busy.", "code": 429}}'),
        (ResponsesScan, b'{"object": "response", "status": "failed", "output": [], "error": {"message": "Too busy."}}'),
    ],
)
async def test_an_error_under_a_status_of_success_is_one(scan: type[Scan], body: bytes) -> None:
    """Brokers answer so; a client must not take it for an empty answer, and the next attempt may do better."""
    with pytest.raises(UpstreamError) as raised:
        await remote._body(pieces(body), scan())
    failed = remote._failed(raised.value, "chat", None)
    assert failed.again
    assert failed.refusal.detail == "Too busy."


def test_what_came_in_a_stream_has_the_status_that_its_words_stand_for() -> None:
    """A prompt that is too long is the client's own: no other target is tried, and its agent hears the code."""
    event = b'{"type":"response.failed","response":{"error":{"code":"context_length_exceeded","message":"Too long."}}}'
    failed = remote._failed(remote._broken("it broke off", event), "responses", None)
    assert isinstance(failed.refusal, UpstreamSaid)
    assert (failed.again, failed.refusal.status) == (False, 400)
    assert failed.refusal.fault.code == "context_length_exceeded"
    assert failed.refusal.detail == "Too long."
