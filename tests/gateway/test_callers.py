"""Who may call a door."""

from __future__ import annotations

import pytest

from pointsman.core.errors import BadRequest, Forbidden
from pointsman.gateway import callers
from tests.fakes.line import FakeLine, exchange


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:4477", "localhost", "LOCALHOST:1", "localhost:", "[::1]", "[::1]:4477", "me@127.0.0.1:1"],
)
def test_this_machine_is_known(host: str) -> None:
    """By all its names, with a port or without."""
    assert callers.here(host)


@pytest.mark.parametrize(
    "host",
    ["", "a.example", "127.0.0.1.a.example", "localhost:1@a.example", "127.0.0.1:@a", "[::1", "::1"],
)
def test_another_machine_is_none_of_ours(host: str) -> None:
    """However much it looks like this one."""
    assert not callers.here(host)


@pytest.mark.parametrize(
    ("origin", "own", "may"),
    [
        ("http://127.0.0.1:4477", True, True),
        ("http://localhost:4477", True, True),
        ("http://127.0.0.1:4477", False, False),
        ("http://127.0.0.1:1", True, False),
        ("https://a.example:4477", True, False),
        ("http://127.0.0.1:x", True, False),
        ("null", True, False),
    ],
)
def test_a_page_may_only_use_its_own_door(origin: str, own: bool, may: bool) -> None:
    """And none the admin door."""
    asked = exchange(FakeLine(), headers={"host": "127.0.0.1", "origin": origin})
    if may:
        callers.check(asked, own=own)
    else:
        with pytest.raises(Forbidden):
            callers.check(asked, own=own)


@pytest.mark.parametrize("name", ["host", "origin", "authorization", "x-api-key", "content-type"])
def test_what_decides_comes_once(name: str) -> None:
    """Else each reader could believe another one."""
    asked = exchange(FakeLine(), headers={"host": "127.0.0.1"})
    asked.twice = ["accept", name]
    with pytest.raises(BadRequest, match=name):
        callers.check(asked, own=True)
