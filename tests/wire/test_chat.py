"""Chat completions: what is read of a body, and what goes upstream."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pointsman.core.errors import BadRequest
from pointsman.core.request import Finding, Hints, Request, Verdict
from pointsman.sense.verdicts import Verdicts
from pointsman.wire import chat
from pointsman.wire.body import Change


def read(**fields: Any) -> Request:
    """The neutral request of a body."""
    body = {"model": "auto", "messages": [{"role": "user", "content": "Hello"}], **fields}
    return chat.read("r1", json.dumps(body).encode(), Hints(), lambda _raw: Verdict())


def test_the_smaller_limit_counts() -> None:
    """Both names for the output's limit are known."""
    assert read(max_tokens=10, max_completion_tokens=5).max_tokens == 5
    assert read().max_tokens is None


def test_images_count_apart_from_text() -> None:
    """An inline picture is an image, not a megabyte of text."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    request = read(messages=[{"role": "user", "content": [{"type": "text", "text": "What is it?"}, picture]}])
    assert request.images == 1
    assert request.size < 1_000
    assert request.last_user.startswith("What is it?")


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"web_search_options": {}}, "the field 'web_search_options'"),
        ({"service_tier": "priority"}, "this service tier"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}, "a part of type 'file'"),
        ({"messages": [{"role": "user", "content": [{"type": "video_url"}]}]}, "a part of type 'video_url'"),
        ({"plugins": [{"id": "web"}]}, "the field 'plugins'"),
        ({"tools": [{"type": "web_search"}]}, "a tool of type 'web_search'"),
    ],
)
def test_what_tokens_do_not_show_is_named(fields: dict[str, Any], what: str) -> None:
    """Costs that no bound covers yet are told to the router."""
    assert read(**fields).unpriced == what


def test_the_whole_body_is_sensed() -> None:
    """A key in a tool or in metadata is found as well as one in a message; a tool's example address is nobody's."""

    def sense(raw: bytes) -> Verdict:
        kinds = [kind for kind in ("secret_key", "mail_address") if kind.encode() in raw]
        return Verdict(tuple(Finding(kind, 1) for kind in kinds))

    tools = [{"type": "function", "function": {"name": "secret_key", "description": "such as mail_address"}}]
    body = {"model": "auto", "messages": [], "tools": tools, "metadata": {"who": "mail_address"}}
    request = chat.read("r1", json.dumps(body).encode(), Hints(), sense)
    assert request.findings == (Finding("mail_address", 1), Finding("secret_key", 1))


def test_errors_never_quote_the_request() -> None:
    """A sentence names the field, not what was in it."""
    with pytest.raises(BadRequest) as refused:
        read(messages=[{"role": "user", "content": {"secret": "sk-123"}}])
    assert "sk-123" not in refused.value.sentence


def test_unknown_values_keep_their_bytes() -> None:
    """Only model, limit and usage change; the rest passes byte for byte, in its order."""
    body = b'{"model":"x","messages":[ {"role" : "user","content":"\\u00e9"} ],"stream":true,"new_field":{"a" : 1.0}}'
    sent = chat.splice(body, Change(model="real", output=50, limit_field="max_completion_tokens"))
    assert b'[ {"role" : "user","content":"\\u00e9"} ]' in sent
    assert b'{"a" : 1.0}' in sent
    assert json.loads(sent)["max_completion_tokens"] == 50
    assert json.loads(sent)["stream_options"] == {"include_usage": True}
    assert list(json.loads(sent))[:3] == ["model", "messages", "stream"]


def test_reasoning_is_left_out_for_who_refuses_it() -> None:
    """What a model thought, and nothing else; who takes it gets every byte."""
    said = b'{"role":"assistant","content": "\\u00e9","reasoning_content":"Hm."}'
    body = b'{"model":"x","messages":[%b,{"role":"user","content":"a"}],"max_tokens":5}' % said
    sent = chat.splice(body, Change(model="m", output=50, reasoning=False))
    assert b'[{"role":"assistant","content":"\\u00e9"},{"role":"user","content":"a"}]' in sent
    assert said in chat.splice(body, Change(model="m", output=50))


def test_a_limit_is_lowered_never_raised() -> None:
    """The bound that was reserved holds upstream."""
    body = b'{"model":"x","messages":[],"max_tokens":10}'
    assert json.loads(chat.splice(body, Change(model="m", output=50)))["max_tokens"] == 10
    assert json.loads(chat.splice(body, Change(model="m", output=5)))["max_tokens"] == 5


def test_a_limit_goes_under_the_name_that_the_provider_obeys() -> None:
    """A provider that knows only max_tokens is bounded although the client used the other name."""
    sent = json.loads(
        chat.splice(b'{"model":"x","messages":[],"max_completion_tokens":3}', Change(model="m", output=50))
    )
    assert sent == {"model": "m", "messages": [], "max_tokens": 3}


def test_every_byte_is_counted() -> None:
    """What an upstream is sent outside the messages costs tokens as well."""
    assert read(functions=[{"name": "f", "description": "x" * 10_000}]).size > 10_000


@pytest.mark.parametrize("fields", [{"max_tokens": 10**30}, {"n": 10**19}, {"n": 0}])
def test_numbers_without_sense_are_refused(fields: dict[str, Any]) -> None:
    """They would make holds that no ledger can write."""
    with pytest.raises(BadRequest):
        read(**fields)


def test_bytes_that_are_no_text_are_refused() -> None:
    """UTF-8 that is broken inside a message is the client's mistake, not ours."""
    with pytest.raises(BadRequest):
        chat.read("r", b'{"model":"a","messages":[{"role":"user","content":"\xff"}]}', Hints(), lambda _raw: Verdict())


def test_the_digest_is_of_all_that_is_asked() -> None:
    """Streamed or not it is the same request; with another temperature it is another."""
    assert read(stream=True).digest == read().digest
    assert read(temperature=1).digest != read().digest


def test_a_doubled_field_cannot_smuggle() -> None:
    """Where a field stands twice, one value is decided on and that one is sent."""
    body = b'{"model":"a","max_tokens":5,"messages":[],"max_tokens":900}'
    assert json.loads(chat.splice(body, Change(model="m", output=100)))["max_tokens"] == 100


def test_a_short_field_is_looked_at() -> None:
    """The shortest mail address counts as well."""
    base = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    body = json.dumps({**base, "user": "a@b.io"}).encode()
    assert chat.read("r", body, Hints(), Verdicts().of).findings == (Finding("mail_address", 1),)
