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


def _digest(known: dict[str, str], **values: object) -> str:
    return body_.whole(body_.fields(json.dumps(values).encode()), known)


def test_the_order_of_fields_and_a_clients_notes_change_no_digest() -> None:
    """Also where a note is long enough to be known by its digest."""
    one = _digest({"input": "d", "metadata": "1"}, model="m", input="Hi", metadata={"try": 1}, stream=True)
    assert one == _digest({"input": "d", "metadata": "2"}, input="Hi", metadata={"try": 2}, model="m")


def test_what_is_known_counts_by_its_digest() -> None:
    """Other digests are other requests; fields that are not known count as they are."""
    assert _digest({"input": "d"}, model="m", input="Hi") == _digest({"input": "d"}, model="m", input="Hi ")
    assert _digest({"input": "d"}, model="m", input="Hi") != _digest({"input": "e"}, model="m", input="Hi")
    assert _digest({"input": "d"}, model="m", input="Hi") != _digest({"input": "d"}, model="n", input="Hi")


def test_a_text_that_looks_like_a_digest_is_only_a_text() -> None:
    """Who is asked about one request is not asked about another that says its digest."""
    assert _digest({"odd": "d"}, model="m", odd="anything") != _digest({}, model="m", odd="d")


@pytest.mark.parametrize(("given", "least"), [((None, None), None), ((3, None), 3), ((None, 5), 5), ((7, 5), 5)])
def test_the_least_limit_counts(given: tuple[int | None, int | None], least: int | None) -> None:
    """Where one is given at all."""
    assert body_.limit("max_tokens", given) == least


def test_a_body_that_can_be_read_is_whole() -> None:
    """As it is."""
    body = {"model": "m", "input": "Hi", "metadata": {"a": "b"}}
    assert body_.readable(json.dumps(body).encode()) == body
