"""Responses with state at the door: what may last, what a gateway left behind, and how many may be made at a time."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pointsman.core.catalog import Keep
from pointsman.core.errors import BadRequest, Busy, NotFound, PreviousNotFound, TooLarge
from pointsman.core.request import Hints
from pointsman.gateway import background, kept_responses
from pointsman.gateway.attempts import Sent
from pointsman.gateway.following import Room, Told
from pointsman.gateway.kept_responses import Asked, KeptResponses
from pointsman.gateway.run import Run
from pointsman.system.paths import Paths, make
from pointsman.wire import stored
from pointsman.wire.surfaces import SURFACES

KEY = bytes(range(32))


def house(home: Path, *, personal: bool = False, off: bool = False, tainted: bool = False) -> Any:
    """What is looked at of a house."""
    return SimpleNamespace(
        paths=make(Paths(home)),
        keychain=SimpleNamespace(seal_key=lambda: KEY),
        catalog=SimpleNamespace(keep=Keep(bodies=False, personal=personal)),
        keeping=SimpleNamespace(on=lambda _agent: not off),
        taints=SimpleNamespace(of=lambda _session: ["card_number"] if tainted else []),
    )


def run(sensitivity: str = "public") -> Run:
    """A request that was decided."""
    one = Run("req_1", "codex")
    decided: Any = SimpleNamespace(who=SimpleNamespace(session="s"), ruling=SimpleNamespace(sensitivity=sensitivity))
    one.decision = decided
    return one


def body(**fields: Any) -> bytes:
    """A request."""
    return json.dumps({"model": "m", "input": "Go on", **fields}).encode()


ASKED = Asked(body(), b'[{"role":"user","content":"Hello"}]', store=True)
RESPONSE = b'{"id":"resp_1","status":"completed","output":[{"type":"message","role":"assistant","content":"Hi"}]}'


@pytest.mark.parametrize(
    ("sensitivity", "more", "lasts"),
    [
        ("public", {}, True),
        ("internal", {}, True),
        ("personal", {}, False),
        ("personal", {"personal": True}, True),
        ("public", {"tainted": True}, False),
        ("public", {"off": True}, False),
    ],
)
async def test_what_may_outlive_the_gateway(home: Path, sensitivity: str, more: dict[str, bool], lasts: bool) -> None:
    """As the person lets bodies be kept; the agent can go on with either until the gateway ends."""
    kept = KeptResponses(house(home, **more))
    kept.keep(run(sensitivity), ASKED, RESPONSE)
    assert (await kept.asked("codex", body(previous_response_id="resp_1"))).sensitivity == sensitivity
    await kept.close()
    again = KeptResponses(house(home, **more))
    assert (await again.store.get("codex", "resp_1") is not None) == lasts
    await again.close()


async def test_what_comes_before_is_put_in(home: Path) -> None:
    """In order, and the field is gone; what is kept of the next one is all of it."""
    kept = KeptResponses(house(home))
    kept.keep(run(), ASKED, RESPONSE)
    asked = await kept.asked("codex", body(previous_response_id="resp_1"))
    sent = json.loads(asked.body)
    assert "previous_response_id" not in sent
    said = [item["content"] for item in sent["input"]]
    assert said == ["Hello", "Hi", [{"type": "input_text", "text": "Go on"}]]
    assert json.loads(asked.items) == sent["input"]
    await kept.close()


async def test_a_body_without_state_keeps_its_bytes(home: Path) -> None:
    """Nothing is written anew where nothing is put in."""
    kept = KeptResponses(house(home))
    raw = b'{ "model":"m", "input":[ ] , "store" : false}'
    asked = await kept.asked("codex", raw)
    assert (asked.body, asked.store, asked.items) == (raw, False, b"")
    await kept.close()


async def test_a_conversation_that_is_too_long_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request was small enough; all of them together are not."""
    monkeypatch.setattr(kept_responses, "_MOST", 60)
    kept = KeptResponses(house(home))
    kept.keep(run(), ASKED, RESPONSE)
    with pytest.raises(TooLarge):
        await kept.asked("codex", body(previous_response_id="resp_1"))
    await kept.close()


