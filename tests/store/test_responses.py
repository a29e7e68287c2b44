"""Kept responses: sealed, of one agent alone, bounded, and never in a request's way."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from pointsman.store.responses import Bounds, KeptResponse, Responses
from pointsman.system.keychain import MISSING, KeychainProblem

KEY = bytes(range(32))


def kept(id_: str = "resp_1", agent: str = "codex", at: float | None = None, *, lasting: bool = True) -> KeptResponse:
    """A response as the door hands it over."""
    at = time.time() if at is None else at
    return KeptResponse(agent=agent, id=id_, at=at, items=b'["zebra in"]', response=b'{"zebra":"out"}', lasting=lasting)


def no_key() -> bytes:
    """A keychain that is not there."""
    raise KeychainProblem("missing", MISSING)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where they are kept; not made yet."""
    return tmp_path / "responses.sqlite3"


async def reopened(file: Path, store: Responses, key: Callable[[], bytes] = lambda: KEY) -> Responses:
    """What another gateway finds."""
    await store.close()
    return Responses(file, key)


async def test_it_can_be_read_at_once_and_after_a_restart(file: Path) -> None:
    """Before it is written, after it is, and by the next gateway."""
    store = Responses(file, lambda: KEY)
    store.keep(one := kept())
    assert await store.get("codex", "resp_1") == one
    store = await reopened(file, store)
    assert await store.get("codex", "resp_1") == one
    await store.close()


async def test_another_agent_finds_nothing(file: Path) -> None:
    """Not even under the same id, of which each has its own."""
    store = Responses(file, lambda: KEY)
    store.keep(kept(agent="codex"))
    assert await store.get("claude", "resp_1") is None
    assert not await store.delete("claude", "resp_1")
    store.keep(kept(agent="claude"))
    assert await store.delete("claude", "resp_1")
    assert await store.get("codex", "resp_1") is not None
    await store.close()


async def test_a_row_cannot_stand_in_for_another_agents(file: Path) -> None:
    """The seal is bound to its agent and id."""
    store = Responses(file, lambda: KEY)
    store.keep(kept(agent="codex"))
    await store.close()
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.execute("UPDATE responses SET agent = 'claude'")
    store = Responses(file, lambda: KEY)
    assert await store.get("claude", "resp_1") is None
    await store.close()


async def test_nothing_lies_open_on_the_disk(file: Path) -> None:
    """Neither in the file nor beside it; only its owner may read it."""
    store = Responses(file, no_key)
    store.keep(kept())
    await store.delete("codex", "nothing")  # what came before is written
    assert file.stat().st_mode & 0o077 == 0
    assert all(b"zebra" not in one.read_bytes() for one in file.parent.iterdir())
    await store.close()


@pytest.mark.parametrize(("key", "lasting"), [(no_key, True), (lambda: KEY, False)])
async def test_what_may_not_last_ends_with_the_gateway(file: Path, key: Callable[[], bytes], lasting: bool) -> None:
    """Without a keychain, or where it is private: it can be continued from until then."""
    store = Responses(file, key)
    store.keep(kept(lasting=lasting))
    await store.delete("codex", "nothing")
    assert await store.get("codex", "resp_1") is not None
    store = await reopened(file, store, key)
    assert await store.get("codex", "resp_1") is None
    await store.close()


async def test_each_agents_are_bounded_by_number(file: Path) -> None:
    """The oldest go; another agent's stay."""
    store = Responses(file, lambda: KEY, Bounds(count=2))
    store.keep(kept("other", agent="claude", at=time.time() - 100))
    for at in range(4):
        store.keep(kept(f"resp_{at}", at=time.time() - 50 + at))
    await store.delete("codex", "nothing")
    found = [await store.get("codex", f"resp_{at}") is not None for at in range(4)]
    assert found == [False, False, True, True]
    assert await store.get("claude", "other") is not None
    await store.close()


async def test_each_agents_are_bounded_by_size(file: Path) -> None:
    """In bytes on the disk."""
    store = Responses(file, lambda: KEY, Bounds(size=150))
    for at in range(3):
        store.keep(kept(f"resp_{at}", at=time.time() - 50 + at))
    await store.delete("codex", "nothing")
    found = [await store.get("codex", f"resp_{at}") is not None for at in range(3)]
    assert found == [False, True, True]
    await store.close()


async def test_what_is_too_old_is_gone(file: Path) -> None:
    """Even before anything new is written."""
    store = Responses(file, lambda: KEY)
    store.keep(kept(at=time.time() - 31 * 86_400))
    await store.delete("codex", "nothing")
    assert await store.get("codex", "resp_1") is None
    await store.close()


async def test_forgotten_by_agent_and_by_time(file: Path) -> None:
    """How many, each time."""
    store = Responses(file, lambda: KEY)
    now = time.time()
    for agent, at in (("codex", now - 20), ("codex", now), ("claude", now - 20)):
        store.keep(kept(f"resp_{at}", agent=agent, at=at))
    assert await store.forget(agent="claude") == 1
    assert await store.forget(before=now - 10) == 1
    assert await store.forget() == 1
    await store.close()


async def test_a_file_that_cannot_be_used_harms_nobody(file: Path) -> None:
    """It is said once, and nothing can be continued from."""
    file.write_bytes(b"not a database, but something of its owner's" * 100)
    store = Responses(file, lambda: KEY)
    store.keep(kept())
    assert not await store.delete("codex", "nothing")
    assert await store.get("codex", "resp_1") is None
    assert store.trouble is not None
    assert str(file) in store.trouble
    await store.close()
    assert file.read_bytes().startswith(b"not a database")


async def test_what_comes_after_the_end_is_not_kept(file: Path) -> None:
    """A request that ends late does not fail."""
    store = Responses(file, lambda: KEY)
    await store.close()
    store.keep(kept())


async def test_an_items_response_is_found(file: Path) -> None:
    """The newest that holds it, of this agent alone; at once and after a restart, until it is forgotten."""
    store = Responses(file, lambda: KEY)
    store.keep(msgspec.structs.replace(kept("resp_1"), named=("msg_1", "msg_2")))
    store.keep(msgspec.structs.replace(kept("resp_2"), named=("msg_2",)))
    assert await store.holder("codex", "msg_2") == "resp_2"
    store = await reopened(file, store)
    found = [await store.holder("codex", one) for one in ("msg_1", "msg_2", "msg_3")]
    assert found == ["resp_1", "resp_2", None]
    assert await store.holder("claude", "msg_1") is None
    await store.delete("codex", "resp_1")
    assert await store.holder("codex", "msg_1") is None
    with closing(sqlite3.connect(file)) as raw:
        assert raw.execute("SELECT item FROM items").fetchall() == [("msg_2",)]
    await store.close()
