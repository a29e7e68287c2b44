"""One attempt at one target: frames for the client as they come, and a tally of what was used.

A frame is one whole Server-Sent event, or the whole body where nothing is streamed.
"""

from __future__ import annotations

import secrets as random_
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Protocol

import msgspec

from pointsman.core.catalog import Catalog, Target
from pointsman.core.errors import BadRequest, Refusal, TooLarge, UpstreamFailed
from pointsman.core.pricing import Meters
from pointsman.core.request import Request
from pointsman.core.routing import Attempt
from pointsman.engines import protocol
from pointsman.engines.failures import ModelUnloadable, WorkerDied
from pointsman.engines.supervisor import Supervisor
from pointsman.providers.openai_compat import Upstream, UpstreamError
from pointsman.wire import chat, sse
from pointsman.wire.scan import Scan

_MISTAKES = (400, 413, 415, 422)  # the client's own; another target would hardly like the request better


class Frame(msgspec.Struct, frozen=True):
    """Bytes for the client; `content` marks the first thing that a person would see."""

    data: bytes
    content: bool = True


class Tally:
    """What one attempt used. `sent`: something was dispatched, so it may be billed."""

    def __init__(self) -> None:
        self.sent = False
        self.meters: Meters | None = None
        self.cost: int | None = None
        self.finish: str | None = None
        self.started = time.time()
        self.first: float | None = None


class Job(msgspec.Struct, frozen=True):
    """What an attempt needs: the request, its bytes, where it goes, and where to note what it used."""

    request: Request
    body: bytes
    attempt: Attempt
    tally: Tally


class AttemptFailed(Exception):
    """The attempt brought no answer. `again`: the next one of the plan may; `fault`: the target is to blame."""

    def __init__(self, refusal: Refusal, *, again: bool, fault: bool = True) -> None:
        super().__init__(refusal.sentence)
        self.refusal = refusal
        self.again = again
        self.fault = fault


class Secrets(Protocol):
    """Where a provider's key comes from, fetched only when it is needed."""

    async def key(self, provider: str) -> str | None:
        """The key, None where the provider needs none; raises `Refusal` with the keychain's sentence."""


class Local:
    """Attempts on this machine."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    async def run(self, job: Job) -> AsyncGenerator[Frame, None]:
        """Frames of the worker's answer, in chat completions."""
        request, attempt = job.request, job.attempt
        answer = chat.Answer(request.id, attempt.target, int(time.time()))
        shape = _Stream(answer, request) if request.stream else _Whole(answer)
        events = self._supervisor.chat(attempt.target, _command(job))
        try:
            async for event in events:
                for frame in shape.take(event, job.tally):
                    yield frame
        except (WorkerDied, ModelUnloadable) as error:
            raise AttemptFailed(UpstreamFailed(error.sentence), again=True) from None
        finally:
            await events.aclose()


def _command(job: Job) -> protocol.Chat:
    fields = chat.local_fields(job.body)
    given = {name: value for name, value in msgspec.structs.asdict(fields).items() if value is not None}
    stop = [fields.stop] if isinstance(fields.stop, str) else fields.stop or []
    return protocol.Chat(
        **{**given, "id": f"{job.request.id}-{random_.token_hex(2)}", "stop": stop, "max_tokens": job.attempt.output}
    )


class _Shape:
    """What both ways of answering share: reading the worker's events."""

    def take(self, event: protocol.Answer, tally: Tally) -> list[Frame]:
        if isinstance(event, protocol.Failed):
            raise AttemptFailed(_engine_refusal(event), again=event.code != "bad_request", fault=False)
        tally.sent = True
        if isinstance(event, protocol.Text | protocol.Calls) and tally.first is None:
            tally.first = time.time()
        if isinstance(event, protocol.End):
            tally.finish = event.finish
            tally.meters = Meters(
                fresh_input=event.prompt_tokens - event.cached_tokens,
                cache_read=event.cached_tokens,
                output=event.completion_tokens,
            )
        return self.frames(event)

    def frames(self, event: protocol.Answer) -> list[Frame]:
        raise NotImplementedError


class _Stream(_Shape):
    def __init__(self, answer: chat.Answer, request: Request) -> None:
        self._answer = answer
        self._usage = request.wants_usage
        self._calls = 0

    def frames(self, event: protocol.Answer) -> list[Frame]:
        if isinstance(event, protocol.Started):
            return [self._frame(self._answer.chunk({"role": "assistant", "content": ""}), content=False)]
        if isinstance(event, protocol.Text):
            return [self._frame(self._answer.chunk({"content": event.text}))]
        if isinstance(event, protocol.Calls):
            calls = [_call(call, at + self._calls) for at, call in enumerate(event.calls)]
            self._calls += len(calls)
            return [self._frame(self._answer.chunk({"tool_calls": calls}))]
        return self._end(event) if isinstance(event, protocol.End) else []

    def _end(self, end: protocol.End) -> list[Frame]:
        frames = [self._frame(self._answer.chunk({}, _finish(end)))]
        if self._usage:
            usage = chat.usage(end.prompt_tokens, end.completion_tokens, end.cached_tokens)
            frames.append(self._frame(self._answer.usage_chunk(usage)))
        return [*frames, Frame(sse.DONE)]

    @staticmethod
    def _frame(data: bytes, *, content: bool = True) -> Frame:
        return Frame(sse.encode(data), content)


