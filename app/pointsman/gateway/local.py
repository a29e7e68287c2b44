"""Attempts on this machine: the worker's events as frames of the client's dialect."""

from __future__ import annotations

import asyncio
import secrets as random_
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from pointsman.core.errors import BadRequest, Busy, ContextExceeded, Refusal, UpstreamFailed
from pointsman.core.pricing import Meters
from pointsman.engines import protocol
from pointsman.engines.failures import ModelUnloadable, WorkerDied
from pointsman.engines.supervisor import Supervisor
from pointsman.gateway.attempts import AttemptFailed, Frame, Job, Tally
from pointsman.gateway.translated import translated
from pointsman.wire import embeddings
from pointsman.wire.translate.neutral import Argued, Began, Called, Ended, Event, Said, Thought
from pointsman.wire.translate.prompts import worker

_CONTENT = protocol.Text | protocol.Thought | protocol.Calls | protocol.Vector


class Local:
    """Attempts on this machine."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    async def run(self, job: Job) -> AsyncGenerator[Frame, None]:
        """Frames of the worker's answer, in the client's dialect."""
        way = self._vectors(job) if job.request.embeds else self._text(job)
        try:
            async for frame in way:
                yield frame
        except WorkerDied as error:
            raise AttemptFailed(UpstreamFailed(error.sentence), again=True, fault=error.fault) from None
        except ModelUnloadable as error:
            # What cannot be loaded now is held off by itself: all that wait for one load would count as failures here.
            raise AttemptFailed(UpstreamFailed(error.sentence), again=True, fault=False) from None
        finally:
            await way.aclose()

    async def _text(self, job: Job) -> AsyncGenerator[Frame, None]:
        prompt = job.sent.dialect.prompt(job.sent.body)
        job.tally.lost = tuple(dict.fromkeys([*prompt.lost, *worker.lost(prompt)]))
        command = protocol.Chat(id=_id(job), max_tokens=job.attempt.output, **worker.fields(prompt))
        async with aclosing(self._events(job, command)) as events:
            async for frame in translated(_heard(events, job.tally), job, prompt):
                yield frame

    async def _vectors(self, job: Job) -> AsyncGenerator[Frame, None]:
        """One frame, when every text has its vector."""
        asked = _asked(job)
        made = [b""] * len(asked.inputs)
        command = protocol.Embed(id=_id(job), inputs=asked.inputs, dimensions=asked.dimensions)
        async with aclosing(self._events(job, command)) as events:
            async for event in _sound(events, job.tally):
                if isinstance(event, protocol.Vector):
                    made[event.at] = event.numbers
        tokens = job.tally.meters.fresh_input if job.tally.meters else 0
        told = asyncio.to_thread(embeddings.answer, job.attempt.target, made, tokens, packed=asked.packed)
        yield Frame(await told)

    def _events(self, job: Job, command: protocol.Asked) -> AsyncGenerator[protocol.Answer, None]:
        return self._supervisor.chat(job.attempt.target, command)


def _asked(job: Job) -> embeddings.Asked:
    """What is wrong with it is wrong for this machine alone, yet vectors have no other place."""
    try:
        return embeddings.asked(job.sent.body)
    except BadRequest as error:
        raise AttemptFailed(error, again=False, fault=False) from None


def _id(job: Job) -> str:
    return f"{job.request.id}-{random_.token_hex(2)}"


async def _sound(events: AsyncGenerator[protocol.Answer, None], tally: Tally) -> AsyncGenerator[protocol.Answer, None]:
    """The worker's events up to a failure; the tally is kept."""
    async for event in events:
        if isinstance(event, protocol.Failed):
            raise AttemptFailed(_engine_refusal(event), again=event.code != "bad_request", fault=False)
        tally.sent = True
        if tally.first is None and isinstance(event, _CONTENT):
            tally.first = time.time()
        if isinstance(event, protocol.End):
            _note(event, tally)
        yield event


async def _heard(events: AsyncGenerator[protocol.Answer, None], tally: Tally) -> AsyncGenerator[Event, None]:
    """The worker's events in the neutral form."""
    calls = 0
    async for event in _sound(events, tally):
        for one in _neutral(event, calls, tally):
            yield one
        calls += len(event.calls) if isinstance(event, protocol.Calls) else 0


def _note(event: protocol.End, tally: Tally) -> None:
    tally.finish = event.finish
    tally.peak_memory = event.peak_bytes
    tally.meters = Meters(
        fresh_input=event.prompt_tokens - event.cached_tokens,
        cache_read=event.cached_tokens,
        output=event.completion_tokens,
    )


def _neutral(event: protocol.Answer, calls: int, tally: Tally) -> Iterator[Event]:
    match event:
        case protocol.Started():
            yield Began()
        case protocol.Text():
            yield Said(event.text, logprobs=worker.logprobs(event.logprobs))
        case protocol.Thought():
            yield Thought(event.text)
        case protocol.Calls():
            for at, call in enumerate(event.calls, calls):
                yield Called(at, f"call_{random_.token_hex(12)}", call.name)
                yield Argued(at, call.arguments)
        case protocol.End(finish=("length" | "tool_calls") as finish):
            yield Ended(finish, tally.meters, event.reasoning_tokens)
        case protocol.End():
            yield Ended("stop", tally.meters, event.reasoning_tokens)


def _engine_refusal(event: protocol.Failed) -> Refusal:
    if event.code == "context_exceeded":
        return ContextExceeded(event.message)
    if event.code == "busy":
        return Busy(event.message)
    return BadRequest(event.message) if event.code == "bad_request" else UpstreamFailed(event.message)
