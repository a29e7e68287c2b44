"""Answers of providers, as far as no server is needed for it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pointsman.gateway import remote
from pointsman.providers.upstream import UpstreamError
from pointsman.wire.scan import ChatScan


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
