"""Every field that the vendors' own types know is carried into each other dialect, named as lost, or refused by name.

The bodies are made of the types of the SDKs that are installed: a field that a new one brings is tried by itself, and
fails here until somebody decides what becomes of it.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from typing import Any

import msgspec
import pytest

from pointsman.core.errors import BadRequest
from pointsman.wire.body import Change
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.translate.prompts import worker
from tests.fakes.vendor_samples import Sample, samples

WORKER = "worker"
PAIRS = [(source, to) for source in DIALECTS for to in (*DIALECTS, WORKER) if source != to]
CHANGE = Change(model="m", output=200)
# What a field needs beside it to say anything: a choice needs tools to choose from.
_CHAT_TOOLS = [{"type": "function", "function": {"name": name}} for name in ("some name", "other")]
_TOOLS: list[Any] = [{"type": "function", "name": name, "parameters": {}} for name in ("some name", "other")]
_OFFERED = [{"name": name, "input_schema": {"type": "object"}} for name in ("some name", "other")]
BESIDE: dict[str, dict[str, dict[str, Any]]] = {
    "chat": {
        "tool_choice": {"tools": _CHAT_TOOLS},
        "parallel_tool_calls": {"tools": _CHAT_TOOLS},
        "top_logprobs": {"logprobs": True},
    },
    "responses": {"tool_choice": {"tools": _TOOLS}, "parallel_tool_calls": {"tools": _TOOLS}},
    "messages": {"tool_choice": {"tools": _OFFERED}},
}
# What changes nothing and need not be named, with the reason. `*`: the end of many paths.
_HERE = "the gateway itself does what it says"
_USUAL = "it says what is done anyway"
_LABEL = "it names a thing for its own vendor, and says nothing"
_LIMIT = "the limit goes into each attempt, in the field that its provider reads"
_NO_VENDOR = "on this machine is no vendor who asks whose request it is"
MOOT = {
    ("chat", "messages.<assistant>"): "a message without a word says nothing",
    ("chat", "max_completion_tokens"): _LIMIT,
    ("chat", "max_tokens"): _LIMIT,
    ("chat", "n"): "a request for several answers is sent to its own dialect alone",
    ("chat", "response_format"): _USUAL,
    ("chat", "response_format.<text>"): _USUAL,
    ("chat", "response_format.<json_schema>.json_schema.strict"): "Messages is always strict",
    ("chat", "stream_options.include_usage"): _HERE,
    ("chat", "top_logprobs"): "Messages has no logprobs, which is said already",
    ("chat", "user"): _NO_VENDOR,
    ("responses", "background"): _HERE,
    ("responses", "max_output_tokens"): _LIMIT,
    ("responses", "metadata"): _HERE,
    ("responses", "previous_response_id"): _HERE,
    ("responses", "store"): _HERE,
    ("responses", "text"): _USUAL,
    ("responses", "text.format.<text>"): _USUAL,
    ("responses", "text.format.<json_schema>.strict"): "Messages is always strict",
    ("responses", "input.<item_reference>"): _HERE,
    ("responses", "input.<reasoning>.content"): "its summary says the same",
    ("responses", "input.<tool_search_output>.execution"): _USUAL,
    ("responses", "user"): _NO_VENDOR,
    ("messages", "service_tier"): _USUAL,
    ("messages", "thinking.<adaptive>"): _USUAL,
    ("messages", "tools.<custom>.type"): _USUAL,
}
MOOT_ENDS = {
    ("responses", ".id"): _LABEL,
    ("responses", ".call_id"): _LABEL,
    ("responses", ".status"): _LABEL,
    ("responses", "_output>.name"): "the call names it already",
    ("responses", "_output>.namespace"): "the call names it already",
    ("responses", "<message>.type"): _USUAL,
    ("responses", "<input_file>.file_url"): "the file itself stands beside it",
}


@functools.cache
def all_of(source: str) -> tuple[Sample, ...]:
    """All samples of a dialect, each with what it needs beside it."""
    beside = BESIDE[source]
    return tuple(
        Sample(name, {**given, **beside.get(name.split(".")[0], {})}, {**without, **beside.get(name.split(".")[0], {})})
        for name, given, without in samples(source)
    )


def crossed(body: dict[str, Any], source: str, to: str) -> tuple[bytes, set[str]]:
    """What goes to the other side, and what is named as lost."""
    prompt = DIALECTS[source].prompt(json.dumps(body).encode())
    if to == WORKER:
        return msgspec.json.encode(worker.fields(prompt)), {*prompt.lost, *worker.lost(prompt)}
    return DIALECTS[to].write(prompt, CHANGE), {*prompt.lost, *DIALECTS[to].lost(prompt, CHANGE)}


def fate(sample: Sample, source: str, to: str) -> str:
    """What becomes of what is tried."""
    try:
        sent, lost = crossed(sample.given, source, to)
    except BadRequest as refusal:
        last = sample.name.rpartition(".")[2].strip("<>")
        return "refused" if f"'{last}'" in refusal.sentence else f"refused without its name: {refusal.sentence}"
    plain, missed = crossed(sample.without, source, to)
    return "named" if lost - missed else "carried" if sent != plain else "lost in silence"


def moot(source: str, name: str) -> bool:
    """Whether it is written down why nothing becomes of it."""
    return (source, name) in MOOT or any(dialect == source and name.endswith(end) for dialect, end in MOOT_ENDS)


@pytest.mark.parametrize(("source", "to"), PAIRS)
def test_nothing_is_lost_in_silence(source: str, to: str) -> None:
    """Fields, kinds of parts, items, tools and formats, however deep; what stands in something lost is lost with it."""
    fates: dict[str, str] = {}
    for sample in all_of(source):
        if not any(sample.name.startswith(f"{one}.") for one, what in fates.items() if what == "named"):
            fates[sample.name] = fate(sample, source, to)
    wrong = {name: what for name, what in fates.items() if what not in ("carried", "named", "refused")}
    assert {name: what for name, what in wrong.items() if not moot(source, name)} == {}
    counted = Counter(fates.values())
    assert counted["carried"] > 15 and counted["named"] > 15, counted


def test_every_reason_is_needed() -> None:
    """One whose field is gone, or is carried by now, goes too."""
    silent = {
        (source, sample.name)
        for source, to in PAIRS
        for sample in all_of(source)
        if moot(source, sample.name) and fate(sample, source, to) == "lost in silence"
    }
    assert set(MOOT) <= silent
    for dialect, end in MOOT_ENDS:
        assert any(source == dialect and name.endswith(end) for source, name in silent), end


def test_a_field_of_tomorrow_is_named_today() -> None:
    """Wherever it comes: beside the others, in a part, in a tool, in a setting."""
    body: dict[str, Any] = {
        "model": "m",
        "telepathy": {"on": True},
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", "tone": "dark"}, {"type": "smell"}]}],
        "tools": [{"type": "function", "function": {"name": "f", "patience": 3}}, {"type": "oracle"}],
    }
    lost = DIALECTS["chat"].prompt(json.dumps(body).encode()).lost
    assert set(lost) == {"telepathy", "tone", "part smell", "patience", "tool oracle"}


def test_a_clients_text_is_no_name() -> None:
    """What stands where a name belongs, and cannot be one, may be anything: words, an address, what is long."""
    body: dict[str, Any] = {
        "model": "m",
        "my card is here": 1,
        "a" * 41: 1,
        "e\u00e9": 1,
        "": 1,
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"type": "told to me"}],
    }
    lost = DIALECTS["chat"].prompt(json.dumps(body).encode()).lost
    assert set(lost) == {"a field", "tool of another kind"}


def test_what_says_nothing_is_not_named() -> None:
    """Null, false and empty are what is meant by leaving a field out."""
    body: dict[str, Any] = {
        "model": "m",
        "input": "Hi",
        "truncation": "disabled",
        "moderation": None,
        "image": {},
        "service_tier": "auto",
    }
    assert DIALECTS["responses"].prompt(json.dumps(body).encode()).lost == ()
