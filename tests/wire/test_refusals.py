"""Refusals in the vendors' envelopes, as their SDKs read them."""

from __future__ import annotations

import json

import pytest

from pointsman.core.errors import Busy, NotFound, PaymentRequired, TooLarge, UpstreamSaid
from pointsman.wire import refusals, sse

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
    """The one refusal of ours that time mends."""
    assert refusals.headers(Busy("")) == [(b"x-should-retry", b"true")]


def test_what_an_upstream_said_stands() -> None:
    """Its status and its headers tell the SDK what to do; ours would only be in the way."""
    said = UpstreamSaid("It is busy.", "Slow down.", status=429, headers={"retry-after": "7"})
    assert refusals.status_and_body(said)[0] == 429
    assert refusals.headers(said) == [(b"retry-after", b"7")]
    assert refusals.message(said) == "It is busy. Slow down."


@pytest.mark.parametrize("dialect", ["chat", "responses", "messages"])
def test_inside_a_stream_it_is_one_whole_event(dialect: str) -> None:
    """With the sentence in it, under the name that the dialect gives it."""
    (event,) = sse.Parser().feed(refusals.in_band(NO_MONEY, dialect))
    assert event.name == ("" if dialect == "chat" else "error")
    assert b"No money is left." in event.data


def test_too_much_at_a_time_has_the_type_that_openai_gives_it() -> None:
    """It is no mistake in the request."""
    status, body = refusals.status_and_body(Busy("Too many wait."), "chat")
    assert (status, json.loads(body)["error"]["type"]) == (429, "rate_limit_error")
