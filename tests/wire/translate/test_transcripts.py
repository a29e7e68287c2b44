"""Both turns of each way between dialects, as they lie here for a person to read: every piece is of its vendor's type."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from anthropic.lib.streaming._messages import accumulate_event
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.lib.streaming.responses._responses import ResponseStreamState

from pointsman.engines import protocol
from tests.fakes import strict_chat, vendor_types
from tests.wire.translate import transcript
from tests.wire.translate.transcript import WAYS, WORKER

ways = pytest.mark.parametrize(("client", "model"), WAYS, ids=[f"{one}-to-{other}" for one, other in WAYS])


def turns(client: str, model: str) -> list[dict[str, Any]]:
    """Of the file."""
    found: list[dict[str, Any]] = json.loads(transcript.file(client, model).read_text("utf-8"))["turns"]
    return found


@ways
def test_what_passes_is_as_it_was_written_down(client: str, model: str) -> None:
    """After a change that is meant, `python -m tests.wire.translate.transcript` writes the files anew."""
    assert transcript.written(client, model) == transcript.file(client, model).read_text("utf-8")


@ways
def test_what_the_model_is_sent_is_of_its_vendors_type(client: str, model: str) -> None:
    """To the last field; a worker's messages are those of chat completions, and reasoning stands where engines read it."""
    for turn in turns(client, model):
        if model != WORKER:
            vendor_types.body(model, json.dumps(turn["sent"]).encode())
            continue
        command = protocol.decode_command(json.dumps(turn["sent"]).encode())
        assert isinstance(command, protocol.Chat)
        plain = [{name: one for name, one in told.items() if name != "reasoning_content"} for told in command.messages]
        body = {"model": "m", "messages": plain, "tools": command.tools}
        strict_chat.check(body, {})
        vendor_types.body("chat", json.dumps(body).encode())


@ways
def test_what_the_client_is_told_is_of_its_vendors_type(client: str, model: str) -> None:
    """The whole answer, and each event of the stream."""
    for turn in turns(client, model):
        vendor_types.whole(client, json.dumps(turn["told"]).encode())
        assert len(vendor_types.events(client, "".join(turn["stream"]).encode())) > 3


@ways
def test_the_clients_sdk_reads_the_same_of_the_stream(client: str, model: str) -> None:
    """Its own accumulator makes of the events what the whole answer says."""
    for turn in turns(client, model):
        events = vendor_types.events(client, "".join(turn["stream"]).encode())
        assert said(client, READERS[client](events)) == said(client, turn["told"])


@ways
def test_the_second_turn_holds_the_first(client: str, model: str) -> None:
    """The call and its result reach the model together, and what it thought where it thinks in the open."""
    (first, second) = turns(client, model)
    sent = json.dumps(second["sent"])
    assert "42" in sent and len(sent) > len(json.dumps(first["sent"]))
    assert ("reasoning_content" in sent) == (model == WORKER)


def chat_read(events: list[Any]) -> dict[str, Any]:
    """What openai's SDK makes of chunks."""
    state = ChatCompletionStreamState(input_tools=openai.NOT_GIVEN, response_format=openai.NOT_GIVEN)
    for event in events:
        state.handle_chunk(event)
    return state.get_final_completion().to_dict()


def responses_read(events: list[Any]) -> dict[str, Any]:
    """What openai's SDK makes of the events of a response; items that it does not let grow come whole with their end."""
    state: Any = ResponseStreamState(input_tools=openai.NOT_GIVEN, text_format=openai.NOT_GIVEN)
    for event in events:
        state.handle_event(event)
    items = [event.item.to_dict() for event in events if event.type == "response.output_item.done"]
    return {"output": items, "usage": events[-1].response.usage.to_dict()}


def messages_read(events: list[Any]) -> dict[str, Any]:
    """What anthropic's SDK makes of events."""
    snapshot: Any = None
    pieces: dict[int, Any] = {}
    for event in events:
        snapshot = accumulate_event(event=event, current_snapshot=snapshot, json_bufs=pieces)
    read: dict[str, Any] = snapshot.to_dict()
    return read


READERS = {"chat": chat_read, "responses": responses_read, "messages": messages_read}


def said(client: str, answer: dict[str, Any]) -> Any:
    """What an answer says, without what only one of its forms has."""
    if client == "chat":
        message = answer["choices"][0]["message"]
        calls = [(call["id"], call["function"]["arguments"]) for call in message.get("tool_calls") or ()]
        finish = answer["choices"][0]["finish_reason"]
        return message.get("content") or "", message.get("reasoning_content"), calls, finish, answer["usage"]
    if client == "responses":
        kept = ("type", "content", "input", "arguments", "call_id", "name")
        return [{name: item.get(name) for name in kept} for item in answer["output"]], answer["usage"]
    return answer["content"], answer["stop_reason"], answer["usage"]
