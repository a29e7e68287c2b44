"""The table of what providers say of their use: from the bytes of an answer to micro-dollars."""

from __future__ import annotations

import json
from decimal import ROUND_CEILING, Decimal

import pytest

from pointsman.core import pricing
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.scan import Scan
from tests.wire.usage_payloads import PAYLOADS, Payload


def whole(payload: Payload) -> Scan:
    """The scan of an answer that is not streamed."""
    ends = {"responses": {"object": "response", "status": "completed"}, "messages": {"type": "message"}}
    scan = DIALECTS[payload.dialect].scan()
    scan.data(json.dumps({**ends.get(payload.dialect, {"choices": []}), "usage": payload.usage}).encode())
    return scan


def streamed(payload: Payload) -> Scan:
    """The scan of the events in which a stream tells its use."""
    scan, usage = DIALECTS[payload.dialect].scan(), payload.usage
    if payload.dialect == "responses":
        events = [{"type": "response.completed", "response": {"status": "completed", "usage": usage}}]
    elif payload.dialect == "messages":
        early = {**usage, "output_tokens": 1}
        late = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
        events = [{"type": "message_start", "message": {"usage": early}}]
        events += [{**late, "usage": {"output_tokens": usage["output_tokens"]}}]
    else:
        events = [{"choices": [], "usage": usage}]
    for event in events:
        scan.data(json.dumps(event).encode())
    return scan


@pytest.mark.parametrize("read", [whole, streamed])
@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.who)
def test_what_it_costs(payload: Payload, read: object) -> None:
    """To the micro-dollar, streamed or whole; what the provider says it cost wins."""
    scan = whole(payload) if read is whole else streamed(payload)
    assert scan.meters is not None
    assert (pricing.cost(scan.meters, payload.rates) if scan.cost is None else scan.cost) == payload.cost


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.who)
def test_the_sum_beside_it_is_right(payload: Payload) -> None:
    """The arithmetic of the table itself, in decimals."""
    products = (term.split("*") for term in payload.sum.split(" + "))
    total = sum(Decimal(one[0]) * Decimal(one[1] if len(one) > 1 else 1) for one in products)
    assert int(total.to_integral_value(ROUND_CEILING)) == payload.cost


def test_the_table_is_long_enough() -> None:
    """Sixty payloads of the seven kinds at least, each told apart."""
    assert len({payload.who for payload in PAYLOADS}) == len(PAYLOADS) >= 60
