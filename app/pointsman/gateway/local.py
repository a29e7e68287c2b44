"""Attempts on this machine: the worker's events as frames of the client's dialect."""

from __future__ import annotations

import secrets as random_
import time
from collections.abc import AsyncGenerator, Iterator

from pointsman.core.errors import BadRequest, ContextExceeded, Refusal, UpstreamFailed
from pointsman.core.pricing import Meters
from pointsman.engines import protocol
from pointsman.engines.failures import ModelUnloadable, WorkerDied
from pointsman.engines.supervisor import Supervisor
from pointsman.gateway.attempts import AttemptFailed, Frame, Job, Tally
from pointsman.gateway.translated import translated
from pointsman.wire.translate.neutral import Argued, Began, Called, Ended, Event, Prompt, Said, Thought
from pointsman.wire.translate.prompts import worker


class Local:
    """Attempts on this machine."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    async def run(self, job: Job) -> AsyncGenerator[Frame, None]:
        """Frames of the worker's answer, in the client's dialect."""
        prompt = job.sent.dialect.prompt(job.sent.body)
        command = _command(job, prompt)
        events = self._supervisor.chat(job.attempt.target, command)
        try:
            async for frame in translated(_heard(events, job.tally), job, prompt):
                yield frame
        except (WorkerDied, ModelUnloadable) as error:
            raise AttemptFailed(UpstreamFailed(error.sentence), again=True) from None
        finally:
            await events.aclose()


def _command(job: Job, prompt: Prompt) -> protocol.Chat:
    id_ = f"{job.request.id}-{random_.token_hex(2)}"
    return protocol.Chat(id=id_, max_tokens=job.attempt.output, **worker.fields(prompt))


async def _heard(events: AsyncGenerator[protocol.Answer, None], tally: Tally) -> AsyncGenerator[Event, None]:
    """The worker's events in the neutral form, and what they say of the use."""
    calls = 0
    async for event in events:
        if isinstance(event, protocol.Failed):
            raise AttemptFailed(_engine_refusal(event), again=event.code != "bad_request", fault=False)
        tally.sent = True
        if isinstance(event, protocol.Text | protocol.Thought | protocol.Calls) and tally.first is None:
            tally.first = time.time()
        if isinstance(event, protocol.End):
            _note(event, tally)
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
    return BadRequest(event.message) if event.code == "bad_request" else UpstreamFailed(event.message)
