"""Refusals in the vendors' envelopes, as their SDKs read them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.responses import Response

from pointsman.core.errors import (
    Busy,
    ContextExceeded,
    Fault,
    NotFound,
    PaymentRequired,
    Refusal,
    Resting,
    Stopped,
    TimedOut,
    TooLarge,
    UpstreamFailed,
    UpstreamSaid,
    WrongMethod,
)
from pointsman.wire import refusals, sse
from pointsman.wire.translate.answers import Answering
from pointsman.wire.translate.answers.responses import ResponsesWriter
from pointsman.wire.translate.neutral import Began, Said

NO_MONEY = PaymentRequired("No money is left.")


@pytest.mark.parametrize("dialect", ["chat", "responses"])
def test_money_in_openais_envelope(dialect: str) -> None:
    """Status, type and code that SDKs know."""
    status, body = refusals.status_and_body(NO_MONEY, dialect)
    assert status == 402
    assert json.loads(body)["error"] == {
        "message": "No money is left.",
        "type": "insufficient_quota",
        "param": None,
        "code": "insufficient_quota",
    }


def test_money_in_anthropics_envelope() -> None:
    """A billing error, with our code where the SDK looks for one."""
    status, body = refusals.status_and_body(NO_MONEY, "messages")
    assert status == 402
    assert json.loads(body) == {
        "type": "error",
        "error": {
            "type": "billing_error",
            "message": "No money is left.",
            "details": {"error_code": "insufficient_quota"},
        },
    }


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [(NotFound(""), "not_found_error"), (TooLarge(""), "request_too_large"), (Busy(""), "rate_limit_error")],
)
def test_anthropics_own_types(refusal: NotFound, kind: str) -> None:
    """As its documentation pairs them with statuses."""
    assert json.loads(refusals.status_and_body(refusal, "messages")[1])["error"]["type"] == kind


def test_money_is_not_tried_again() -> None:
    """The header that the vendors' SDKs obey."""
    assert refusals.headers(NO_MONEY) == [(b"x-should-retry", b"false")]


def test_a_full_queue_may_be_tried_again() -> None:
    """The one refusal of ours that time mends, in some seconds: an answer takes longer than SDKs wait by themselves."""
    assert refusals.headers(Busy("")) == [(b"x-should-retry", b"true"), (b"retry-after", b"5")]


def test_what_rests_says_until_when() -> None:
    """SDKs wait so long by themselves."""
    assert refusals.headers(Resting("", 15)) == [(b"x-should-retry", b"true"), (b"retry-after", b"15")]


def test_a_wrong_method_lists_the_right_ones() -> None:
    """In the header that HTTP has for it."""
    assert refusals.headers(WrongMethod("", ("GET", "HEAD")))[-1] == (b"allow", b"GET, HEAD")


def test_what_an_upstream_said_stands() -> None:
    """Its status and its headers tell the SDK what to do; ours would only be in the way."""
    said = UpstreamSaid("It is busy.", "Slow down.", status=429, headers={"retry-after": "7"})
    assert refusals.status_and_body(said)[0] == 429
    assert refusals.headers(said) == [(b"retry-after", b"7")]
    assert refusals.message(said) == "It is busy. Slow down."


@pytest.mark.parametrize(("dialect", "name"), [("chat", ""), ("responses", "response.failed"), ("messages", "error")])
def test_inside_a_stream_it_is_one_whole_event(dialect: str, name: str) -> None:
    """With the sentence in it, under the name that the dialect gives it."""
    (event,) = sse.Parser().feed(refusals.in_band(NO_MONEY, dialect))
    assert event.name == name
    assert b"No money is left." in event.data


def test_a_response_that_has_begun_fails_as_the_one_it_is() -> None:
    """With the id and the fields that its client knows, and the number that comes next."""
    writer = ResponsesWriter(Answering(id="1", model="m", created=5, asked={"instructions": "Be brief."}))
    liar = Said('"sequence_number":99')
    frames = [frame for event in (Began(), Said("Hello"), liar) for frame in writer.stream(event)]
    told = json.loads(sse.parse(refusals.in_band(NO_MONEY, "responses", b"".join(frames))).data)
    assert told["sequence_number"] == len(frames)
    response = Response.model_validate(told["response"])
    assert (response.id, response.status, response.instructions) == ("resp_1", "failed", "Be brief.")
    assert response.error is not None
    assert response.error.message == "No money is left."


