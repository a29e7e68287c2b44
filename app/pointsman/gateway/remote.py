"""Attempts at private and cloud targets, which answer over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from functools import lru_cache
from typing import Protocol

import msgspec

from pointsman.core.catalog import Catalog
from pointsman.core.errors import BadRequest, Refusal, TimedOut, UpstreamFailed, UpstreamSaid
from pointsman.core.pricing import Meters
from pointsman.gateway import misread, translated
from pointsman.gateway.attempts import AttemptFailed, Frame, Job, Sent, Tally
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
        """Frames of a stream: the upstream's own where both speak one dialect, translated where not."""
        sending = await self._sending(job, catalog)
        tally, posted, way = job.tally, sending.posted, sending.way
        try:
            async with posted as response:
                tally.headers = told(response.headers)
                async for frame in way.frames(sending.upstream.pieces(response), job):
                    _note(tally, way.scan)
                    if tally.first is None and frame.content:
                        tally.first = time.time()
                    yield frame
        except UpstreamError as error:
            raise sending.failed(error) from None
        finally:
            sending.end(tally)

    async def whole(self, job: Job, catalog: Catalog) -> bytes:
        """An answer that is not streamed, for the client."""
        sending = await self._sending(job, catalog)
        tally, way = job.tally, sending.way
        try:
            async with sending.posted as response:
                tally.headers = told(response.headers)
                body = response.at_once()
                if body is None:
                    body = await _collected(sending.upstream.pieces(response))
                made = way.whole(_scanned(body, way.scan), job)
                tally.first = time.time()
                return made
        except UpstreamError as error:
            raise sending.failed(error) from None
        finally:
            sending.end(tally)

    async def _sending(self, job: Job, catalog: Catalog) -> _Sending:
        """All that is to be sent, and how; nothing is yet."""
        target = catalog.targets[job.attempt.target]
        provider = catalog.providers[target.provider or ""]
        try:
            key = await self._secrets.key(provider.name)
        except Refusal as refusal:
            raise AttemptFailed(refusal, again=True, fault=False) from None
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
        job.tally.bytes, job.tally.lost = len(way.body), way.lost
        return _Sending(self.upstream(catalog, provider.name), way, job.sent, key)

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
    return {name: value for name, value in headers.items() if _is_told(name)}


@lru_cache(256)
def _is_told(name: str) -> bool:
    return name in _TOLD or name.startswith(_TOLD_FAMILIES)


class _Sending:
    """One attempt's request, ready to be written, and what becomes of its tally."""

    def __init__(self, upstream: Upstream, way: _Way, sent: Sent, key: str | None) -> None:
        dialect = way.dialect
        headers = {**VERSION} if dialect.name == "messages" else {}
        if way.same:
            headers.update(sent.headers)
        headers.update(authorised(key))
        self.upstream = upstream
        self.way = way
        self.posted = upstream.post(dialect.path + sent.query if way.same else dialect.path, way.body, headers)
        self._key = key
        self._sent: bool | None = None

    def failed(self, error: UpstreamError) -> AttemptFailed:
        """What the upstream did not do."""
        self._sent = error.sent
        return _failed(error, self.way.dialect.name, self._key)

    def end(self, tally: Tally) -> None:
        """However it ended: whoever leaves while a connection is still being opened has sent nothing."""
        tally.sent = self.posted.written if self._sent is None else self._sent
        _note(tally, self.way.scan)


class _Way:
    """How one attempt speaks with its upstream: in the client's own dialect, byte for byte."""

    same = True

    def __init__(self, dialect: Dialect, body: bytes, lost: Sequence[str] = ()) -> None:
        self.dialect = dialect
        self.body = body
        self.lost = tuple(dict.fromkeys(lost))
        self.scan = dialect.scan()

    def frames(self, pieces: AsyncIterator[bytes], job: Job) -> AsyncIterator[Frame]:
        """The upstream's stream as frames."""
        return _events(pieces, self.scan, job)

    def whole(self, body: bytes, job: Job) -> bytes:  # noqa: ARG002 as it came, whatever was asked
        """The upstream's whole answer as the client's."""
        return body


class _Translated(_Way):
    """Another dialect than the client's: the answer goes through neutral events."""

    same = False

    def __init__(self, dialect: Dialect, prompt: Prompt, change: Change) -> None:
        super().__init__(dialect, dialect.write(prompt, change), [*prompt.lost, *dialect.lost(prompt, change)])
        self._prompt = prompt

    async def frames(self, pieces: AsyncIterator[bytes], job: Job) -> AsyncIterator[Frame]:
        """The upstream's stream in the client's dialect."""
        heard = self._heard(pieces, job)
        async for frame in translated.translated(heard, job, self._prompt):
            yield frame

    def whole(self, body: bytes, job: Job) -> bytes:
        """The upstream's whole answer in the client's dialect."""
        try:
            heard = [self._metered(event) for event in self.dialect.reader().whole(body)]
        except _UNREADABLE:
            raise _unreadable() from None
        return translated.whole(heard, job, self._prompt)

    async def _heard(self, pieces: AsyncIterator[bytes], job: Job) -> AsyncGenerator[Event, None]:
        reader = self.dialect.reader()
        try:
            async for frame in _events(pieces, self.scan, job, silent=False):
                for event in reader.stream(sse.parse(frame.data)):
                    yield self._metered(event)
        except _UNREADABLE:
            raise _unreadable() from None

    def _metered(self, event: Event) -> Event:
        if not isinstance(event, Ended):
            return event
        return msgspec.structs.replace(event, meters=self.scan.meters, reasoning=self.scan.reasoning)


def _way(job: Job, spoken: tuple[str, ...], change: Change) -> _Way:
    dialect = job.sent.dialect
    if dialect.name in (*spoken, embeddings.NAME) and (change.compacts or not dialect.compacts):
        return _Way(dialect, dialect.splice(job.sent.body, change), dialect.omitted(job.sent.body, change))
    return _Translated(DIALECTS[spoken[0]], dialect.prompt(job.sent.body), change)


_UNREADABLE = (*UNREADABLE, ValueError)


def _unreadable() -> UpstreamError:
    return UpstreamError("the provider sent an answer that cannot be read", sent=True)


def _note(tally: Tally, scan: Scan) -> None:
    tally.meters, tally.cost, tally.finish = scan.meters, scan.cost, scan.finish


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


async def _collected(pieces: AsyncIterator[bytes]) -> bytes:
    kept, size = list[bytes](), 0
    async for piece in pieces:
        kept.append(piece)
        size += len(piece)
        if size > MOST_BODY:
            raise UpstreamError("the provider sent an answer without end", sent=True)
    return b"".join(kept)


def _scanned(whole: bytes, scan: Scan) -> bytes:
    """The body of an answer, if it is one."""
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
