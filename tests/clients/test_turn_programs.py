"""One turn with a tool by each program, through a target of its own dialect."""

from __future__ import annotations

from pathlib import Path

from tests.clients import agents
from tests.clients.agents import Door, Ran
from tests.fakes import strict_home
from tests.fakes.home import Home
from tests.fakes.strict_upstream import KEY, StrictUpstream
from tests.fakes.tap import Tap


def check(ran: Ran, gateway: Home, tap: Tap, upstream: StrictUpstream) -> None:
    """The answer is on the screen, each request arrived as it was sent but for the key, and the ledger holds the bill."""
    assert upstream.script.text in ran.shown
    assert ran.code == 0
    assert {one.status for one in upstream.turns} == {200}
    arrived = sorted(upstream.turns, key=lambda one: len(one.raw))
    sent = sorted(tap.posts, key=lambda one: len(one.raw))
    assert [strict_home.same(one, got) for one, got in zip(sent, arrived, strict=True)] == [[] for _ in sent]
    assert agents.ANSWER.strip() in arrived[-1].raw.decode()
    assert {one.headers["authorization"] for one in arrived} == {f"Bearer {KEY}"}
    assert all(KEY not in value for one in sent for value in one.answer_headers.values())
    assert strict_home.spent(gateway) == upstream.billed > 0


def test_codex(gateway: Home, tap: Tap, upstream: StrictUpstream, place: Path) -> None:
    """Codex runs a command, and its reasoning comes back sealed as it went out."""
    ran = agents.codex(place, Door(tap.address, gateway.agent(), "cloud-responses"))
    assert len(upstream.turns) == 2
    assert any(item["type"] == "reasoning" for item in upstream.turns[-1].body["input"])
    check(ran, gateway, tap, upstream)


def test_codex_by_its_built_in_provider(gateway: Home, tap: Tap, upstream: StrictUpstream, place: Path) -> None:
    """Codex asks for a WebSocket, is told at once that there is none, and does the same turn by POST."""
    ran = agents.codex_built_in(place, Door(tap.address, gateway.agent(), "cloud-responses"))
    others = [one for one in tap.passed if one.method != "POST"]
    assert {(one.method, one.path, one.status) for one in others} == {("GET", "/v1/responses", 426)}
    assert len(upstream.turns) == 2
    check(ran, gateway, tap, upstream)


def test_claude_code(gateway: Home, tap: Tap, upstream: StrictUpstream, place: Path) -> None:
    """Claude Code reads the file, and its thinking comes back with its signature."""
    ran = agents.claude(place, Door(tap.address, gateway.agent(), "cloud-messages"))
    assert len(upstream.turns) == 2
    check(ran, gateway, tap, upstream)


def test_claude_code_with_hints_and_discovery(gateway: Home, tap: Tap, upstream: StrictUpstream, place: Path) -> None:
    """Claude Code reads the list of models in its vendor's shape; its hints go on and name the session."""
    hints = {"CLAUDE_CODE_GATEWAY_HINT_HEADERS": "1", "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1"}
    hints["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"] = ""
    ran = agents.claude(place, Door(tap.address, gateway.agent(), "cloud-messages"), **hints)
    assert ("GET", "/v1/models?limit=1000", 200) in {(one.method, one.path, one.status) for one in tap.passed}
    head = upstream.turns[0].headers
    assert head["x-claude-code-request-class"] == "main"
    sessions = {row["session"] for row in gateway.audit() if row["kind"] == "request"}
    assert sessions == {head["x-claude-code-session-id"]}
    check(ran, gateway, tap, upstream)


def test_opencode(gateway: Home, tap: Tap, upstream: StrictUpstream, place: Path) -> None:
    """OpenCode reads the file, and asks for a title beside it."""
    ran = agents.opencode(place, Door(tap.address, gateway.agent(), "cloud-chat"))
    assert len(upstream.turns) == 3
    check(ran, gateway, tap, upstream)
