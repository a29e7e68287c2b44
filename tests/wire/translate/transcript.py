"""What passes between a client, the gateway and a model of another dialect in two turns: a tool's call, and its result.

`python -m tests.wire.translate.transcript` writes all of it beside this file, for a person to read and to compare.
"""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from pointsman.engines import protocol
from pointsman.gateway import local
from pointsman.gateway.attempts import Tally
from pointsman.wire import sse
from pointsman.wire.body import Change
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.translate.answers import Answering
from pointsman.wire.translate.bridge import Bridge
from pointsman.wire.translate.neutral import Ended, Event, Prompt
from pointsman.wire.translate.prompts import worker
from tests.fakes import strict_chat, strict_messages, strict_responses
from tests.fakes.scripted_engine import answer
from tests.fakes.strict_model import Turn, Used

PLACE = Path(__file__).with_name("transcripts")
WORKER = "worker"
WAYS = [(client, model) for client in DIALECTS for model in (*DIALECTS, WORKER) if client != model]
STRICT: dict[str, ModuleType] = {"chat": strict_chat, "responses": strict_responses, "messages": strict_messages}

_CHANGE = Change(model="m", output=400)
_SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
_PIXEL = "iVBORw0KGgo="
_USED = Used(fresh=60, read=40, output=12, reasoning=4)
_CREATED = 1_790_000_000
_TEXT = "It says: forty-two."

_CHAT: dict[str, Any] = {
    "model": "auto",
    "max_completion_tokens": 500,
    "reasoning_effort": "high",
    "user": "u1",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Read answer.txt; it is about this."},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_PIXEL}"}},
            ],
        },
    ],
    "tools": [
        {"type": "function", "function": {"name": "read", "description": "Read.", "parameters": _SCHEMA}},
        {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
}
_RESPONSES: dict[str, Any] = {
    "model": "auto",
    "instructions": "Be brief.",
    "max_output_tokens": 500,
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "reasoning": {"effort": "medium"},
    "text": {"verbosity": "low"},
    "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "The folder is empty."}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Write answer.txt."}]},
    ],
    "tools": [
        {"type": "custom", "name": "apply_patch", "description": "Patch files.", "format": {"type": "text"}},
        {
            "type": "namespace",
            "name": "agents",
            "description": "Helpers.",
            "tools": [{"type": "function", "name": "spawn", "parameters": _SCHEMA, "strict": False}],
        },
        {"type": "function", "name": "read", "description": "Read.", "parameters": _SCHEMA, "strict": False},
        {"type": "web_search"},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
}
_MARK = {"cache_control": {"type": "ephemeral"}}
_MESSAGES: dict[str, Any] = {
    "model": "auto",
    "max_tokens": 500,
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "high"},
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cch=1;"},
        {"type": "text", "text": "Be brief.", **_MARK},
    ],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Read answer.txt.", **_MARK}]},
        {"role": "system", "content": "The person is in a hurry."},
    ],
    "tools": [{"name": "read", "description": "Read.", "input_schema": _SCHEMA}],
    "tool_choice": {"type": "auto"},
}
_BODIES = {"chat": _CHAT, "responses": _RESPONSES, "messages": _MESSAGES}
_CALLS = {
    "chat": Turn(tool="read", arguments={"path": "answer.txt"}),
    "responses": Turn(tool="apply_patch", arguments={"input": "*** Begin Patch"}),
    "messages": Turn(tool="read", arguments={"path": "answer.txt"}),
}


def transcript(client: str, model: str) -> dict[str, Any]:
    """Both turns of one way."""
    asked = _BODIES[client]
    first = turn(client, model, asked, _CALLS[client])
    return {"turns": [first, turn(client, model, replayed(client, asked, first["told"]), Turn(text=_TEXT))]}


def turn(client: str, model: str, asked: dict[str, Any], said: Turn) -> dict[str, Any]:
    """What was asked, what went to the model, what it answered, and what the client was told: whole and streamed."""
    prompt = DIALECTS[client].prompt(json.dumps(asked).encode())
    way = _to_worker if model == WORKER else _to_provider
    sent, answered, streamed = way(prompt, model, said)
    lost = [*prompt.lost, *(worker.lost(prompt) if model == WORKER else DIALECTS[model].lost(prompt, _CHANGE))]
    writers = [DIALECTS[client].writer(_about(client, asked)) for _ in range(2)]
    whole = writers[0].whole(_over(prompt, answered))
    told = [data.decode() for event in _over(prompt, streamed) for data in writers[1].stream(event)]
    return {"asked": asked, "sent": sent, "lost": lost, "told": json.loads(whole), "stream": told}


