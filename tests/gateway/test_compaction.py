"""Summaries as agents keep them: sealed for one agent, opened when they come back, looked at like any text."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from pointsman.core.errors import BadRequest
from pointsman.gateway.compaction import Compactions, Opened
from pointsman.gateway.run import Run
from pointsman.system.keychain import KeychainProblem
from pointsman.wire import compacting
from pointsman.wire.body import raw

KEY = b"k" * 32
OTHER = raw({"role": "user", "content": "compaction"})


def no_key() -> bytes:
    """A keychain that keeps none."""
    raise KeychainProblem("missing", "No keychain can be used here.")


async def sealed(key: Any, agent: str = "one", sensitivity: str = "internal") -> msgspec.Raw:
    """An item as an agent gets it."""
    run = Run("req_1", agent)
    run.decision = SimpleNamespace(ruling=SimpleNamespace(sensitivity=sensitivity))  # type: ignore[assignment]
    seal = await Compactions(key).sealer(run)
    return raw({"type": "compaction", "encrypted_content": seal("It was a heron.")})


@pytest.mark.parametrize("key", [lambda: KEY, no_key], ids=["sealed", "open"])
async def test_it_comes_back_in_words_with_what_was_ruled_of_it(key: Any) -> None:
    """With a key and without; everything beside it stays as it is."""
    item = await sealed(key)
    assert b"heron" not in bytes(item)
    opened = await Compactions(key).opened("one", [OTHER, item])
    assert (opened.found, opened.sensitivity) == (True, "internal")
    assert opened.items == [OTHER, compacting.opened("It was a heron.")]


async def test_two_rule_together() -> None:
    """The more sensitive of them counts."""
    items = [await sealed(lambda: KEY, sensitivity=level) for level in ("personal", "public")]
    assert (await Compactions(lambda: KEY).opened("one", items)).sensitivity == "personal"


async def test_one_that_was_packed_without_a_key_is_read_with_one() -> None:
    """A keychain may come later."""
    item = await sealed(no_key)
    assert (await Compactions(lambda: KEY).opened("one", [item])).found


@pytest.mark.parametrize(("key", "agent"), [(lambda: KEY, "two"), (lambda: b"x" * 32, "one"), (no_key, "one")])
async def test_a_seal_is_one_agents_and_one_keys(key: Any, agent: str) -> None:
    """Whoever else sends it hears that it cannot be opened."""
    item = await sealed(lambda: KEY)
    with pytest.raises(BadRequest, match="cannot be opened"):
        await Compactions(key).opened(agent, [item])


@pytest.mark.parametrize("text", ["pointsman-sealed:", "pointsman-sealed:é", "pointsman-open:AAAA", "pointsman-open:*"])
async def test_what_was_changed_on_its_way_is_refused(text: str) -> None:
    """Whatever it holds."""
    with pytest.raises(BadRequest, match="cannot be opened"):
        await Compactions(lambda: KEY).opened("one", [raw({"type": "compaction", "encrypted_content": text})])


@pytest.mark.parametrize(
    "item",
    [
        {"type": "compaction", "encrypted_content": "gAAAA"},
        {"type": "compaction", "encrypted_content": None},
        {"type": "message", "role": "user", "content": "pointsman-open:AAAA compaction"},
        {"type": "compaction", "encrypted_content": 5},
    ],
)
async def test_what_is_not_ours_stays_as_it_is(item: dict[str, Any]) -> None:
    """A vendor's own, and whatever only looks like one; no key is asked for."""
    assert await Compactions(no_key).opened("one", [raw(item)]) == Opened([raw(item)])


async def test_a_summary_that_unpacks_without_end_is_refused() -> None:
    """A few bytes could stand for very many."""
    import base64
    import zlib

    bomb = base64.urlsafe_b64encode(zlib.compress(b"\x92\xdb\x7f\xff\xff\xff" + b"a" * 40_000_000)).decode()
    with pytest.raises(BadRequest, match="cannot be opened"):
        await Compactions(no_key).opened(
            "one", [raw({"type": "compaction", "encrypted_content": f"pointsman-open:{bomb}"})]
        )
