"""Compaction: a conversation becomes a summary that its client sends back in the conversation's place.

Two ways of asking are known. `POST /v1/responses/compact` answers with all messages of the user and one item of type
`compaction`; an item `compaction_trigger` at the end of a request for a response is answered with that item alone.
Shapes: https://platform.openai.com/docs/api-reference/responses/compact. A provider that compacts by itself gets the
bytes. For all others a compaction is a request of its own, which asks for a summary in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from pointsman.core.errors import BadRequest
from pointsman.core.request import Hints, Request
from pointsman.wire import body as body_
from pointsman.wire import responses, stored
from pointsman.wire.body import Change, Sense
from pointsman.wire.scan import UNREADABLE, ResponsesScan, Seen
from pointsman.wire.translate.answers import Answering
from pointsman.wire.translate.answers.responses import ResponsesWriter, usage
from pointsman.wire.translate.neutral import (
    Began,
    Call,
    Choice,
    Ended,
    Event,
    Part,
    Prompt,
    Result,
    Said,
    Text,
    Thought,
    Turn,
)
from pointsman.wire.translate.prompts import responses as prompts

_ASKED = 600  # tokens that the question takes, at most
_FORM = 1_000  # tokens that a vendor adds for the form of an answer, where the form is passed on, at most
_ESCAPED = b"\\u"  # any letter may be written so
_QUESTION = (
    "Write a summary of this conversation, so that another model can go on with the work without having seen it. Say "
    "what the user asked for and decided, in the user's own words where they matter; what was done and what came of "
    "it, with the names of files, commands, numbers and errors; what is being done now; and what is left to do. "
    "Leave nothing out that is needed to go on. Answer with the summary alone, and use no tools."
)
_BEGINS = "What follows is a summary of the conversation until now, written by a model so that you can go on with it."


_NOTHING = (b"null", b"[]", b'""')


def read(id_: str, body: bytes, hints: Hints, sense: Sense) -> Request:
    """The neutral request of either way. A summary has no form, whatever form answers have."""
    asked = responses.read(id_, body, replace(hints, kind="compaction"), sense)
    more = _ASKED + _FORM * asked.schema
    return replace(asked, extra_tokens=asked.extra_tokens + more, schema=False)


def read_whole(id_: str, body: bytes, hints: Hints, sense: Sense) -> Request:
    """The same for the path of its own: its answers come in one piece, and a provider's own takes no limit."""
    asked = read(id_, body, hints, sense)
    if asked.stream:
        raise BadRequest("'stream' is not known at /v1/responses/compact. Send the request without it.")
    if bytes(body_.fields(body).get("input", b"null")) in _NOTHING:
        raise BadRequest("There is nothing to compact. Send the conversation as 'input' or by 'previous_response_id'.")
    return replace(asked, max_tokens=None, unlimited=True)


def splice(body: bytes, change: Change) -> bytes:
    """The body for a provider that compacts by itself: its model's name. A limit has no place there; the rest stays."""
    fields = body_.fields(responses.splice(body, change))
    fields.pop("max_output_tokens", None)
    return msgspec.json.encode(fields)


def prompt(body: bytes) -> Prompt:
    """The conversation with a last turn that asks for its summary. Tools stay, for the calls among the turns."""
    found = prompts.read(body)
    told = found.turns if found.tools else tuple(map(_in_words, found.turns))
    lost = tuple(name for name in found.lost if name != f"item {stored.TRIGGER}")
    return replace(
        found,
        turns=(*told, Turn("user", (Text(_QUESTION),))),
        choice=Choice("none") if found.tools else None,
        format=None,
        logprobs=None,
        lost=lost,
    )


def prompt_whole(body: bytes) -> Prompt:
    """The same for the path of its own."""
    return replace(prompt(body), stream=False, max_tokens=None)


def _in_words(turn: Turn) -> Turn:
    """Calls and results as text: some vendors refuse them where no tool is on offer."""
    parts = tuple(one for part in turn.parts for one in _words(part))
    return Turn("user" if turn.role == "tool" else turn.role, parts)


def _words(part: Part) -> tuple[Part, ...]:
    if isinstance(part, Call):
        return (Text(f"[Called {part.name}: {part.arguments}]\n"),)
    if isinstance(part, Result):
        return (Text("[Result: "), *part.parts, Text("]\n"))
    return (part,)


def opened(summary: str) -> msgspec.Raw:
    """A summary as the message that stands for it in a request."""
    return body_.raw({"type": "message", "role": "user", "content": f"{_BEGINS}\n\n{summary}"})


