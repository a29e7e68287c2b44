"""What passes the agent door."""

from __future__ import annotations

import pytest

from pointsman.gateway import door


@pytest.mark.parametrize("name", ["anthropic-beta", "session-id", "x-codex-turn-metadata", "x-stainless-lang"])
def test_what_agents_add_travels(name: str) -> None:
    """An upstream of the same dialect may see it."""
    assert door._travels(name)


@pytest.mark.parametrize(
    "name", ["authorization", "x-api-key", "openai-organization", "openai-api-key", "x-codex-token"]
)
def test_no_secret_travels(name: str) -> None:
    """Whatever family its name is of."""
    assert not door._travels(name)
