"""One turn with a tool by each program, through models that speak another dialect than it, and one on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients import agents
from tests.clients.agents import Door, Ran
from tests.fakes import strict_home, vendor_types
from tests.fakes.scripted_home import ScriptedHome
from tests.fakes.strict_upstream import StrictUpstream
from tests.fakes.tap import Passed, Tap


def told(dialect: str, tap: Tap, ran: Ran, text: str) -> list[Passed]:
    """What the program asked; the answer is on its screen, and each piece of it is of its vendor's type."""
    assert text in ran.shown
    assert ran.code == 0
    assert {one.status for one in tap.posts} == {200}
    for one in tap.posts:
        if one.body.get("stream"):
            assert len(vendor_types.events(dialect, one.answer)) > 4
        else:
            vendor_types.whole(dialect, one.answer)
    return tap.posts


def check_cloud(dialect: str, gateway: ScriptedHome, upstream: StrictUpstream, asked: list[Passed]) -> None:
    """What the provider was sent is of its vendor's type to the last field, and the ledger holds the bill."""
    assert {one.status for one in upstream.turns} == {200}
    assert len(upstream.turns) == len(asked)
    for one in upstream.turns:
        vendor_types.body(dialect, one.raw)
    assert agents.ANSWER.strip() in max(upstream.turns, key=lambda one: len(one.raw)).raw.decode()
    assert strict_home.spent(gateway) == upstream.billed > 0


def check_here(gateway: ScriptedHome, upstream: StrictUpstream, asked: list[Passed]) -> None:
    """The engine on this machine got all of it, and nothing left for the cloud."""
    heard = gateway.heard()
    assert len(heard) == len(asked)
    results = [one["content"] for command in heard for one in command["messages"] if one["role"] == "tool"]
    assert any(agents.ANSWER.strip() in str(content) for content in results)
    assert upstream.seen == []
    rows = [row for row in gateway.audit() if row["kind"] == "request"]
    assert {row["tier"] for row in rows} == {"local"}
    assert strict_home.spent(gateway) == 0


@pytest.mark.parametrize("dialect", ["chat", "messages"])
def test_codex(gateway: ScriptedHome, tap: Tap, upstream: StrictUpstream, place: Path, dialect: str) -> None:
    """Codex speaks Responses alone."""
    ran = agents.codex(place, Door(tap.address, gateway.agent(), f"cloud-{dialect}"))
    check_cloud(dialect, gateway, upstream, told("responses", tap, ran, upstream.script.text))


def test_codex_here(gateway: ScriptedHome, tap: Tap, upstream: StrictUpstream, place: Path) -> None:
    """Codex runs a command for the model on this machine."""
    ran = agents.codex(place, Door(tap.address, gateway.agent(), "here"))
    check_here(gateway, upstream, told("responses", tap, ran, upstream.script.text))


@pytest.mark.parametrize("dialect", ["chat", "responses"])
def test_claude_code(gateway: ScriptedHome, tap: Tap, upstream: StrictUpstream, place: Path, dialect: str) -> None:
    """Claude Code speaks Messages alone."""
    ran = agents.claude(place, Door(tap.address, gateway.agent(), f"cloud-{dialect}"))
    check_cloud(dialect, gateway, upstream, told("messages", tap, ran, upstream.script.text))


def test_claude_code_here(gateway: ScriptedHome, tap: Tap, upstream: StrictUpstream, place: Path) -> None:
    """Claude Code reads the file for the model on this machine."""
    ran = agents.claude(place, Door(tap.address, gateway.agent(), "here"))
    check_here(gateway, upstream, told("messages", tap, ran, upstream.script.text))


@pytest.mark.parametrize("dialect", ["responses", "messages"])
def test_opencode(gateway: ScriptedHome, tap: Tap, upstream: StrictUpstream, place: Path, dialect: str) -> None:
    """OpenCode, set up for chat completions."""
    ran = agents.opencode(place, Door(tap.address, gateway.agent(), f"cloud-{dialect}"))
    check_cloud(dialect, gateway, upstream, told("chat", tap, ran, upstream.script.text))


def test_opencode_here(gateway: ScriptedHome, tap: Tap, upstream: StrictUpstream, place: Path) -> None:
    """OpenCode reads the file for the model on this machine."""
    ran = agents.opencode(place, Door(tap.address, gateway.agent(), "here"))
    check_here(gateway, upstream, told("chat", tap, ran, upstream.script.text))
