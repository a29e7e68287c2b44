"""Responses with state: what a request continues from, and how a kept response is told again.

Shapes: https://platform.openai.com/docs/api-reference/responses. Items in, items out: a conversation goes on as if its
client had sent all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from pointsman.core.errors import BadRequest
from pointsman.wire import body as body_
from pointsman.wire import sse
from pointsman.wire.responses import COMPACTIONS, foreign
from pointsman.wire.scan import UNREADABLE

TRIGGER = "compaction_trigger"
"""The type of the item that asks for a compaction."""
_ESCAPED = b"\\u"  # any letter may be written so
_ENDS = (b"response.completed", b"response.incomplete", b"response.failed")
_LAST = {"completed": "response.completed", "incomplete": "response.incomplete"}
_HEAD = 400  # bytes of an event in which its kind stands
_PAGE, _LARGEST_PAGE = 20, 100
_DIGITS = 9  # of a number that are read: Python refuses those of thousands


class Given(msgspec.Struct, frozen=True):
    """The fields of a request that speak of state."""

    input: msgspec.Raw = msgspec.Raw(b'""')
    store: bool | None = None
    background: bool | None = None
    stream: bool | None = None
    previous_response_id: str | None = None


class _Item(msgspec.Struct, frozen=True):
    id: str | None = None
    type: str = "message"
    encrypted_content: str | None = None


class _Named(msgspec.Struct, frozen=True):
    id: str | None = None
    type: str | None = None
    role: str | None = None


class _Output(msgspec.Struct, frozen=True):
    id: str = ""
    status: str = ""
    output: list[msgspec.Raw] = []


class _Ending(msgspec.Struct, frozen=True):
    type: str = ""
    response: msgspec.Raw = msgspec.Raw(b"{}")


_givens = msgspec.json.Decoder(Given)
_inputs = msgspec.json.Decoder(str | list[msgspec.Raw])
_items = msgspec.json.Decoder(_Item)
_names = msgspec.json.Decoder(_Named)
_outputs = msgspec.json.Decoder(_Output)
_endings = msgspec.json.Decoder(_Ending)


def given(body: bytes) -> Given:
    """What a body says of state. Raises `BadRequest`, also for what needs state that is not kept."""
    found = body_.peek(_givens, body, "responses")
    if found.background and found.store is False:
        raise BadRequest("'background' needs 'store': the answer is fetched later. Send the request with store true.")
    return found


def items(found: Given) -> list[msgspec.Raw]:
    """What the request itself brings, each item with its bytes; nothing where it cannot be read."""
    try:
        said = _inputs.decode(found.input)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    if isinstance(said, list):
        return said
    text = [{"type": "input_text", "text": said}]
    return [body_.raw({"type": "message", "role": "user", "content": text})] if said else []


def joined(rows: Sequence[msgspec.Raw]) -> bytes:
    """Items as one list."""
    return msgspec.json.encode(list(rows))


def apart(rows: bytes) -> list[msgspec.Raw]:
    """A list's items."""
    return msgspec.json.decode(rows, type=list[msgspec.Raw])


def before(rows: bytes, response: bytes) -> list[msgspec.Raw]:
    """What went in before a response, as far as it counts still: its compaction stands for all of that.

    What asked for one is answered, and asks for none later.
    """
    output = _outputs.decode(response).output
    if any(_items.decode(raw).type in COMPACTIONS for raw in output):
        return []
    return [raw for raw in apart(rows) if not asks(raw)]


def asks(item: msgspec.Raw) -> bool:
    """Whether this item asks for a compaction."""
    said = bytes(item)
    try:
        return (TRIGGER.encode() in said or _ESCAPED in said) and _items.decode(item).type == TRIGGER
    except UNREADABLE:
        return False


def expanded(body: bytes, rows: Sequence[msgspec.Raw] | None) -> bytes:
    """The body with the whole conversation in it, and without what only this machine knows of."""
    fields = body_.fields(body)
    fields.pop("previous_response_id", None)
    fields.pop("background", None)
    if rows is not None:
        fields["input"] = msgspec.Raw(joined(rows))
    return msgspec.json.encode(fields)


