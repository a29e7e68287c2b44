"""What the dialects share in reading a body."""

from __future__ import annotations

import json

import pytest

from pointsman.wire import body as body_


@pytest.mark.parametrize("odd", [b'"\xff"', b'{"a": "\xff"}', b"1e999", b"9" * 5000])
def test_what_nobody_can_read_is_left_out(odd: bytes) -> None:
    """A field that decides nothing may hold anything; the others are there."""
    body = b'{"model": "m", "metadata": %s, "tools": [{"name": "f"}]}' % odd
    assert body_.readable(body) == {"model": "m", "tools": [{"name": "f"}]}


def test_a_body_that_can_be_read_is_whole() -> None:
    """As it is."""
    body = {"model": "m", "input": "Hi", "metadata": {"a": "b"}}
    assert body_.readable(json.dumps(body).encode()) == body