def test_a_response_that_nobody_heard_of_fails_too() -> None:
    """A provider may leave out the event that begins one, and the numbers."""
    for told in (b"", b"data: [DONE]\n\n", b'data: {"type":"response.output_text.delta","delta":"x"}\n\n'):
        failed = json.loads(sse.parse(refusals.in_band(NO_MONEY, "responses", told)).data)
        assert (failed["sequence_number"], failed["response"]["status"]) == (0, "failed")
        Response.model_validate(failed["response"])


def said(status: int, **fault: Any) -> UpstreamSaid:
    """An upstream's refusal."""
    return UpstreamSaid("It refused.", "So it is.", status=status, headers={}, fault=Fault(**fault))


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (NO_MONEY, "invalid_prompt"),
        (Stopped(""), "invalid_prompt"),
        (UpstreamFailed(""), "server_error"),
        (TimedOut(""), "server_error"),
        (Busy(""), "rate_limit_exceeded"),
        (said(429), "rate_limit_exceeded"),
        (said(503), "server_error"),
        (said(400), "invalid_prompt"),
        (said(400, code="context_length_exceeded"), "context_length_exceeded"),
        (ContextExceeded(""), "context_length_exceeded"),
        (said(429, dialect="responses", code="insufficient_quota"), "insufficient_quota"),
        (said(503, dialect="responses", code="server_is_overloaded"), "server_is_overloaded"),
        (said(400, dialect="responses", code="invalid_image"), "invalid_image"),
        (said(429, dialect="chat", code="insufficient_quota"), "insufficient_quota"),
        (said(429, dialect="chat", code="too_many"), "rate_limit_exceeded"),
        (said(503, dialect="responses", type="odd"), "server_error"),
    ],
)
def test_the_code_tells_codex_what_to_do(refusal: Refusal, code: str) -> None:
    """It tries again only after what time mends; elsewhere it shows the sentence or shortens the conversation."""
    assert refusals.failure(refusal)["code"] == code


def test_an_upstreams_own_words_stand_for_a_client_of_its_dialect() -> None:
    """Agents act on them."""
    refusal = said(400, dialect="chat", code="context_length_exceeded", type="invalid_request_error", param="messages")
    error = json.loads(refusals.status_and_body(refusal, "chat")[1])["error"]
    assert (error["code"], error["type"], error["param"]) == (refusal.fault.code, refusal.fault.type, "messages")
    refusal = said(529, dialect="messages", type="overloaded_error")
    assert json.loads(refusals.status_and_body(refusal, "messages")[1])["error"]["type"] == "overloaded_error"


def test_an_upstreams_words_are_put_in_the_clients() -> None:
    """The nearest: a code has one everywhere, the name of a field has none in another dialect."""
    chat = said(400, dialect="chat", code="context_length_exceeded", type="odd", param="messages")
    error = json.loads(refusals.status_and_body(chat, "responses")[1])["error"]
    assert (error["code"], error["type"], error["param"]) == ("context_length_exceeded", "odd", None)
    error = json.loads(refusals.status_and_body(chat, "messages")[1])["error"]
    assert error["type"] == "invalid_request_error"
    assert error["message"] == "prompt is too long: It refused. So it is."
    assert error["details"] == {"error_code": "context_length_exceeded"}
    messages = said(529, dialect="messages", type="overloaded_error")
    error = json.loads(refusals.status_and_body(messages, "chat")[1])["error"]
    assert (error["code"], error["type"]) == ("upstream_refused", "server_error")


def test_too_much_at_a_time_has_the_type_that_openai_gives_it() -> None:
    """It is no mistake in the request."""
    status, body = refusals.status_and_body(Busy("Too many wait."), "chat")
    assert (status, json.loads(body)["error"]["type"]) == (429, "rate_limit_error")
