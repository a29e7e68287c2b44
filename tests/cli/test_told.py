"""`pointsman audit show`: one request in a person's words."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.cli import told
from pointsman.wire import admin
from tests.cli.conftest import Ran
from tests.fakes.fake_admin import FakeAdmin

Run = Callable[..., Ran]
PLAN = {
    "attempts": [
        {"target": "big", "tier": "cloud", "about": 3_404, "at_most": 3_410, "ask": "consent"},
        {"target": "odd", "tier": "cloud", "about": None, "at_most": None, "ask": "price"},
        {"target": "starter", "tier": "local", "about": 0, "at_most": 0, "ask": None},
    ],
    "dropped": [{"target": name, "reason": "no key."} for name in "abcdef"] + [{"target": "g", "reason": "too small"}],
    "failed": [{"target": "huge", "why": "503 from far"}],
    "rule": "public data",
    "findings": {"mail_address": 2},
}
PRICE = {"input": 100_000, "cache_read": 100_000, "output": 170_000_000, "source": "list", "dated": "2026-11-20"}
ROW = {
    "at": 0.0, "kind": "request", "request": "r1", "agent": "Codex", "session": "s1", "project": "p", "model_asked": "smart",
    "target": "big", "provider": "far", "region": "us", "tier": "cloud", "class_": "chat", "sensitivity": "public",
    "consent": "consented", "outcome": "done", "reason": "smart: asked for by name", "code": None, "plan": json.dumps(PLAN),
    "fresh_input": 1_100, "output": 20, "estimated": True, "queue_ms": 10.4, "first_token_ms": 1_200.0, "latency_ms": 2_345.0,
    "tokens_per_second": 46.4, "bytes_sent": 1_074, "cost": 3_410, "held": 3_410, "saved": 0, "price": json.dumps(PRICE), "seq": 1_003,
    "counted": "request\x1fCodex", "hash": "ab", "earlier": [{"at": 0.0, "kind": "attempt", "target": "huge", "outcome": "failed",
    "reason": "503 from far", "cost": 7, "counted": "x"}],
}  # fmt: skip


def said(**changes: Any) -> dict[str, list[str]]:
    """What stands under each label."""
    found: dict[str, list[str]] = {}
    label = ""
    for head, text in told.lines(ROW | changes, 0.0):
        label = head.strip() or label
        found.setdefault(label, []).append(text)
    return found


@pytest.mark.parametrize(
    ("label", "texts"),
    [
        ("Asked", ["Codex asked for smart, project p, session s1"]),
        ("Outcome", ["answered by big in the cloud (far, us)"]),
        ("Why", ["smart: asked for by name"]),
        ("Data", ["public, by the rule 'public data', kind of work: chat, 2 mail addresses, sent with your consent"]),
        (
            "Plan",
            [
                "big (cloud): about $0.0034, at most $0.0035, asks for consent first",
                "odd (cloud): price unknown, asks for its price first",
                "starter (local): free",
            ],
        ),
        ("Left out", ["a, b, c, d and 2 more: no key", "g: too small"]),
        ("Failed", ["huge: 503 from far"]),
        ("Tokens", ["1,100 in, 20 out"]),
        ("Cost", ["$0.0034; an estimate, for the provider gave no usage; $0.0034 was held for it"]),
        ("Rates", ["$0.10 in, $170.00 out, for a million tokens (list, 2026-11-20)"]),
        ("Time", ["2.3 s in all, 10 ms until it was sent, 1.2 s until the first token, 46 tokens a second"]),
        ("Sent", ["1,074 bytes to far"]),
        ("Record", ["row 1,003; all fields are in --json"]),
    ],
)
def test_each_part_is_a_line(label: str, texts: list[str]) -> None:
    """What was decided, where it went, why, and what it cost."""
    assert said()[label] == texts


def test_what_came_before_is_told() -> None:
    """Other rows about the request, such as attempts that failed."""
    assert said()["Before"][0].endswith("huge failed, $0.000007: 503 from far")


def test_a_refusal_says_that_nothing_left() -> None:
    """No target, no cost, no rates."""
    found = said(
        target=None, tier=None, provider=None, outcome="refused", code="insufficient_quota", cost=0, price="{}"
    )
    assert found["Outcome"] == ["refused (insufficient_quota), and nothing was sent anywhere"]
    assert not {"Cost", "Rates"} & set(found)


def test_a_failure_says_where() -> None:
    """Not that it was answered."""
    assert said(outcome="failed", code="timed_out")["Outcome"] == ["failed (timed_out) at big in the cloud (far, us)"]


def test_what_is_not_known_is_left_out() -> None:
    """A request that was refused at the door has little to tell."""
    lines = told.lines({"request": "r1", "at": 0.0, "outcome": "rejected", "plan": "not JSON"}, 0.0)
    assert [label for label, _ in lines] == ["Request", "When", "Asked", "Outcome"]


def test_the_command_prints_no_json(run: Run, door: FakeAdmin) -> None:
    """Labels and sentences."""
    door.answers[admin.AuditShow] = ROW
    out = run("audit", "show", "r1").out
    assert out.startswith("Request   r1\nWhen      ")
    assert "{" not in out


def test_json_has_all_fields_but_the_counters_own(run: Run, door: FakeAdmin) -> None:
    """Also of the rows before."""
    door.answers[admin.AuditShow] = ROW
    found = json.loads(run("audit", "show", "r1", "--json").out)
    assert (found["plan"], found["hash"]) == (ROW["plan"], "ab")
    assert "counted" not in found | found["earlier"][0]


JSON = st.recursive(
    st.none() | st.integers() | st.text(), lambda part: st.lists(part) | st.dictionaries(st.text(), part), max_leaves=8
)


@given(st.dictionaries(st.sampled_from(["attempts", "dropped", "failed", "rule", "findings"]), JSON))
def test_any_plan_is_told(plan: dict[str, Any]) -> None:
    """One that a later version wrote breaks nothing."""
    assert told.lines({"plan": json.dumps(plan), "earlier": [1], "price": "[]"}, 0.0)
