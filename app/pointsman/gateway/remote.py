"""Attempts at private and cloud targets, which answer over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Protocol

import msgspec

from pointsman.core.catalog import Catalog, Provider
from pointsman.core.errors import BadRequest, Refusal, TimedOut, UpstreamFailed, UpstreamSaid
from pointsman.core.pricing import Meters
from pointsman.gateway import misread
from pointsman.gateway.attempts import AttemptFailed, Frame, Job, Tally
from pointsman.gateway.translated import translated
from pointsman.providers.failures import Said, UpstreamError
from pointsman.providers.headers import VERSION, authorised
from pointsman.providers.upstream import Upstream
from pointsman.wire import embeddings, faults, sse
from pointsman.wire.body import Change
from pointsman.wire.dialects import DIALECTS, Dialect
from pointsman.wire.scan import UNREADABLE, Scan
from pointsman.wire.translate.neutral import Ended, Event, Prompt

_ERRORS = range(400, 600)
_DISPATCHED = (408, 504)  # said by brokers after the request went on
_MISTAKES = (400, 413, 415, 422)  # the client's own; another target would hardly like the request better
# Headers of an answer that tell the client something about its request; all others speak of the connection.
_TOLD = (
    "request-id",
    "x-request-id",
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "openai-processing-ms",
    "openai-version",
)
_TOLD_FAMILIES = ("anthropic-ratelimit-", "x-ratelimit-")


MOST_BODY = 64 * 1024 * 1024  # bytes of an answer that is not streamed: pictures in it fit, one without end does not
_LARGE = 262_144  # bytes of a body that is written anew in a thread, so that the others' streams go on


class Secrets(Protocol):
    """Where a provider's key comes from, fetched only when it is needed."""

    async def key(self, provider: str) -> str | None:
        """The key, None where the provider needs none; raises `Refusal` with the keychain's sentence."""


class Remote:
    """Attempts over HTTP; keeps one upstream for each provider."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._upstreams: dict[str, Upstream] = {}

    async def run(self, job: Job, catalog: Catalog) -> AsyncGenerator[Frame, None]:
        """Frames for the client: the upstream's own where both speak one dialect, translated where not."""
        target = catalog.targets[job.attempt.target]
        provider = catalog.providers[target.provider or ""]
        key = await self._key(provider)
        change = Change(
            model=target.model or target.name,
            output=job.attempt.output,
            limit_field=provider.limit_field,
            reasoning=provider.takes_reasoning,
            compacts=catalog.compacts(target, tools=job.request.tools > 0),
            service_tier=job.attempt.service_tier,
        )
        spoken, large = catalog.dialects(target, tools=job.request.tools > 0), len(job.sent.body) > _LARGE
        try:
            way = await asyncio.to_thread(_way, job, spoken, change) if large else _way(job, spoken, change)
        except BadRequest as refusal:
            misread.note(refusal)
            raise
        try:
            async with aclosing(self._frames(job, self.upstream(catalog, provider.name), key, way)) as frames:
                async for frame in frames:
                    _note(job.tally, way.scan, frame)
                    yield frame
        except UpstreamError as error:
            job.tally.sent = error.sent
            raise _failed(error, way.dialect.name, key) from None
        finally:
            _note(job.tally, way.scan, None)

    async def _frames(self, job: Job, upstream: Upstream, key: str | None, way: _Way) -> AsyncGenerator[Frame, None]:
        tally, dialect = job.tally, way.dialect
        travelling = job.sent.headers if way.same else {}
        headers = {**(VERSION if dialect.name == "messages" else {}), **travelling, **authorised(key)}
        tally.bytes, tally.lost = len(way.body), way.lost
        posted = upstream.post(dialect.path + (job.sent.query if way.same else ""), way.body, headers)
        try:
            async with posted as response:
                tally.headers = told(response.headers)
                async for frame in way.frames(upstream.pieces(response), job):
                    yield frame
        finally:  # whoever leaves while a connection is still being opened has sent nothing
            tally.sent = posted.written

    async def _key(self, provider: Provider) -> str | None:
        try:
            return await self._secrets.key(provider.name)
        except Refusal as refusal:
            raise AttemptFailed(refusal, again=True, fault=False) from None

    def upstream(self, catalog: Catalog, name: str) -> Upstream:
        """The upstream of a provider, made at its first use."""
        provider = catalog.providers[name]
        known = f"{name} {provider.base_url} {provider.ca_file}"
        if known not in self._upstreams:
            lists = "/v1/models" if provider.dialects == ("messages",) else "/models"
            self._upstreams[known] = Upstream(name, provider.base_url, lists=lists, ca_file=provider.ca_file)
        return self._upstreams[known]

    async def close(self) -> None:
        """End all connections."""
        for upstream in self._upstreams.values():
            await upstream.close()


def told(headers: dict[str, str]) -> dict[str, str]:
    """Those of an upstream's headers that its client may see."""
    return {name: value for name, value in headers.items() if name in _TOLD or name.startswith(_TOLD_FAMILIES)}


