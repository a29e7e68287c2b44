"""A cap that is used up, as the person at Codex, Claude Code and OpenCode sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients import agents
from tests.clients.agents import Door, Ran
from tests.fakes import strict_home
from tests.fakes.home import Home
from tests.fakes.strict_upstream import StrictUpstream
from tests.fakes.tap import Tap


@pytest.fixture
def gateway(gateway: Home) -> Home:
    """Nothing fits under its cap."""
    strict_home.use_up(gateway)
    return gateway


def check(ran: Ran, tap: Tap, upstream: StrictUpstream) -> None:
    """The sentence is on the screen, and nothing was sent on."""
    assert {one.status for one in tap.posts} == {402}
    shown = " ".join(ran.shown.split())
    assert any("daily cap" in one.told() and one.told() in shown for one in tap.posts)
    assert ran.code != 0
    assert upstream.seen == []


def test_codex(gateway: Home, tap: Tap, upstream: StrictUpstream, place: Path) -> None:
    """Told not to try a broken stream again, Codex asks once and shows the sentence."""
    ran = agents.codex(place, Door(tap.address, gateway.agent(), "cloud-responses"), stream_max_retries=0)
    assert len(tap.posts) == 1
    check(ran, tap, upstream)


def test_codex_left_to_its_own_retries(gateway: Home, tap: Tap, upstream: StrictUpstream, place: Path) -> None:
    """By itself Codex tries again five times, as after any status but 400 and 429; each is refused and costs nothing."""
    ran = agents.codex(place, Door(tap.address, gateway.agent(), "cloud-responses"))
    assert len(tap.posts) == 6
    check(ran, tap, upstream)


def test_claude_code(gateway: Home, tap: Tap, upstream: StrictUpstream, place: Path) -> None:
    """Claude Code asks once and shows the sentence."""
    ran = agents.claude(place, Door(tap.address, gateway.agent(), "cloud-messages"))
    assert len(tap.posts) == 1
    check(ran, tap, upstream)


def test_opencode(gateway: Home, tap: Tap, upstream: StrictUpstream, place: Path) -> None:
    """OpenCode asks for a title and for its work, each once, and shows the sentence."""
    ran = agents.opencode(place, Door(tap.address, gateway.agent(), "cloud-chat"))
    assert [bool(one.body.get("tools")) for one in sorted(tap.posts, key=lambda one: len(one.raw))] == [False, True]
    check(ran, tap, upstream)
