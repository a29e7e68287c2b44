"""Agents, pauses and taints."""

from __future__ import annotations

import pytest

from pointsman.core.errors import BadRequest
from pointsman.store.db import Database
from pointsman.store.settings import Agent, Agents, Pauses, Taints


async def test_agents_are_listed_by_name(db: Database) -> None:
    """With the hash and the hint of their key, and when they were added."""
    agents = Agents(db)
    await agents.add("codex", "h2", "2222", 2.0)
    await agents.add("claude", "h1", "1111", 1.0)
    first = Agent(name="claude", key_sha256="h1", key_hint="1111", added=1.0)
    assert await agents.all() == [first, Agent(name="codex", key_sha256="h2", key_hint="2222", added=2.0)]


async def test_a_name_is_given_once(db: Database) -> None:
    """The sentence says what to do instead."""
    agents = Agents(db)
    await agents.add("claude", "h1", "1111", 1.0)
    with pytest.raises(BadRequest, match='an agent called "claude" already'):
        await agents.add("claude", "h2", "2222", 2.0)


async def test_a_key_is_one_agents(db: Database) -> None:
    """Neither a new agent nor a rotated one may carry another's key; the sentence does not hold it."""
    agents = Agents(db)
    await agents.add("claude", "h1", "1111", 1.0)
    await agents.add("codex", "h2", "2222", 2.0)
    with pytest.raises(BadRequest, match='"new" is the key of "claude"') as failed:
        await agents.add("new", "h1", "1111", 3.0)
    assert "h1" not in failed.value.sentence
    with pytest.raises(BadRequest, match='"codex" is the key of "claude"'):
        await agents.replace_key("codex", "h1", "1111")


async def test_a_key_is_replaced(db: Database) -> None:
    """An agent that is not there has no key to replace."""
    agents = Agents(db)
    await agents.add("claude", "h1", "1111", 1.0)
    assert [await agents.replace_key("claude", "h3", "3333"), await agents.replace_key("x", "h4", "4")] == [True, False]
    assert [(agent.key_sha256, agent.key_hint, agent.added) for agent in await agents.all()] == [("h3", "3333", 1.0)]


async def test_an_agent_is_removed_with_its_pause(db: Database) -> None:
    """One of the same name, added later, is not born paused."""
    agents, pauses = Agents(db), Pauses(db)
    await agents.add("claude", "h1", "1111", 1.0)
    await pauses.set("claude", None)
    assert [await agents.remove("claude"), await agents.remove("claude")] == [True, False]
    assert (await agents.all(), await pauses.all()) == ([], {})


async def test_the_newest_pause_counts(db: Database) -> None:
    """Until a time, or until resumed."""
    pauses = Pauses(db)
    await pauses.set("claude", 100.0)
    await pauses.set("*", 50.0)
    await pauses.set("claude", None)
    assert await pauses.all() == {"claude": None, "*": 50.0}


async def test_resuming_all_ends_every_pause(db: Database) -> None:
    """One agent's resume leaves the others paused."""
    pauses = Pauses(db)
    for agent in ("claude", "codex", "*"):
        await pauses.set(agent, None)
    await pauses.clear("claude")
    assert sorted(await pauses.all()) == ["*", "codex"]
    await pauses.clear("*")
    assert await pauses.all() == {}


async def test_a_taint_only_grows(db: Database) -> None:
    """What was seen in a session is added up, and time does not wash it off."""
    taints = Taints(db)
    await taints.add("s1", "mail_address", 1.0)
    await taints.add("s1", "card_number,mail_address", 1e9)
    await taints.add("s2", "secret_key", 2.0)
    assert await taints.all() == {"s1": "card_number,mail_address", "s2": "secret_key"}
