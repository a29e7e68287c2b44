"""Summaries as agents keep them: sealed for one agent, opened when they come back, looked at like any text."""

from __future__ import annotations

import base64
import threading
import zlib
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from pointsman.core.errors import BadRequest, TooLarge, Unavailable
from pointsman.gateway import compaction
from pointsman.gateway.compaction import Compactions, Opened
from pointsman.gateway.run import Run
from pointsman.gateway.vendor_seals import VendorSeals
from pointsman.store.responses import Responses
from pointsman.system.keychain import KeychainProblem
from pointsman.wire import compacting
from pointsman.wire.body import raw

KEY = b"k" * 32
OTHER = raw({"role": "user", "content": "compaction"})


def compactions(key: Any) -> Compactions:
    """What seals and opens with this key, where no vendor sealed anything."""
    return Compactions(key, VendorSeals(cast("Responses", None)))


def no_key() -> bytes:
    """A keychain that keeps none."""
    raise KeychainProblem("missing", "No keychain can be used here.")


async def sealed(key: Any, agent: str = "one", sensitivity: str = "internal") -> msgspec.Raw:
    """An item as an agent gets it."""
    run = Run("req_1", agent)
    run.decision = SimpleNamespace(ruling=SimpleNamespace(sensitivity=sensitivity))  # type: ignore[assignment]
    seal = await compactions(key).sealer(run)
    return raw({"type": "compaction", "encrypted_content": seal("It was a heron.")})


@pytest.mark.parametrize("key", [lambda: KEY, no_key], ids=["sealed", "open"])
async def test_it_comes_back_in_words_with_what_was_ruled_of_it(key: Any) -> None:
    """With a key and without; everything beside it stays as it is."""
    item = await sealed(key)
    assert b"heron" not in bytes(item)
    opened = await compactions(key).opened("one", [OTHER, item])
    assert (opened.found, opened.sensitivity) == (True, "internal")
    assert opened.items == [OTHER, compacting.opened("It was a heron.")]


async def test_two_rule_together() -> None:
    """The more sensitive of them counts."""
    items = [await sealed(lambda: KEY, sensitivity=level) for level in ("personal", "public")]
    assert (await compactions(lambda: KEY).opened("one", items)).sensitivity == "personal"


async def test_one_that_was_packed_without_a_key_is_read_with_one() -> None:
    """A keychain may come later."""
    item = await sealed(no_key)
    assert (await compactions(lambda: KEY).opened("one", [item])).found


@pytest.mark.parametrize(("key", "agent"), [(lambda: KEY, "two"), (lambda: b"x" * 32, "one")])
async def test_a_seal_is_one_agents_and_one_keys(key: Any, agent: str) -> None:
    """Whoever else sends it hears that it cannot be opened."""
    item = await sealed(lambda: KEY)
    with pytest.raises(BadRequest, match="cannot be opened"):
        await compactions(key).opened(agent, [item])


@pytest.mark.parametrize("text", ["pointsman-sealed:", "pointsman-sealed:é", "pointsman-open:AAAA", "pointsman-open:*"])
async def test_what_was_changed_on_its_way_is_refused(text: str) -> None:
    """Whatever it holds."""
    with pytest.raises(BadRequest, match="cannot be opened"):
        await compactions(lambda: KEY).opened("one", [raw({"type": "compaction", "encrypted_content": text})])


@pytest.mark.parametrize(
    "item",
    [
        {"type": "compaction", "encrypted_content": None},
        {"type": "message", "role": "user", "content": "pointsman-open:AAAA compaction"},
        {"type": "compaction", "encrypted_content": 5},
    ],
)
async def test_what_is_not_ours_stays_as_it_is(item: dict[str, Any]) -> None:
    """Whatever only looks like one; no key is asked for."""
    assert await compactions(no_key).opened("one", [raw(item)]) == Opened([raw(item)])


async def test_a_summary_that_unpacks_without_end_is_refused() -> None:
    """A few bytes could stand for very many."""
    bomb = base64.urlsafe_b64encode(zlib.compress(b"\x92\xdb\x7f\xff\xff\xff" + b"a" * 40_000_000)).decode()
    with pytest.raises(BadRequest, match="cannot be opened"):
        await compactions(no_key).opened(
            "one", [raw({"type": "compaction", "encrypted_content": f"pointsman-open:{bomb}"})]
        )


def packed(text: str, sensitivity: str = "public") -> msgspec.Raw:
    """A summary in the open, as anybody could make one."""
    inside = zlib.compress(msgspec.msgpack.encode({"text": text, "sensitivity": sensitivity}))
    return raw(
        {"type": "compaction", "encrypted_content": f"pointsman-open:{base64.urlsafe_b64encode(inside).decode()}"}
    )


async def test_all_of_a_request_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each alone would fit."""
    monkeypatch.setattr(compaction, "_TOGETHER", 10_000)
    assert (await compactions(no_key).opened("one", [packed("a" * 4_000)] * 2)).found
    with pytest.raises(TooLarge, match="over 0 MB"):
        await compactions(no_key).opened("one", [packed("a" * 4_000)] * 3)


async def test_what_grows_when_it_is_written_is_bounded_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A character may take six bytes in JSON."""
    monkeypatch.setattr(compaction, "_TOGETHER", 10_000)
    with pytest.raises(TooLarge):
        await compactions(no_key).opened("one", [packed(chr(1) * 4_000)])


async def test_no_more_is_unpacked_than_may_be() -> None:
    """Sixty of eight megabytes end after four: all of them would take half a gigabyte."""
    big = packed("a" * (8 * 2**20 - 100))
    with pytest.raises(TooLarge):
        await compactions(no_key).opened("one", [big] * 60)


async def test_they_are_unpacked_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others' streams go on meanwhile."""
    seen: list[bool] = []
    opened = compacting.opened

    def noted(summary: str) -> msgspec.Raw:
        seen.append(threading.current_thread() is threading.main_thread())
        return opened(summary)

    monkeypatch.setattr(compacting, "opened", noted)
    await compactions(no_key).opened("one", [packed("It was a heron.")])
    assert seen == [False]


@pytest.mark.parametrize("level", ["__class__", "", "the words of a prompt"])
async def test_a_level_that_nobody_knows_is_refused(level: str) -> None:
    """It would go into sentences and rows."""
    with pytest.raises(BadRequest, match="cannot be opened"):
        await compactions(no_key).opened("one", [packed("It was a heron.", level)])


async def test_a_locked_keychain_is_said() -> None:
    """It can be unlocked; the conversation is not to blame."""
    item = await sealed(lambda: KEY)
    with pytest.raises(Unavailable, match="cannot be opened now: No keychain can be used here"):
        await compactions(no_key).opened("one", [item])