class _Whole(_Shape):
    def __init__(self, answer: chat.Answer) -> None:
        self._answer = answer
        self._text: list[str] = []
        self._calls: list[dict[str, Any]] = []

    def frames(self, event: protocol.Answer) -> list[Frame]:
        if isinstance(event, protocol.Text):
            self._text.append(event.text)
        if isinstance(event, protocol.Calls):
            self._calls += [_call(call, None) for call in event.calls]
        if not isinstance(event, protocol.End):
            return []
        usage = chat.usage(event.prompt_tokens, event.completion_tokens, event.cached_tokens)
        return [Frame(self._answer.whole("".join(self._text), self._calls, _finish(event), usage))]


def _finish(end: protocol.End) -> str:
    return "stop" if end.finish == "cancelled" else end.finish


def _call(call: protocol.ToolCall, at: int | None) -> dict[str, Any]:
    named = {"name": call.name, "arguments": call.arguments}
    shape = {"id": f"call_{random_.token_hex(12)}", "type": "function", "function": named}
    return shape if at is None else {"index": at, **shape}


def _engine_refusal(event: protocol.Failed) -> Refusal:
    if event.code == "context_exceeded":
        return TooLarge(event.message)
    return BadRequest(event.message) if event.code == "bad_request" else UpstreamFailed(event.message)


class Remote:
    """Attempts at private and cloud targets that speak chat completions."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._upstreams: dict[str, Upstream] = {}

    async def run(self, job: Job, catalog: Catalog) -> AsyncGenerator[Frame, None]:
        """Frames as the upstream sends them; the usage event is kept back where the client did not ask for it."""
        request, attempt, tally = job.request, job.attempt, job.tally
        target = catalog.targets[attempt.target]
        upstream = self.upstream(catalog, target.provider or "")
        try:
            key = await self._secrets.key(target.provider or "")
        except Refusal as refusal:
            raise AttemptFailed(refusal, again=True, fault=False) from None
        sent = chat.splice(job.body, target.model or target.name, attempt.output, _limit_field(catalog, target))
        scan = Scan()
        try:
            tally.sent = True
            async with upstream.post("/chat/completions", sent, key) as response:
                frames = _events if request.stream else _body
                async for frame in frames(upstream.pieces(response), scan, request):
                    _note(tally, scan, frame)
                    yield frame
        except UpstreamError as error:
            tally.sent = error.sent
            raise _failed(error) from None
        finally:
            _note(tally, scan, None)

    def upstream(self, catalog: Catalog, name: str) -> Upstream:
        """The upstream of a provider, made at its first use."""
        provider = catalog.providers[name]
        known = f"{name} {provider.base_url}"
        if known not in self._upstreams:
            self._upstreams[known] = Upstream(name, provider.base_url)
        return self._upstreams[known]

    async def close(self) -> None:
        """End all connections."""
        for upstream in self._upstreams.values():
            await upstream.close()


def _limit_field(catalog: Catalog, target: Target) -> str:
    return catalog.providers[target.provider or ""].limit_field


def _note(tally: Tally, scan: Scan, frame: Frame | None) -> None:
    tally.meters, tally.cost, tally.finish = scan.meters, scan.cost, scan.finish
    if frame is not None and frame.content and tally.first is None:
        tally.first = time.time()


async def _events(pieces: AsyncIterator[bytes], scan: Scan, request: Request) -> AsyncIterator[Frame]:
    """Whole events; an error before the end, or an end without its mark, is a broken answer."""
    parser = sse.Parser()
    async for piece in pieces:
        for event in _fed(parser, piece):
            seen = scan.data(event.data)
            if seen.error:
                raise UpstreamError("the provider broke its answer off with an error", sent=True)
            if not (seen.usage_only and not request.wants_usage):
                yield Frame(event.raw, seen.content or seen.done)
            if seen.done:
                return
    if scan.finish is None:
        raise UpstreamError("the provider's answer broke off before its end", sent=True)
    yield Frame(sse.DONE)


def _fed(parser: sse.Parser, piece: bytes) -> list[sse.Event]:
    try:
        return parser.feed(piece)
    except ValueError:
        raise UpstreamError("the provider sent an event without end", sent=True) from None


async def _body(pieces: AsyncIterator[bytes], scan: Scan, _request: Request) -> AsyncIterator[Frame]:
    whole = b"".join([piece async for piece in pieces])
    scan.data(whole)
    yield Frame(whole)


def _failed(error: UpstreamError) -> AttemptFailed:
    if error.status in _MISTAKES:
        return AttemptFailed(BadRequest(f"{error.reason}.", _sentence(error.body)), again=False, fault=False)
    if error.status in (401, 403):
        return AttemptFailed(
            UpstreamFailed(f"{error.reason}: it does not accept the key that is kept for it."), again=True
        )
    return AttemptFailed(UpstreamFailed(error.reason + "."), again=True)


def _sentence(body: bytes) -> str:
    """The upstream's own message, if it has one; it speaks of the client's own request."""
    try:
        said = msgspec.json.decode(body)["error"]["message"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return ""
    return said[:500] if isinstance(said, str) else ""
