"""Neutral events of an answer as frames of the client's dialect."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterable

from pointsman.core.errors import Unanswerable, UpstreamFailed
from pointsman.gateway.attempts import AttemptFailed, Frame, Job
from pointsman.wire import body as body_
from pointsman.wire.translate.answers import Answering
from pointsman.wire.translate.bridge import Bridge
from pointsman.wire.translate.neutral import Began, Called, Ended, Event, Prompt, Said


async def translated(events: AsyncGenerator[Event, None], job: Job, prompt: Prompt) -> AsyncGenerator[Frame, None]:
    """Each event at once where the client streams; else one frame at the end."""
    writer, bridge, kept = job.sent.dialect.writer(_about(job, prompt)), _Checked(job, prompt), list[Event]()
    async for heard in events:
        if not job.request.stream:
            kept += bridge.over(heard)
            continue
        for event in bridge.over(heard):
            for data in writer.stream(event):
                yield Frame(data, not isinstance(event, Began))
    if not job.request.stream:
        yield Frame(writer.whole(kept))


def whole(events: Iterable[Event], job: Job, prompt: Prompt) -> bytes:
    """All of an answer that is not streamed."""
    bridge = _Checked(job, prompt)
    return job.sent.dialect.writer(_about(job, prompt)).whole([one for heard in events for one in bridge.over(heard)])


class _Checked:
    """Events as the client's dialect has them, where a summary is asked for only those of one."""

    def __init__(self, job: Job, prompt: Prompt) -> None:
        self._bridge = Bridge(prompt.tools)
        self._summary = _Summary(job) if job.sent.dialect.compacts else None

    def over(self, heard: Event) -> Iterable[Event]:
        """What becomes of an event. Raises `AttemptFailed`."""
        if self._summary is not None:
            self._summary.check(heard)
        return self._bridge.over(heard)


class _Summary:
    """What would stand for a conversation. One that is no summary would lose it: an error lets its client keep it."""

    def __init__(self, job: Job) -> None:
        self._cut_by_client = job.request.max_tokens is not None and job.request.max_tokens <= job.attempt.output
        self._said = self._refused = self._called = False

    def check(self, heard: Event) -> None:
        """Take an event. Raises `AttemptFailed` at the end of what is cut, refused or empty."""
        if isinstance(heard, Said):
            self._refused = self._refused or heard.refusal
            self._said = self._said or bool(heard.text.strip())
        elif isinstance(heard, Called):
            self._called = True
        elif isinstance(heard, Ended):
            self._end(heard.finish)

    def _end(self, finish: str) -> None:
        if finish == "length":  # the same request would be cut again, and paid again
            raise AttemptFailed(Unanswerable(_none("was cut at its limit")), again=not self._cut_by_client, fault=False)
        if self._refused or finish == "content_filter":
            raise AttemptFailed(Unanswerable(_none("was refused by the model")), again=True, fault=False)
        if self._called or not self._said:
            why = "holds a call of a tool" if self._called else "holds nothing"
            raise AttemptFailed(UpstreamFailed(_none(why)), again=True, fault=False)


def _none(why: str) -> str:
    return f"The summary of this conversation {why}, so the conversation stands as it was."


def _about(job: Job, prompt: Prompt) -> Answering:
    asked = body_.readable(job.sent.body) if job.sent.dialect.repeats else {}
    return Answering(
        id=job.request.id.removeprefix("req_"),
        model=job.attempt.target,
        created=int(time.time()),
        usage=prompt.usage,
        asked=asked,
        seal=job.sent.seal,
    )
