"""Neutral events of an answer as frames of the client's dialect."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator

from pointsman.core.errors import UpstreamFailed
from pointsman.gateway.attempts import AttemptFailed, Frame, Job
from pointsman.wire import body as body_
from pointsman.wire.translate.answers import Answering
from pointsman.wire.translate.bridge import Bridge
from pointsman.wire.translate.neutral import Began, Ended, Event, Prompt, Said


async def translated(events: AsyncGenerator[Event, None], job: Job, prompt: Prompt) -> AsyncGenerator[Frame, None]:
    """Each event at once where the client streams; else one frame at the end."""
    writer = job.sent.dialect.writer(_about(job, prompt))
    bridge, kept = Bridge(prompt.tools), list[Event]()
    said = False
    async for heard in events:
        said = said or isinstance(heard, Said)
        if job.sent.dialect.compacts and isinstance(heard, Ended):
            _check_summary(heard, said=said)
        for event in bridge.over(heard):
            if job.request.stream:
                for data in writer.stream(event):
                    yield Frame(data, not isinstance(event, Began))
            else:
                kept.append(event)
    if not job.request.stream:
        yield Frame(writer.whole(kept))


def _check_summary(end: Ended, *, said: bool) -> None:
    """A summary that is cut or empty would lose the conversation: none at all lets its client keep it."""
    if not said or end.finish in ("length", "content_filter"):
        why = "was cut at its limit" if end.finish == "length" else "holds nothing"
        raise AttemptFailed(UpstreamFailed(f"The summary of this conversation {why}."), again=True, fault=False)


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
