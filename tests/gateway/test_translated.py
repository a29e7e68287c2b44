"""A summary stands for a conversation only where it is one; else its client keeps the conversation."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

import pytest

from pointsman.core.errors import Refusal, Unanswerable, UpstreamFailed
from pointsman.core.request import Hints, Verdict
from pointsman.core.routing import Attempt
from pointsman.gateway.attempts import AttemptFailed, Job, Sent, Tally
from pointsman.gateway.translated import translated
from pointsman.wire.surfaces import SURFACES, TRIGGERED
from pointsman.wire.translate.neutral import Began, Called, Ended, Event, Said, Thought

END = Ended("stop")


async def told(*events: Event, body: bytes = b'{"model":"m","input":"hi"}', output: int = 9) -> Sequence[bytes]:
    """What a client hears of these events, whose summary is sealed to be seen."""
    dialect = TRIGGERED if b"max_output" in body else SURFACES["compact"]
    request = dialect.read("req_1", body, Hints(), lambda _: Verdict())
    attempt = Attempt(target="t", tier="cloud", about=0, at_most=0, output=output)
    sent = Sent(dialect=dialect, body=body, seal=lambda text: f"<{text}>")

    async def heard() -> AsyncGenerator[Event, None]:
        for event in (Began(), *events):
            yield event

    return [
        frame.data async for frame in translated(heard(), Job(request, sent, attempt, Tally()), dialect.prompt(body))
    ]


async def test_words_are_a_summary() -> None:
    """Whatever was thought before."""
    (whole,) = await told(Thought("Hm."), Said("It was a heron."), END)
    assert b"<It was a heron.>" in whole


@pytest.mark.parametrize(
    ("events", "kind", "why"),
    [
        ((END,), UpstreamFailed, "holds nothing"),
        ((Said(""), Said(" "), END), UpstreamFailed, "holds nothing"),
        ((Thought("Hm."), END), UpstreamFailed, "holds nothing"),
        ((Said("I look."), Called(0, "c", "read"), Ended("tool_calls")), UpstreamFailed, "holds a call of a tool"),
        ((Said("I cannot.", refusal=True), END), Unanswerable, "was refused"),
        ((Said("x"), Ended("content_filter")), Unanswerable, "was refused"),
        ((Said("x"), Ended("length")), Unanswerable, "was cut"),
    ],
)
async def test_what_is_no_summary_is_an_error(events: tuple[Event, ...], kind: type[Refusal], why: str) -> None:
    """Another model may make one. What the same model would do again is not to be asked for, and paid, again."""
    with pytest.raises(AttemptFailed) as failed:
        await told(*events)
    assert (type(failed.value.refusal), failed.value.again, failed.value.fault) == (kind, True, False)
    assert why in failed.value.refusal.sentence
    assert failed.value.refusal.retry is (kind is UpstreamFailed)


async def test_where_the_client_set_the_limit_no_other_model_is_asked() -> None:
    """It would be cut as well."""
    body = b'{"model":"m","input":[{"type":"compaction_trigger"}],"max_output_tokens":9}'
    for output, again in ((9, False), (5, True)):
        with pytest.raises(AttemptFailed) as failed:
            await told(Said("x"), Ended("length"), body=body, output=output)
        assert failed.value.again is again