def spoken(response: bytes) -> list[msgspec.Raw]:
    """The output of a response as items of the next request.

    Reasoning goes along where it can be read again: sealed by its maker, or told in the open by a model of another
    dialect. Where it cannot, it is left out, and the ids go too, by which its maker would look for it.
    """
    return [raw for _, raw in _spoken(response) if raw is not None]


def _spoken(response: bytes) -> Iterator[tuple[str | None, msgspec.Raw | None]]:
    """The id of each item of the output, and what becomes of it."""
    output = _outputs.decode(response).output
    heads = [_items.decode(raw) for raw in output]
    sealed = any(head.type == "reasoning" and head.encrypted_content for head in heads)
    for raw, head in zip(output, heads, strict=True):
        if head.type == "reasoning":
            yield head.id, raw if head.encrypted_content or foreign(raw) else None
        else:
            yield head.id, raw if sealed else _nameless(raw)


def item_names(response: bytes) -> tuple[str, ...]:
    """The ids of its output's items."""
    try:
        return tuple(head.id for raw in _outputs.decode(response).output if (head := _items.decode(raw)).id)
    except UNREADABLE:
        return ()


def items_said(response: bytes) -> dict[str, msgspec.Raw | None]:
    """The items of its output by id, each as one of the next request.

    None stands for what cannot be: reasoning that nobody can read.
    """
    return {id_: raw for id_, raw in _spoken(response) if id_}


def referred(raw: msgspec.Raw) -> str | None:
    """The id of the item that this one stands for; None where it stands for itself."""
    try:
        found = _names.decode(raw)
    except UNREADABLE:
        return None
    return found.id if found.type == "item_reference" or (found.type is None and found.role is None) else None


def _nameless(raw: msgspec.Raw) -> msgspec.Raw:
    fields = body_.fields(bytes(raw))
    fields.pop("id", None)
    return msgspec.Raw(msgspec.json.encode(fields))


def status(response: bytes) -> str:
    """How it stands with a response."""
    return _outputs.decode(response).status


def named(response: bytes) -> str:
    """The id of a response; empty where it has none."""
    try:
        return _outputs.decode(response).id
    except UNREADABLE:
        return ""


def changed(response: bytes, **fields: Any) -> bytes:
    """The response with a few fields set; all others keep their bytes."""
    return msgspec.json.encode(body_.fields(response) | {name: body_.raw(value) for name, value in fields.items()})


def continued(frame: bytes, previous: str) -> bytes:
    """An event that says what its response continues; one that holds no response stands as it is."""
    event = sse.parse(frame)
    try:
        fields = body_.fields(event.data)
        fields["response"] = msgspec.Raw(changed(bytes(fields["response"]), previous_response_id=previous))
    except (*UNREADABLE, KeyError):
        return frame
    return sse.encode(msgspec.json.encode(fields), event.name)


def event(kind: str, number: int, response: bytes) -> bytes:
    """An event that holds a response."""
    told = {"type": kind, "sequence_number": number, "response": msgspec.Raw(response)}
    return sse.encode(msgspec.json.encode(told), kind)


def numbered(frame: bytes, number: int, about: Mapping[str, Any]) -> bytes | None:
    """An event under this number, whose response says this about itself; None for one that says nothing new."""
    found = sse.parse(frame)
    try:
        fields = body_.fields(found.data)
    except UNREADABLE:
        return None
    if bytes(fields.get("type", b"")) == b'"response.created"':
        return None
    fields["sequence_number"] = body_.raw(number)
    if "response" in fields:
        fields["response"] = msgspec.Raw(changed(bytes(fields["response"]), **about))
    return sse.encode(msgspec.json.encode(fields), found.name)


def ended(frame: bytes) -> bytes | None:
    """The whole response, if this event is the last of a stream."""
    if not any(kind in frame[:_HEAD] for kind in _ENDS):
        return None
    try:
        event = _endings.decode(sse.parse(frame).data)
    except UNREADABLE:
        return None
    return bytes(event.response) if event.type.encode() in _ENDS else None


