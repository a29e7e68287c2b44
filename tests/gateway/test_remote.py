"""Answers of providers, as far as no server is needed for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from pointsman.core.errors import UpstreamFailed, UpstreamSaid
from pointsman.gateway import remote
from pointsman.providers.failures import Said, UpstreamError
from pointsman.wire import sse
from pointsman.wire.scan import ChatScan, MessagesScan, ResponsesScan, Scan


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    """An answer in pieces."""
    for piece in given:
        yield piece


async def test_a_whole_answer_is_scanned() -> None:
    """Its usage counts."""
    scan = ChatScan()
    body = b'{"choices": [{"finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}'
    assert remote._scanned(await remote._collected(pieces(body[:20], body[20:])), scan) == body
    assert scan.finish == "stop"


async def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was sent, so it may be billed: nothing of it stays in memory."""
    monkeypatch.setattr(remote, "MOST_BODY", 10)
    with pytest.raises(UpstreamError, match="without end") as raised:
        remote._scanned(await remote._collected(pieces(b"123456", b"123456")), ChatScan())
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
        remote._scanned(await remote._collected(pieces(body)), scan())
    failed = remote._failed(raised.value, "chat", None)
    assert failed.again
    assert failed.refusal.detail == "Too busy."
    assert not raised.value.sent


def test_what_came_in_a_stream_has_the_status_that_its_words_stand_for() -> None:
    """A prompt that is too long is the client's own: no other target is tried, and its agent hears the code."""
    event = b'{"type":"response.failed","response":{"error":{"code":"context_length_exceeded","message":"Too long."}}}'
    failed = remote._failed(remote._broken("it broke off", event, owed=True), "responses", None)
    assert isinstance(failed.refusal, UpstreamSaid)
    assert (failed.again, failed.refusal.status) == (False, 400)
    assert failed.refusal.fault.code == "context_length_exceeded"
    assert failed.refusal.detail == "Too long."


BEGUN = b'{"type":"response.created","response":{"id":"r","status":"in_progress","usage":null}}'
FAILED = b'{"type":"response.failed","response":{"status":"failed","error":{"code":"invalid_image","message":"No."}%s}}'
USAGE = b',"usage":{"input_tokens":%d,"output_tokens":0}'
STARTED = b'{"type":"message_start","message":{"usage":{"input_tokens":9,"output_tokens":1}}}'
OVERLOADED = b'{"type":"error","error":{"type":"overloaded_error","message":"No."}}'
JOB: Any = SimpleNamespace(request=SimpleNamespace(wants_usage=True))


async def broken(scan: Scan, *events: bytes) -> UpstreamError:
    """What a stream of these events breaks off with."""
    told = pieces(*(sse.encode(event) for event in events))
    with pytest.raises(UpstreamError) as raised:
        async for _frame in remote._events(told, scan, JOB):
            pass
    return raised.value


@pytest.mark.parametrize(
    ("scan", "events"),
    [
        (ResponsesScan, [BEGUN, FAILED % b""]),
        (ResponsesScan, [BEGUN, FAILED % (USAGE % 0)]),
        (MessagesScan, [STARTED, OVERLOADED]),
        (ChatScan, [b'{"choices":[{"delta":{"role":"assistant"}}]}', b'{"error":{"message":"No.","code":429}}']),
    ],
)
async def test_an_error_before_any_content_costs_nothing(scan: type[Scan], events: list[bytes]) -> None:
    """As one that is told by the status."""
    assert not (await broken(scan(), *events)).sent


@pytest.mark.parametrize(
    ("scan", "events"),
    [
        (ResponsesScan, [BEGUN, b'{"type":"response.output_text.delta","delta":"Hi"}', FAILED % b""]),
        (ResponsesScan, [BEGUN, FAILED % (USAGE % 9)]),
        (ChatScan, [b'{"choices":[{"delta":{"content":"Hi"}}]}', b'{"error":{"message":"No."}}']),
        (ChatScan, [b'{"choices":[{"delta":{"content":"Hi"}}],"error":{"message":"No."}}']),
        (ChatScan, [b'{"error":{"message":"No."},"usage":{"prompt_tokens":9,"completion_tokens":0}}']),
        (ChatScan, [b'{"error":{"message":"Too late.","code":504}}']),
    ],
)
async def test_an_error_after_content_or_with_usage_may_be_billed(scan: type[Scan], events: list[bytes]) -> None:
    """And so may one of a broker, whose vendor may still be at work."""
    assert (await broken(scan(), *events)).sent


@pytest.mark.parametrize(
    "more", [b'"output": [{"type": "message"}]', b'"output": [], "usage": {"input_tokens": 9, "output_tokens": 2}']
)
async def test_a_whole_response_that_failed_late_may_be_billed(more: bytes) -> None:
    """It holds a part of the answer, or says what it used."""
    body = b'{"object": "response", "status": "failed", "error": {"message": "No."}, %s}' % more
    with pytest.raises(UpstreamError) as raised:
        remote._scanned(await remote._collected(pieces(body)), ResponsesScan())
    assert raised.value.sent


async def test_a_mistake_that_is_told_inside_a_stream_is_the_clients() -> None:
    """Its SDK does not ask again, no other target is tried, and the breaker hears nothing of it."""
    failed = remote._failed(await broken(ResponsesScan(), BEGUN, FAILED % b""), "responses", None)
    assert (failed.refusal.status, failed.again, failed.fault) == (400, False, False)


@pytest.mark.parametrize("status", [201, 204, 302, 304, 399, 600, 999])
def test_a_status_of_neither_success_nor_error_is_no_answer(status: int) -> None:
    """A client would take it for one."""
    error = UpstreamError(f"it answered with status {status}", sent=False, said=Said(status, {}, b'{"error": {}}'))
    failed = remote._failed(error, "chat", None)
    assert type(failed.refusal) is UpstreamFailed
    assert (failed.refusal.status, failed.again, failed.fault) == (502, True, True)


def test_what_tells_a_client_when_to_try_again_is_passed_on() -> None:
    """The vendors' SDKs obey both before they look at `retry-after`."""
    headers = {"retry-after-ms": "1234", "x-should-retry": "false", "server": "theirs"}
    assert remote.told(headers) == {"retry-after-ms": "1234", "x-should-retry": "false"}