async def test_an_item_named_many_times_is_refused_before_it_is_put_in(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small body names a large item a thousand times: all of that is never written."""
    monkeypatch.setattr(kept_responses, "_MOST", 100_000)
    monkeypatch.setattr(stored, "joined", lambda _rows: pytest.fail("it was put together"))
    kept = KeptResponses(house(home))
    said = {"type": "message", "id": "msg_1", "role": "assistant", "content": "a" * 1_000}
    kept.keep(run(), ASKED, json.dumps({"id": "resp_1", "status": "completed", "output": [said]}).encode())
    with pytest.raises(TooLarge):
        await kept.asked("codex", body(input=[{"type": "item_reference", "id": "msg_1"}] * 1_000))
    await kept.close()


async def test_of_the_responses_that_are_referred_to_only_the_items_stay(home: Path) -> None:
    """A named item does not hold the bytes of the whole response that said it."""
    kept = KeptResponses(house(home))
    said = [{"type": "message", "id": f"msg_{n}", "role": "assistant", "content": "Hi"} for n in range(2)]
    kept.keep(run(), ASKED, json.dumps({"id": "resp_1", "status": "completed", "output": said}).encode())
    response = await kept.store.get("codex", "resp_1")
    assert response is not None
    assert list(kept_responses._meant(response, ["msg_1", None])) == ["msg_1"]
    await kept.close()


async def test_what_was_heard_has_a_bound_for_all(home: Path) -> None:
    """Each holds its whole response in one event: the largest go, and their clients hear of what was kept instead."""
    kept = KeptResponses(house(home))
    kept.room = Room(most=10_000)
    for number in range(5):
        told = Told(kept.room)
        told.add(RESPONSE + b" " * 3_000)
        kept.heard(("codex", f"resp_{number}"), told, again=True)
    assert kept.room.used <= 10_000
    kept.keep(run(), ASKED, RESPONSE.replace(b"resp_1", b"resp_0"))
    frames = [frame async for frame in await kept.replay("codex", "resp_0", "")]
    assert b"response.completed" in frames[-1]
    await kept.close()


async def test_what_has_no_whole_answer_is_not_continued(home: Path) -> None:
    """Nor is what nobody knows."""
    kept = KeptResponses(house(home))
    kept.keep(run(), ASKED, b'{"id":"resp_1","status":"cancelled","output":[]}')
    with pytest.raises(BadRequest, match="no whole answer"):
        await kept.asked("codex", body(previous_response_id="resp_1"))
    with pytest.raises(PreviousNotFound):
        await kept.asked("codex", body(previous_response_id="resp_2"))
    await kept.close()


async def test_what_a_gateway_left_in_the_middle_has_failed(home: Path) -> None:
    """Its client hears so, rather than polling for ever; the mark holds nobody's words."""
    kept = KeptResponses(house(home))
    one = run()
    first = background._first(one, None)
    assert b"Go on" not in first
    kept.mark(one, first)
    await kept.close()
    again = KeptResponses(house(home))
    found = json.loads(await again.get("codex", "resp_1"))
    assert (found["status"], found["error"]["code"]) == ("failed", "server_error")
    await again.close()


async def test_so_many_at_a_time(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent cannot fill the machine with what nobody waits for."""
    monkeypatch.setattr(background, "_MOST", 1)
    place = house(home)
    place.responses = KeptResponses(place)
    place.responses.working["codex", "resp_0"] = SimpleNamespace()
    with pytest.raises(Busy):
        background.begin(place, run(), ASKED, (Sent(dialect=SURFACES["responses"], body=b"{}"), Hints()))
    place.responses.working.clear()
    await place.responses.close()


async def test_cancelled_before_it_began(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its end is kept all the same."""
    place = house(home)
    place.responses = KeptResponses(place)
    background.begin(place, run(), ASKED, (Sent(dialect=SURFACES["responses"], body=b"{}"), Hints()))
    assert json.loads(await place.responses.cancel("codex", "resp_1"))["status"] == "cancelled"
    assert place.responses.working == {}
    await place.responses.close()


async def test_an_item_that_is_only_named_is_put_in(home: Path) -> None:
    """What this agent's kept responses said, in its place; what was ruled of it counts for the request too."""
    kept = KeptResponses(house(home))
    said = {"type": "message", "id": "msg_1", "role": "assistant", "content": "Hi"}
    kept.keep(run("internal"), ASKED, json.dumps({"id": "resp_1", "status": "completed", "output": [said]}).encode())
    items = [{"role": "user", "content": "Hello"}, {"type": "item_reference", "id": "msg_1"}, {"role": "user"}]
    asked = await kept.asked("codex", body(input=items))
    sent = json.loads(asked.body)["input"]
    assert [item.get("content") for item in sent] == ["Hello", "Hi", None]
    assert json.loads(asked.items) == sent
    assert asked.sensitivity == "internal"
    await kept.close()


async def test_an_item_that_nobody_kept_is_refused_by_name(home: Path) -> None:
    """Another agent's is not there either."""
    kept = KeptResponses(house(home))
    said = {"type": "message", "id": "msg_1", "role": "assistant", "content": "Hi"}
    kept.keep(run(), ASKED, json.dumps({"id": "resp_1", "status": "completed", "output": [said]}).encode())
    for agent, id_ in (("codex", "msg_2"), ("claude", "msg_1")):
        with pytest.raises(NotFound, match=f"Item with id '{id_}' not found"):
            await kept.asked(agent, body(input=[{"type": "item_reference", "id": id_}]))
    with pytest.raises(NotFound):  # however it is written: a provider would find it, whoever's it is
        await kept.asked("codex", b'{"model":"m","input":[{"\\u0069d":"msg_2"}]}')
    await kept.close()


@pytest.mark.parametrize("after", ["9" * 5_000, "-1", "one", "\u0663"])
async def test_a_number_that_is_none_is_passed_over(home: Path, after: str) -> None:
    """All events are told."""
    kept = KeptResponses(house(home))
    kept.keep(run(), ASKED, b'{"id":"resp_1","status":"completed","output":[]}')
    assert len([frame async for frame in await kept.replay("codex", "resp_1", after)]) == 3
    await kept.close()