def sealed(item: msgspec.Raw) -> str | None:
    """What an item of a compaction holds, None for any other item."""
    said = bytes(item)
    if b"compaction" not in said and _ESCAPED not in said:
        return None
    try:
        found = _items.decode(item)
    except UNREADABLE:
        return None
    return found.encrypted_content if found.type in responses.COMPACTIONS else None


def triggered(items: Sequence[msgspec.Raw]) -> bool:
    """Whether the last of these asks for a compaction: one before it is answered already."""
    return any(map(stored.asks, items[-1:]))


class _Item(msgspec.Struct, frozen=True):
    type: str = ""
    encrypted_content: str | None = None


class _Compacted(msgspec.Struct, frozen=True):
    object: str = ""


_items = msgspec.json.Decoder(_Item)
_compacted = msgspec.json.Decoder(_Compacted)


class CompactScan(ResponsesScan):
    """Its whole answer has usage and no status: it is complete."""

    def data(self, data: bytes) -> Seen:
        """Take the whole answer."""
        try:
            whole = _compacted.decode(data).object == "response.compaction"
        except UNREADABLE:
            whole = False
        if not whole:
            return super().data(data)
        fields = body_.fields(data)
        return super().data(msgspec.json.encode({**fields, "object": "response", "status": "completed"}))


class SummaryWriter(ResponsesWriter):
    """A model's words as one item of a response that holds them sealed."""

    def __init__(self, about: Answering) -> None:
        super().__init__(about)
        self._said: list[str] = []
        self._begun = False

    def stream(self, event: Event) -> list[bytes]:
        """The item is announced with the first words, thought or said, and comes whole after the last."""
        if isinstance(event, Began):
            return super().stream(event)
        if isinstance(event, Said | Thought) and event.text:
            self._said += [event.text] if isinstance(event, Said) else []
            return self._announced()
        return [*self._announced(), *self._done(event)] if isinstance(event, Ended) else []

    def whole(self, events: Sequence[Event]) -> bytes:
        """One response."""
        end = next((event for event in events if isinstance(event, Ended)), Ended("stop"))
        told = self._ended(end)
        told["output"] = [self._item(text_of(events))]
        return msgspec.json.encode(told)

    def _announced(self) -> list[bytes]:
        if self._begun:
            return []
        self._begun = True
        item = {**self._item(""), "encrypted_content": ""}
        return [
            self._event("response.output_item.added", output_index=0, item=item),
            self._event("response.compaction.compacting", output_index=0, item_id=item["id"]),
        ]

    def _done(self, end: Ended) -> list[bytes]:
        item = self._item("".join(self._said))
        told = {**self._ended(end), "output": [item]}
        done = self._event("response.output_item.done", output_index=0, item=item)
        return [done, self._event(f"response.{told['status']}", response=told)]

    def _item(self, summary: str) -> dict[str, Any]:
        return _item(self._about, summary)


class CompactWriter:
    """A model's words as the answer of the path of its own."""

    def __init__(self, about: Answering) -> None:
        self._about = about

    def stream(self, _event: Event) -> list[bytes]:
        """Nothing: it comes in one piece."""
        return []

    def whole(self, events: Sequence[Event]) -> bytes:
        """All messages of the user, then the compaction."""
        about = self._about
        end = next((event for event in events if isinstance(event, Ended)), Ended("stop"))
        told = {
            "id": f"resp_{about.id}",
            "object": "response.compaction",
            "created_at": about.created,
            "output": [*_of_the_user(about.asked.get("input")), _item(about, text_of(events))],
            "usage": None if end.meters is None else usage(end.meters, end.reasoning),
        }
        return msgspec.json.encode(told)


def text_of(events: Sequence[Event]) -> str:
    """What a model said in words."""
    return "".join(event.text for event in events if isinstance(event, Said))


def _item(about: Answering, summary: str) -> dict[str, Any]:
    return {"id": f"cmp_{about.id}", "type": "compaction", "encrypted_content": about.seal(summary)}


def _of_the_user(given: Any) -> list[dict[str, Any]]:
    """Messages of the user, but for those that stand for an earlier compaction: it is in the new one."""
    items = [{"role": "user", "content": given}] if isinstance(given, str) and given else given
    said = [one for one in items if isinstance(one, dict) and one.get("role") == "user"] if items else []
    return [stored.listed(body_.raw(one), at) for at, one in enumerate(said) if not _stands_for_one(one)]


def _stands_for_one(message: dict[str, Any]) -> bool:
    content = message.get("content")
    return isinstance(content, str) and content.startswith(_BEGINS)
