"""The neutral form: what a request says and what an answer says, whatever the dialect.

A request is read into a `Prompt` and written from one. An answer is read into a row of `Event`s and written from
them, streamed or whole. What a dialect has no place for is named in `Prompt.lost`, never dropped in silence.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import msgspec

from pointsman.core.pricing import Meters


class Text(msgspec.Struct, frozen=True):
    """Words."""

    text: str


class Image(msgspec.Struct, frozen=True):
    """A picture: a `data:` or `https:` address. `detail` is what OpenAI calls it, where it was given."""

    url: str
    detail: str | None = None


class File(msgspec.Struct, frozen=True):
    """A document: a `data:` or `https:` address, or plain text; `name` where it was given."""

    url: str = ""
    text: str = ""
    name: str | None = None


class Thinking(msgspec.Struct, frozen=True):
    """Reasoning of an earlier answer. `signature` binds it to the model that wrote it, in the dialect `by`.

    `hidden` is text that only its maker can read.
    """

    text: str
    signature: str = ""
    hidden: str = ""
    by: str = ""


class Call(msgspec.Struct, frozen=True):
    """The model asks for a tool. `arguments` is JSON text, or what it says in a `free` tool's own language."""

    id: str
    name: str
    arguments: str
    free: bool = False
    namespace: str = ""


class Result(msgspec.Struct, frozen=True):
    """What a tool gave back for a call."""

    id: str
    parts: tuple[Text | Image | File, ...]
    error: bool = False
    free: bool = False


Part = Text | Image | File | Thinking | Call | Result


class Turn(msgspec.Struct, frozen=True):
    """One turn. Results are turns of role `tool`; system and developer turns may stand anywhere."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    parts: tuple[Part, ...]


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool on offer. `schema` is the JSON schema of its arguments, as bytes; a `free` one takes text instead."""

    name: str
    description: str = ""
    schema: msgspec.Raw = msgspec.Raw(b"{}")
    strict: bool | None = None
    free: bool = False
    grammar: msgspec.Raw = msgspec.Raw()
    namespace: str = ""


class Choice(msgspec.Struct, frozen=True):
    """Which tools the model may or must use. `parallel` None: it was not said."""

    kind: Literal["auto", "none", "required", "named"] = "auto"
    name: str = ""
    parallel: bool | None = None


def only(tools: tuple[Tool, ...], allowed: Collection[str] | None) -> tuple[Tool, ...]:
    """The tools that may be used; None: all of them."""
    return tools if allowed is None else tuple(tool for tool in tools if tool.name in allowed)


class Format(msgspec.Struct, frozen=True):
    """How the answer must look; `schema` as bytes."""

    kind: Literal["json_object", "json_schema"]
    name: str = ""
    schema: msgspec.Raw = msgspec.Raw()
    strict: bool | None = None
    description: str | None = None


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """A request. None means: it was not said. `lost` names what the next dialect has no place for."""

    model: str
    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    choice: Choice | None = None
    format: Format | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    logit_bias: dict[str, float] | None = None
    effort: str | None = None
    verbosity: str | None = None
    user: str | None = None
    stream: bool = False
    usage: bool = False
    lost: tuple[str, ...] = ()


class Began(msgspec.Struct, frozen=True):
    """The answer begins; ids are the upstream's, empty where it has none."""

    id: str = ""
    model: str = ""


class Said(msgspec.Struct, frozen=True):
    """More text of the answer; `refusal` where the model says no. `logprobs` in chat completions' shape, as bytes."""

    text: str
    refusal: bool = False
    logprobs: msgspec.Raw = msgspec.Raw()


class Thought(msgspec.Struct, frozen=True):
    """More reasoning; a signature or hidden text comes with the last piece."""

    text: str = ""
    signature: str = ""
    hidden: str = ""


class Called(msgspec.Struct, frozen=True):
    """A call begins. `at` counts the calls of this answer from 0."""

    at: int
    id: str
    name: str
    free: bool = False
    namespace: str = ""


class Argued(msgspec.Struct, frozen=True):
    """More of a call's arguments."""

    at: int
    text: str


class Ended(msgspec.Struct, frozen=True):
    """The answer is whole. `meters` None: no usage was told."""

    finish: Literal["stop", "length", "tool_calls", "content_filter"]
    meters: Meters | None = None
    reasoning: int = 0


Event = Began | Said | Thought | Called | Argued | Ended
