"""What a vendor sealed is known again: who made it, and what was ruled of what is inside."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from pointsman.gateway.compaction import Compactions, Opened
from pointsman.gateway.run import Decision, Run
from pointsman.gateway.vendor_seals import Maker, VendorSeals
from pointsman.store.responses import Responses
from pointsman.wire import sse
from pointsman.wire.body import raw

KEY = b"k" * 32
ITEM = {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAAA-_="}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Responses]:
    """What is kept on this machine."""
    one = Responses(tmp_path / "responses.db", lambda: KEY)
    yield one
    await one.close()


def run(answer: bytes, *, sensitivity: str = "internal", provider: str = "far", compacts: bool = True) -> Run:
    """A request that was answered with these bytes."""
    made = Run("req_1", "one")
    target = SimpleNamespace(provider=provider)
    catalog = SimpleNamespace(targets={"t": target}, compacts=lambda _target, *, tools: compacts and not tools)
    ruling = SimpleNamespace(sensitivity=sensitivity)
    decision = SimpleNamespace(catalog=catalog, request=SimpleNamespace(tools=0), ruling=ruling)
    made.decision, made.attempt = cast("Decision", decision), cast("Any", SimpleNamespace(target="t"))
    made.keep(answer)
    return made


WHOLE = json.dumps({"object": "response.compaction", "output": [ITEM]}).encode()
EVENT = sse.encode(msgspec.json.encode({"type": "response.output_item.done", "item": ITEM}))


@pytest.mark.parametrize("answer", [WHOLE, EVENT], ids=["whole", "stream"])
async def test_what_was_sealed_is_known_again(store: Responses, answer: bytes) -> None:
    """By who has it, and after the gateway began anew; for no other agent."""
    seals = VendorSeals(store)
    seals.watch(run(answer))
    known = Maker("far", "internal")
    assert await seals.of("one", ["gAAAA-_="]) == known
    assert await VendorSeals(store).of("one", ["gAAAA-_="]) == known
    assert await seals.of("two", ["gAAAA-_="]) == Maker(None, "personal")


async def test_what_is_not_known_counts_as_personal(store: Responses) -> None:
    """Beside one that is known too; the known one says who reads it."""
    seals = VendorSeals(store)
    seals.watch(run(WHOLE))
    assert await seals.of("one", ["other"]) == Maker(None, "personal")
    assert await seals.of("one", ["other", "gAAAA-_="]) == Maker("far", "personal")
    assert await seals.of("one", [str(number) for number in range(17)]) == Maker(None, "personal")


async def test_what_two_made_nobody_reads(store: Responses) -> None:
    """No provider has this name."""
    seals = VendorSeals(store)
    seals.watch(run(WHOLE))
    seals.watch(run(b'{"encrypted_content":"second"}', provider="near"))
    assert await seals.of("one", ["gAAAA-_=", "second"]) == Maker("", "internal")


@pytest.mark.parametrize(
    "answer", [b"{}", b'{"text":"\\"encrypted_content\\":\\"gAAAA-_=\\""}', b'{"encrypted_content":""}']
)
async def test_words_of_a_model_are_no_seal(store: Responses, answer: bytes) -> None:
    """However they look."""
    seals = VendorSeals(store)
    seals.watch(run(answer))
    assert (await seals.of("one", ["gAAAA-_=", ""])).provider is None


async def test_only_providers_that_compact_seal(store: Responses) -> None:
    """For any other, nobody knows what it was."""
    seals = VendorSeals(store)
    seals.watch(run(WHOLE, compacts=False))
    undecided = Run("req_2", "one")
    undecided.keep(WHOLE)
    seals.watch(undecided)
    assert await seals.of("one", ["gAAAA-_="]) == Maker()


async def test_what_is_over_is_looked_at_once(store: Responses) -> None:
    """Its answer is not held any longer."""
    seals, over = VendorSeals(store), run(WHOLE)
    seals.watch(over)
    over.outcome = "done"
    seals.note()
    over.answer.clear()
    assert not seals._runs
    assert (await seals.of("one", ["gAAAA-_="])).provider == "far"


async def test_a_conversation_is_as_private_as_what_is_sealed_in_it(store: Responses) -> None:
    """And goes to who sealed it; its items stay as they are."""
    compactions = Compactions(lambda: KEY, VendorSeals(store))
    item = raw(ITEM)
    assert await compactions.opened("one", [item]) == Opened([item], sensitivity="personal")
    await compactions.sealer(run(WHOLE))
    assert await compactions.opened("one", [item]) == Opened([item], sensitivity="internal", sealed_by="far")
