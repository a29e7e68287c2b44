"""What gateway and worker say to each other: JSON lines over the worker's stdin and stdout.

One worker serves one model. The end of the worker's stdout means that it is dead; unloading is exit.
Requests carry an id chosen by the gateway; every event of an answer carries the same id, and each
request ends with exactly one `End` or `Failed`.
"""

from __future__ import annotations

from typing import Any

import msgspec

PROTOCOL = 1


class Chat(msgspec.Struct, frozen=True, kw_only=True, tag="chat", tag_field="op"):
    """Answer a conversation. `messages` and `tools` are in the shape of chat completions.

    `logit_bias` maps ids of the model's own tokens; `logprobs` asks for those of each token and of so many others.
    `template` holds arguments of the chat template.
    """

    id: str
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] = []
    tool_choice: Any = None
    response_format: dict[str, Any] | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: list[str] = []
    logit_bias: dict[str, float] = {}
    logprobs: int | None = None
    template: dict[str, Any] = {}


class Embed(msgspec.Struct, frozen=True, kw_only=True, tag="embed", tag_field="op"):
    """Make a vector of each text. `dimensions` keeps only so many of its first numbers."""

    id: str
    inputs: list[str]
    dimensions: int | None = None


class Cancel(msgspec.Struct, frozen=True, tag="cancel", tag_field="op"):
    """Stop the request; it ends with finish "cancelled"."""

    id: str


class Ping(msgspec.Struct, frozen=True, tag="ping", tag_field="op"):
    """Ask for a `Pong`, answered by the decode loop itself."""


class Quit(msgspec.Struct, frozen=True, tag="quit", tag_field="op"):
    """Exit now."""


Asked = Chat | Embed
Command = Asked | Cancel | Ping | Quit


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag="ready", tag_field="ev"):
    """The model is loaded. `context` in tokens, `load_seconds` since the process began."""

    protocol: int
    model: str
    context: int
    load_seconds: float
    slots: int = 1


class Unloadable(msgspec.Struct, frozen=True, tag="unloadable", tag_field="ev"):
    """The model cannot be loaded; the worker exits after this. `message` is one sentence for a person."""

    message: str


class Started(msgspec.Struct, frozen=True, kw_only=True, tag="started", tag_field="ev"):
    """The request has a slot; `prompt_tokens` counts all of the prompt, `cached_tokens` the reused part."""

    id: str
    prompt_tokens: int
    cached_tokens: int = 0


class Logprob(msgspec.Struct, frozen=True):
    """How likely a token was, in nats, before any sampler; `top` are the likeliest at its place."""

    token: str
    logprob: float
    bytes: list[int]
    top: list[Logprob] = []


class Text(msgspec.Struct, frozen=True, tag="text", tag_field="ev", omit_defaults=True):
    """More of the answer, whole characters only; `logprobs` of its tokens where they were asked for."""

    id: str
    text: str
    logprobs: list[Logprob] = []


class Thought(msgspec.Struct, frozen=True, tag="thought", tag_field="ev"):
    """More of the reasoning before the answer."""

    id: str
    text: str


class ToolCall(msgspec.Struct, frozen=True):
    """One call that the model asks for; `arguments` is JSON text."""

    name: str
    arguments: str


class Calls(msgspec.Struct, frozen=True, tag="calls", tag_field="ev"):
    """The model asks for tools. Their text was held back and is not in any `Text`."""

    id: str
    calls: list[ToolCall]


class Vector(msgspec.Struct, frozen=True, tag="vector", tag_field="ev"):
    """The vector of the text at this place, of length one: 32-bit floats, the lowest byte first."""

    id: str
    at: int
    numbers: bytes


class End(msgspec.Struct, frozen=True, kw_only=True, tag="end", tag_field="ev"):
    """The answer is complete. `finish` is stop, length, tool_calls or cancelled; `entropy` the mean in nats.

    `reasoning_tokens` are among the `completion_tokens`.
    `peak_bytes` is the most memory that the worker ever had, None where its system does not tell.
    """

    id: str
    finish: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    entropy: float | None = None
    peak_bytes: int | None = None


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed", tag_field="ev"):
    """No answer. `code` is context_exceeded, bad_request, busy or engine_error; `message` one sentence, no prompt text."""

    id: str
    code: str
    message: str


class Pong(msgspec.Struct, frozen=True, kw_only=True, tag="pong", tag_field="ev"):
    """Heartbeat: steps decoded since start, requests active and waiting, resident bytes."""

    steps: int
    active: int
    waiting: int
    resident_bytes: int


Answer = Started | Text | Thought | Calls | Vector | End | Failed
Event = Ready | Unloadable | Pong | Answer

_encoder = msgspec.json.Encoder()
_commands: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)
_events: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def encode(message: Command | Event) -> bytes:
    """One line, with its line feed."""
    return _encoder.encode(message) + b"\n"


def decode_command(line: bytes) -> Command:
    """Raises `msgspec.DecodeError` on anything that is not a command."""
    return _commands.decode(line)


def decode_event(line: bytes) -> Event:
    """Raises `msgspec.DecodeError` on anything that is not an event."""
    return _events.decode(line)
