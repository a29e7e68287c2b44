"""What an upstream's answer says of itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pointsman.core.pricing import Meters
from pointsman.wire.scan import ChatScan, Scan


def scanned(**chunk: Any) -> Scan:
    """A scan that has seen this chunk."""
    scan = ChatScan()
    scan.data(json.dumps(chunk).encode())
    return scan


def test_cached_tokens_are_inside_the_prompt() -> None:
    """OpenAI counts them inside: the meters are disjoint."""
    usage = {"prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 60}}
    assert scanned(usage=usage).meters == Meters(fresh_input=40, cache_read=60, output=7)


def test_more_cached_than_prompt_is_bounded() -> None:
    """A provider's nonsense makes no negative meter."""
    usage = {"prompt_tokens": 10, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 60}}
    assert scanned(usage=usage).meters == Meters(fresh_input=0, cache_read=10, output=1)


def test_the_providers_own_cost_is_rounded_up() -> None:
    """Dollars as a decimal, to micro-dollars."""
    assert scanned(usage={"prompt_tokens": 1, "completion_tokens": 1, "cost": 0.00000123}).cost == 2


def test_with_ones_own_key_at_a_vendor_the_fee_is_not_all() -> None:
    """A broker bills its fee, the vendor the tokens; without the vendor's figure, prices count."""
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "cost": 0.05, "is_byok": True}
    assert scanned(usage={**usage, "cost_details": {"upstream_inference_cost": 1.0}}).cost == 1_050_000
    assert scanned(usage=usage).cost is None


def test_a_vendors_figure_is_not_added_to_the_brokers() -> None:
    """Where the broker's own key was used, both are the same bill."""
    details = {"upstream_inference_cost": 0.5}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "cost": 0.5, "is_byok": False, "cost_details": details}
    assert scanned(usage=usage).cost == 500_000


def test_a_cost_told_in_parts_has_a_total() -> None:
    """As Perplexity tells it, with each chunk."""
    cost = {"input_tokens_cost": 0.1, "request_cost": 0.2, "total_cost": 0.3}
    assert scanned(usage={"prompt_tokens": 1, "completion_tokens": 1, "cost": cost}).cost == 300_000


def test_several_answers_are_whole_with_the_last_of_them() -> None:
    """Usage that came before is usage of a part."""
    scan = ChatScan()
    for index, finish in ((0, None), (1, None), (0, "stop")):
        scan.data(json.dumps({"choices": [{"index": index, "delta": {}, "finish_reason": finish}]}).encode())
    assert scan.finish is None
    scan.data(b'{"choices": [{"index": 1, "delta": {}, "finish_reason": "length"}]}')
    scan.data(b'{"choices": [{"index": 1, "delta": {}, "finish_reason": null}]}')
    assert scan.finish == "length"


@pytest.mark.parametrize("usage", [{"prompt_tokens": -5, "completion_tokens": 1}, {"prompt_tokens": 5}])
def test_usage_that_makes_no_sense_is_missing(usage: dict[str, int]) -> None:
    """Negative or half a usage is none."""
    assert scanned(usage=usage).meters is None


@pytest.mark.parametrize("cost", ["NaN", "abc", -1, 0, "1e990000"])
def test_a_cost_that_makes_no_sense_is_unknown(cost: object) -> None:
    """It never becomes a price."""
    assert scanned(usage={"prompt_tokens": 1, "completion_tokens": 1, "cost": cost}).cost is None


@pytest.mark.parametrize(
    ("choice", "content"),
    [
        ({"delta": {"role": "assistant", "content": ""}}, False),
        ({"delta": {"content": "x"}}, True),
        ({"delta": {"tool_calls": [{"index": 0}]}}, True),
        ({"delta": {"reasoning_content": "hm"}}, True),
        ({"delta": {}, "finish_reason": "stop"}, True),
    ],
)
def test_first_content(choice: dict[str, Any], content: bool) -> None:
    """A role alone is no content yet: up to there another target can take over."""
    assert ChatScan().data(json.dumps({"choices": [choice]}).encode()).content is content


def test_errors_and_the_end_are_seen() -> None:
    """An error in the stream, and its last mark."""
    assert ChatScan().data(b'{"error": {"message": "x"}}').error
    assert ChatScan().data(b"[DONE]").done
    assert not ChatScan().data(b"nonsense").content
