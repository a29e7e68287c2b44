"""Refusals in OpenAI's envelope."""

from __future__ import annotations

import json

from pointsman.core.errors import Busy, PaymentRequired
from pointsman.wire import refusals


def test_money_is_402_and_not_retried() -> None:
    """Status, type and code that SDKs know, and the header that they obey."""
    status, body = refusals.status_and_body(PaymentRequired("No money is left."))
    assert (status, refusals.headers(PaymentRequired(""))) == (402, [(b"x-should-retry", b"false")])
    assert json.loads(body)["error"] == {
        "message": "No money is left.",
        "type": "insufficient_quota",
        "param": None,
        "code": "insufficient_quota",
    }


def test_a_full_queue_may_be_tried_again() -> None:
    """The one refusal of ours that time mends."""
    assert refusals.headers(Busy("")) == [(b"x-should-retry", b"true")]