class _Way:
    """How one attempt speaks with its upstream: in the client's own dialect, byte for byte."""

    same = True

    def __init__(self, dialect: Dialect, body: bytes, lost: Sequence[str] = ()) -> None:
        self.dialect = dialect
        self.body = body
        self.lost = tuple(dict.fromkeys(lost))
        self.scan = dialect.scan()

    def frames(self, pieces: AsyncIterator[bytes], job: Job) -> AsyncIterator[Frame]:
        """The upstream's answer as frames."""
        return _events(pieces, self.scan, job) if job.request.stream else self._whole(pieces)

    async def _whole(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[Frame]:
        whole = await _body(pieces, self.scan)
        yield Frame(whole)


class _Translated(_Way):
    """Another dialect than the client's: the answer goes through neutral events."""

    same = False

    def __init__(self, dialect: Dialect, prompt: Prompt, change: Change) -> None:
        super().__init__(dialect, dialect.write(prompt, change), [*prompt.lost, *dialect.lost(prompt, change)])
        self._prompt = prompt

    async def frames(self, pieces: AsyncIterator[bytes], job: Job) -> AsyncIterator[Frame]:
        """The upstream's answer in the client's dialect."""
        heard = self._heard(pieces, job)
        async for frame in translated(heard, job, self._prompt):
            yield frame

    async def _heard(self, pieces: AsyncIterator[bytes], job: Job) -> AsyncGenerator[Event, None]:
        reader, kept = self.dialect.reader(), not job.request.stream
        try:
            if kept:
                for event in reader.whole(await _body(pieces, self.scan)):
                    yield self._metered(event)
                return
            async for frame in _events(pieces, self.scan, job, silent=False):
                for event in reader.stream(sse.parse(frame.data)):
                    yield self._metered(event)
        except (*UNREADABLE, ValueError):
            raise UpstreamError("the provider sent an answer that cannot be read", sent=True) from None

    def _metered(self, event: Event) -> Event:
        if not isinstance(event, Ended):
            return event
        return msgspec.structs.replace(event, meters=self.scan.meters, reasoning=self.scan.reasoning)


def _way(job: Job, spoken: tuple[str, ...], change: Change) -> _Way:
    dialect = job.sent.dialect
    if dialect.name in (*spoken, embeddings.NAME) and (change.compacts or not dialect.compacts):
        return _Way(dialect, dialect.splice(job.sent.body, change), dialect.omitted(job.sent.body, change))
    return _Translated(DIALECTS[spoken[0]], dialect.prompt(job.sent.body), change)


def _note(tally: Tally, scan: Scan, frame: Frame | None) -> None:
    tally.meters, tally.cost, tally.finish = scan.meters, scan.cost, scan.finish
    if frame is not None and frame.content and tally.first is None:
        tally.first = time.time()


async def _events(pieces: AsyncIterator[bytes], scan: Scan, job: Job, *, silent: bool = True) -> AsyncIterator[Frame]:
    """Whole events; an error before the end, or an end without its mark, is a broken answer.

    `silent`: the event that only tells usage is kept from a client that did not ask for it.
    """
    parser, begun = sse.Parser(), False
    async for piece in pieces:
        for event in _fed(parser, piece):
            before = scan.meters
            seen = scan.data(event.data)
            if seen.error:
                owed = begun or seen.content or _used(scan.meters, before)
                raise _broken("the provider broke its answer off with an error", event.data, owed=owed)
            begun = begun or seen.content
            if not (silent and seen.usage_only and not job.request.wants_usage):
                yield Frame(event.raw, seen.content or seen.done)
            if seen.done:
                return
    if scan.finish is None:
        raise UpstreamError("the provider's answer broke off before its end", sent=True)
    if scan.last:
        yield Frame(scan.last)


async def _body(pieces: AsyncIterator[bytes], scan: Scan) -> bytes:
    kept, size = list[bytes](), 0
    async for piece in pieces:
        kept.append(piece)
        size += len(piece)
        if size > MOST_BODY:
            raise UpstreamError("the provider sent an answer without end", sent=True)
    whole = b"".join(kept)
    seen = scan.data(whole)
    if seen.error:  # under a status of success
        owed = seen.content or _used(scan.meters, None)
        raise _broken("the provider answered with an error", whole, owed=owed)
    return whole


def _used(meters: Meters | None, before: Meters | None) -> bool:
    """Whether an error told of tokens, which may be billed."""
    return meters is not None and meters is not before and any(msgspec.structs.astuple(meters))


def _broken(reason: str, data: bytes, *, owed: bool) -> UpstreamError:
    """An error where the status said success: its words tell the status that it should have had.

    `owed`: something came before it. An error that comes first costs as little as a status of error does.
    """
    status = faults.read(data, "").status
    return UpstreamError(reason, sent=owed or status in _DISPATCHED, said=Said(status, {}, data))


def _fed(parser: sse.Parser, piece: bytes) -> list[sse.Event]:
    try:
        return parser.feed(piece)
    except ValueError:
        raise UpstreamError("the provider sent an event without end", sent=True) from None


def _failed(error: UpstreamError, dialect: str, key: str | None) -> AttemptFailed:
    said = error.said
    if said is None:
        kind = TimedOut if error.late else UpstreamFailed
        return AttemptFailed(kind(error.reason + "."), again=True)
    if said.status in (401, 403):
        refusal = UpstreamFailed(f"{error.reason}: it does not accept the key that is kept for it.")
        return AttemptFailed(refusal, again=True)
    if said.status not in _ERRORS:
        return AttemptFailed(UpstreamFailed(f"{error.reason}, which is no answer to a request."), again=True)
    mistake = said.status in _MISTAKES
    read = faults.read(said.body, dialect, said.status, key)
    refusal = UpstreamSaid(
        f"{error.reason}.", read.sentence, status=said.status, headers=told(said.headers), fault=read.fault
    )
    return AttemptFailed(refusal, again=not mistake, fault=not mistake)
