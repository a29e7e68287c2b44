"""Legacy completions: one prompt in, one text out, answered by a model that speaks any dialect.

Shapes: https://platform.openai.com/docs/api-reference/completions
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pointsman.core.errors import BadRequest
from pointsman.core.request import Hints, Message, Request
from pointsman.wire import body as body_
from pointsman.wire import sse
from pointsman.wire.body import Sense
from pointsman.wire.shaping import shaped
from pointsman.wire.translate.answers import Answering
from pointsman.wire.translate.answers.chat import usage
from pointsman.wire.translate.neutral import Ended, Event, Prompt, Said, Text, Turn
from pointsman.wire.translate.prompts.unread import leaves, unread

NAME = "completions"
_SENSED_APART = ("prompt", "model")
_PRICED = frozenset(
    [
        *("model", "prompt", "max_tokens", "temperature", "top_p", "n", "stream", "stream_options", "logprobs", "stop"),
        *("echo", "suffix", "best_of", "presence_penalty", "frequency_penalty", "logit_bias", "seed", "user"),
    ]
)
_DEFAULT_OUTPUT = 16  # what the vendor's own endpoint gives where nothing is said
_SAME = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "user")


class _StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool | None = None


class _Body(msgspec.Struct, frozen=True):
    model: str
    prompt: str | list[Any] | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    n: int | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    logprobs: int | None = None
    stop: str | list[str] | None = None
    echo: bool | None = None
    suffix: str | None = None
    best_of: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, Any] | None = None
    seed: int | None = None
    user: str | None = None


_bodies = msgspec.json.Decoder(_Body)
# The vendor's chances have another shape in every other dialect.
_READ = leaves(*(name for name in _Body.__struct_fields__ if name not in ("logprobs", "logit_bias")))


def read(id_: str, body: bytes, hints: Hints, sense: Sense) -> Request:
    """The neutral request: the prompt is one user turn. Raises `BadRequest` that names the field."""
    peek, said = _peek(body)
    fields = body_.fields(body)
    raw = bytes(fields["prompt"])
    verdict, rest = sense(raw), body_.rest(fields, _SENSED_APART, sense)
    message = Message(role="user", digest=verdict.digest or body_.digest(raw), size=len(raw), verdict=verdict)
    return Request(
        id=id_,
        dialect=NAME,
        model=peek.model,
        stream=bool(peek.stream),
        messages=shaped([message], [msgspec.json.encode({"role": "user", "content": said})]),
        size=len(body),
        max_tokens=_limit(peek),
        wants_usage=bool(peek.stream_options and peek.stream_options.include_usage),
        unpriced=body_.strange(fields, _PRICED),
        rest=rest.verdicts,
        last_user=said[: body_.LAST_USER],
        digest=body_.whole(fields, {**rest.digests, "prompt": message.digest}),
        hints=hints,
    )


def prompt(body: bytes) -> Prompt:
    """The prompt that a body holds."""
    peek, said = _peek(body)
    stop = [peek.stop] if isinstance(peek.stop, str) else peek.stop or []
    lost = unread(body_.readable(body), _READ)
    return Prompt(
        model=peek.model,
        turns=(Turn("user", (Text(said),)),),
        max_tokens=_limit(peek),
        stop=tuple(stop),
        stream=bool(peek.stream),
        usage=bool(peek.stream_options and peek.stream_options.include_usage),
        lost=tuple(lost),
        **{name: getattr(peek, name) for name in _SAME},
    )


def _limit(peek: _Body) -> int:
    return body_.limit("max_tokens", (peek.max_tokens,)) or _DEFAULT_OUTPUT


def _peek(body: bytes) -> tuple[_Body, str]:
    """The fields, and the one prompt. What no chat model can do is refused by name."""
    peek = body_.peek(_bodies, body, NAME)
    refused = (("suffix", bool(peek.suffix)), ("echo", bool(peek.echo)), ("best_of", (peek.best_of or 1) != 1))
    for name, asked in (*refused, ("n", (peek.n or 1) != 1)):
        if asked:
            raise BadRequest(f"'{name}' is not served by /v1/completions here. Send the request without it.")
    given = [peek.prompt] if isinstance(peek.prompt, str) else peek.prompt or []
    if len(given) != 1 or not isinstance(given[0], str) or not given[0]:
        raise BadRequest("'prompt' must be one text here. Send each prompt in a request of its own, and no tokens.")
    return peek, given[0]


class CompletionsWriter:
    """Neutral events to chunks of text, or to one text completion."""

    def __init__(self, about: Answering) -> None:
        self._about = about
        self._base = {"id": f"cmpl-{about.id}", "object": "text_completion", "created": about.created}
        self._base["model"] = about.model

    def stream(self, event: Event) -> list[bytes]:
        """Chunks of text; at the end its reason, usage where it was asked for, and the mark of the end."""
        if isinstance(event, Said) and event.text:
            return [self._chunk(_choice(event.text, None))]
        return self._end(event) if isinstance(event, Ended) else []

    def whole(self, events: Sequence[Event]) -> bytes:
        """One completion."""
        end = next((event for event in events if isinstance(event, Ended)), Ended("stop"))
        text = "".join(event.text for event in events if isinstance(event, Said))
        told = {**self._base, "choices": [_choice(text, _finish(end))]}
        return msgspec.json.encode(told if end.meters is None else {**told, "usage": usage(end.meters, end.reasoning)})

    def _end(self, end: Ended) -> list[bytes]:
        told = [self._chunk(_choice("", _finish(end)))]
        if self._about.usage and end.meters is not None:
            chunk = {**self._base, "choices": [], "usage": usage(end.meters, end.reasoning)}
            told.append(sse.encode(msgspec.json.encode(chunk)))
        return [*told, sse.DONE]

    def _chunk(self, choice: dict[str, Any]) -> bytes:
        return sse.encode(msgspec.json.encode({**self._base, "choices": [choice]}))


def _choice(text: str, finish: str | None) -> dict[str, Any]:
    return {"text": text, "index": 0, "logprobs": None, "finish_reason": finish}


def _finish(end: Ended) -> str:
    return end.finish if end.finish in ("length", "content_filter") else "stop"
