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