def _about(client: str, asked: dict[str, Any]) -> Answering:
    repeated = asked if DIALECTS[client].repeats else {}
    return Answering(id="abc", model="target", created=_CREATED, asked=repeated)


def _over(prompt: Prompt, events: Iterable[Event]) -> list[Event]:
    bridge = Bridge(prompt.tools)
    return [event for heard in events for event in bridge.over(heard)]


Way = tuple[dict[str, Any], list[Event], list[Event]]


def _to_provider(prompt: Prompt, model: str, said: Turn) -> Way:
    dialect, strict = DIALECTS[model], STRICT[model]
    sent = json.loads(dialect.write(prompt, _CHANGE))
    strict.check(sent, {"anthropic-version": "1"})
    whole = json.dumps(strict.whole_answer(sent, said, _USED, 1)).encode()
    streamed = b"".join(strict.events({**sent, "stream_options": {"include_usage": True}}, said, _USED, 1))
    return sent, _metered(model, [whole], dialect.reader().whole(whole)), _heard(model, streamed)


def _heard(model: str, stream: bytes) -> list[Event]:
    reader, found = DIALECTS[model].reader(), sse.Parser().feed(stream)
    events = [event for one in found for event in reader.stream(one)]
    return _metered(model, [one.data for one in found], events)


def _metered(model: str, data: Iterable[bytes], events: list[Event]) -> list[Event]:
    """The end carries the usage that the gateway's scan found."""
    scan = DIALECTS[model].scan()
    for one in data:
        scan.data(one)
    used = {"meters": scan.meters, "reasoning": scan.reasoning}
    return [msgspec.structs.replace(event, **used) if isinstance(event, Ended) else event for event in events]


def _to_worker(prompt: Prompt, _model: str, said: Turn) -> Way:
    fields = worker.fields(prompt)
    command = protocol.Chat(id="req_abc", max_tokens=400, **fields)
    strict_chat.check({"messages": command.messages, "tools": command.tools}, {})
    events = _of_worker(said)
    return json.loads(protocol.encode(command)), events, events


def _of_worker(said: Turn) -> list[Event]:
    tally, told = Tally(), list[Event]()
    for one in answer("req_abc", Turn(tool=said.tool, arguments=said.arguments, text=said.text, thought="Hm."), 100):
        if isinstance(one, protocol.End):
            local._note(one, tally)
        told += local._neutral(one, 0, tally)
    return told


def replayed(client: str, asked: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """The next request, as the client's SDK makes it of the answer and of the tool's result."""
    body = copy.deepcopy(asked)
    REPLAYS[client](body, told)
    return body


def _chat_replay(body: dict[str, Any], told: dict[str, Any]) -> None:
    message = told["choices"][0]["message"]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "42"} for call in message["tool_calls"]]
    body["messages"] += [message, *results]


def _responses_replay(body: dict[str, Any], told: dict[str, Any]) -> None:
    kinds = {"function_call": "function_call_output", "custom_tool_call": "custom_tool_call_output"}
    calls = [item for item in told["output"] if item["type"] in kinds]
    results = [{"type": kinds[call["type"]], "call_id": call["call_id"], "output": "42"} for call in calls]
    body["input"] += [*told["output"], *results]


def _messages_replay(body: dict[str, Any], told: dict[str, Any]) -> None:
    uses = [block for block in told["content"] if block["type"] == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": use["id"], "content": "42"} for use in uses]
    body["messages"] += [{"role": "assistant", "content": told["content"]}, {"role": "user", "content": results}]


REPLAYS: dict[str, Callable[[dict[str, Any], dict[str, Any]], None]] = {
    "chat": _chat_replay,
    "responses": _responses_replay,
    "messages": _messages_replay,
}
_CHANCE = re.compile(r"call_[0-9a-f]{24}")


def written(client: str, model: str) -> str:
    """A transcript as it lies in its file; ids that are made by chance are numbered."""
    text = json.dumps(transcript(client, model), indent=1, ensure_ascii=False) + "\n"
    numbers = {id_: f"call_{at}" for at, id_ in zip(itertools.count(), dict.fromkeys(_CHANCE.findall(text)))}
    return _CHANCE.sub(lambda found: numbers[found[0]], text)


def file(client: str, model: str) -> Path:
    """Where it lies."""
    return PLACE / f"{client}-to-{model}.json"


if __name__ == "__main__":
    PLACE.mkdir(exist_ok=True)
    for way in WAYS:
        file(*way).write_text(written(*way), "utf-8")
