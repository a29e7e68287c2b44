"""Values of the admin contract with everything filled in; a test changes what it is about."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.wire import admin

UNKNOWN = "\N{EN DASH}"
CAP = admin.CapState(
    id="c1", name="daily", scope="everything", match="", window="day", limit=10_000_000, raised=0, spent=3_840_000,
    held=160_000, left=6_000_000, starts=0.0, ends=86400.0, soft_percent=80, at_soft="ask", at_limit="ask",
)  # fmt: skip
AGENT = admin.AgentState(
    name="Claude Code", key_hint="x7Qa", added=0.0, last_request=None, requests_today=12, spent_today=3_840_000,
    paused=False, paused_until=None,
)  # fmt: skip
TODAY = admin.Today(
    starts=0.0, ends=86400.0, spent=3_840_000, held=160_000, saved=1_200_000, requests=12, local=8, private=1, cloud=3,
    last_request=None, points=[], cap=CAP,
)  # fmt: skip
QUESTION = admin.Question(
    id="q1", kind="money", agent="Claude Code", session="s1", session_since=0.0, project=None, model="big", tier="cloud",
    provider="openai", about=42_000, at_most=110_010, over=50_000, cap=CAP, rule="", findings=[], messages=3,
    tokens_in=900, tokens_out=400, local_model="starter", asked=0.0, waits_until=45.0, expires=900.0, covers=1,
    price_source="genai-prices",
)  # fmt: skip
SNAPSHOT = admin.Snapshot(
    protocol=admin.PROTOCOL, version="0.1.0", at=3600.0, address="http://127.0.0.1:4477/v1", started=0.0, paused=False,
    paused_until=None, notices=[], today=TODAY, caps=[CAP], running=[], approvals=[QUESTION], agents=[AGENT], models=[],
)  # fmt: skip


def changed(value: Any, **fields: Any) -> Any:
    """The same value with other fields."""
    return msgspec.structs.replace(value, **fields)