def page(rows: bytes, query: Mapping[str, str]) -> bytes:
    """The items of a request as its vendor lists them: the newest first, unless `order` says otherwise."""
    found = [listed(raw, at) for at, raw in enumerate(apart(rows)) if bytes(raw)[:1] == b"{"]
    if query.get("order", "desc") != "asc":
        found.reverse()
    ids = [one["id"] for one in found]
    start = ids.index(query["after"]) + 1 if query.get("after") in ids else 0
    limit = query.get("limit", "")
    most = min(max(int(limit[:_DIGITS]), 1), _LARGEST_PAGE) if limit.isascii() and limit.isdecimal() else _PAGE
    part = found[start : start + most]
    ends = {"first_id": part[0]["id"], "last_id": part[-1]["id"]} if part else {"first_id": None, "last_id": None}
    return msgspec.json.encode({"object": "list", "data": part, **ends, "has_more": len(found) > start + most})


def listed(raw: msgspec.Raw, at: int) -> dict[str, Any]:
    """An item with an id, its text as parts."""
    item: dict[str, Any] = msgspec.json.decode(raw)
    item.setdefault("type", "message")
    item["id"] = item.get("id") or f"{'msg' if item['type'] == 'message' else 'item'}_{at}_{body_.digest(bytes(raw))}"
    if item["type"] == "message":
        item.setdefault("status", "completed")
        if isinstance(item.get("content"), str):
            kind = "output_text" if item.get("role") == "assistant" else "input_text"
            more: dict[str, Any] = {"annotations": [], "logprobs": []} if kind == "output_text" else {}
            item["content"] = [{"type": kind, "text": item["content"], **more}]
    return item


def replayed(response: bytes, after: int = -1) -> list[bytes]:
    """The events of a response that is whole, each item in one piece; those after a number."""
    told: dict[str, Any] = msgspec.json.decode(response)
    begun = {**told, "status": "in_progress", "output": [], "usage": None, "completed_at": None}
    rows: list[tuple[str, dict[str, Any]]] = [("response.created", {"response": begun})]
    rows.append(("response.in_progress", {"response": begun}))
    for at, item in enumerate(told.get("output") or ()):
        rows += [(kind, {"output_index": at, **more}) for kind, more in _of_item(item)]
    rows.append((_LAST.get(told["status"], "response.failed"), {"response": told}))
    return [
        sse.encode(msgspec.json.encode({"type": kind, "sequence_number": number, **more}), kind)
        for number, (kind, more) in enumerate(rows)
        if number > after
    ]


def _of_item(item: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    id_, kind = item.get("id"), item.get("type")
    empty: dict[str, Any] = {"content": []} if kind == "message" else {}
    empty |= {"arguments": ""} if kind == "function_call" else {"input": ""} if kind == "custom_tool_call" else {}
    yield "response.output_item.added", {"item": {**item, **empty}}
    if kind == "message":
        for at, part in enumerate(item.get("content") or ()):
            yield from _of_part(part, {"item_id": id_, "content_index": at})
    elif kind == "function_call":
        yield "response.function_call_arguments.delta", {"item_id": id_, "delta": item["arguments"]}
        done = {"item_id": id_, "name": item["name"], "arguments": item["arguments"]}
        yield "response.function_call_arguments.done", done
    elif kind == "custom_tool_call":
        yield "response.custom_tool_call_input.delta", {"item_id": id_, "delta": item["input"]}
        yield "response.custom_tool_call_input.done", {"item_id": id_, "input": item["input"]}
    yield "response.output_item.done", {"item": item}


def _of_part(part: dict[str, Any], place: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    kind, field = ("refusal", "refusal") if part.get("type") == "refusal" else ("output_text", "text")
    text = part.get(field, "")
    logprobs: dict[str, Any] = {"logprobs": []} if field == "text" else {}
    yield "response.content_part.added", {**place, "part": {**part, field: ""}}
    yield f"response.{kind}.delta", {**place, "delta": text, **logprobs}
    yield f"response.{kind}.done", {**place, field: text, **logprobs}
    yield "response.content_part.done", {**place, "part": part}
