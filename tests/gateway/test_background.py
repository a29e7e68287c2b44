"""Responses made in the background: nobody holds a connection, so a question waits as long as it lives; streams go on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from pointsman.core import approval
from pointsman.core.request import Hints
from pointsman.engines.supervisor import Supervisor
from pointsman.gateway import background
from pointsman.gateway.attempts import Sent
from pointsman.gateway.following import Told
from pointsman.gateway.run import Run
from pointsman.wire import admin, sse
from pointsman.wire.surfaces import SURFACES
from tests.fakes.billing_upstream import BillingUpstream, Wish
from tests.fakes.busy_house import BusyHouse, models, open_house, workers

HELD = 0.05  # seconds that a connection would be held


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BillingUpstream]:
    """A provider that bills; the house of this test finds it."""
    with BillingUpstream() as fake:
        (tmp_path / "models.toml").write_text(models(fake))
        monkeypatch.setenv("POINTSMAN_MODELS", str(tmp_path / "models.toml"))
        monkeypatch.setenv("FAKE_KEY", "sk-test")
        yield fake


@pytest.fixture
async def busy(upstream: BillingUpstream, tmp_path: Path) -> AsyncIterator[BusyHouse]:
    """A house that holds no connection for long."""
    made: Supervisor = workers(tmp_path / "logs")
    async with open_house(tmp_path / "home", made) as house:
        house.house.approvals._wait = HELD
        yield house
    await made.close()


async def begun(busy: BusyHouse, *acts: str, **more: Any) -> str:
    """The id of a response that was asked for in the background."""
    wish = Wish(id="one", acts=acts or ("ok",)).text()
    fields = {"model": "dear", "input": wish, "max_output_tokens": 100, "background": True, **more}
    asked = await busy.house.responses.asked("tester", json.dumps(fields).encode())
    sent = Sent(dialect=SURFACES["responses"], body=asked.body)
    first = background.begin(busy.house, Run("req_00", "tester"), asked, (sent, Hints()))
    return str(json.loads(first)["id"])


async def told(busy: BusyHouse, id_: str) -> dict[str, Any]:
    """What polling finds."""
    found: dict[str, Any] = json.loads(await busy.house.responses.get("tester", id_))
    return found


async def asking(busy: BusyHouse) -> admin.Question:
    """The question, once more time has gone by than a connection would be held."""
    heard = busy.house.bus.listen()
    while not (found := busy.house.approvals.open()):
        await heard.get()
    await asyncio.sleep(HELD * 4)
    return found[0]


async def ended(busy: BusyHouse, id_: str) -> dict[str, Any]:
    """The response, once it is made."""
    async for _ in await busy.house.responses.replay("tester", id_, ""):
        pass
    return await told(busy, id_)


async def test_it_waits_for_the_person_as_long_as_the_question_lives(busy: BusyHouse) -> None:
    """Polling shows that it waits, however long the person takes; then it goes on."""
    await busy.do(admin.SetCap(name="daily", limit=1, at_limit="ask"))
    id_ = await begun(busy)
    question = await asking(busy)
    assert (await told(busy, id_))["status"] == "queued"
    assert question.waits_until == question.expires
    await busy.do(admin.Answer(question=question.id, verdict="approve"))
    done = await ended(busy, id_)
    assert (done["status"], done["error"]) == ("completed", None)


async def test_a_denial_is_the_responses_error(busy: BusyHouse, upstream: BillingUpstream) -> None:
    """With the sentence and the code that a client with a connection would have had."""
    await busy.do(admin.SetCap(name="daily", limit=1, at_limit="ask"))
    id_ = await begun(busy)
    await busy.do(admin.Answer(question=(await asking(busy)).id, verdict="deny"))
    done = await ended(busy, id_)
    assert (done["status"], done["error"]["code"]) == ("failed", "insufficient_quota")
    assert "It was denied." in done["error"]["message"]
    assert upstream.bills == {}


async def test_nobody_answers(busy: BusyHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the question is a denial."""
    monkeypatch.setattr(approval, "LIFE", 0.3)
    await busy.do(admin.SetCap(name="daily", limit=1, at_limit="ask"))
    done = await ended(busy, await begun(busy))
    assert done["status"] == "failed"
    assert "Nobody answered in time" in done["error"]["message"]


async def test_consent_is_waited_for_too(busy: BusyHouse) -> None:
    """A card's number may leave if the person says so, late or not."""
    id_ = await begun(busy, instructions="My card is 4111 1111 1111 1111")
    question = await asking(busy)
    assert (question.kind, (await told(busy, id_))["status"]) == ("consent", "queued")
    await busy.do(admin.Answer(question=question.id, verdict="approve"))
    assert (await ended(busy, id_))["status"] == "completed"


@pytest.mark.parametrize(("act", "code"), [("500", "server_error"), ("429", "rate_limit_exceeded")])
async def test_a_failure_has_a_code_that_its_client_knows(busy: BusyHouse, act: str, code: str) -> None:
    """Whether time may mend it, and when."""
    assert (await ended(busy, await begun(busy, act)))["error"]["code"] == code


def read(frames: list[bytes]) -> list[dict[str, Any]]:
    """What the events say."""
    return [json.loads(sse.parse(frame).data) for frame in frames]


@pytest.mark.parametrize("stream", [False, True])
async def test_its_events_can_be_followed_and_taken_up_again(busy: BusyHouse, stream: bool) -> None:
    """From any number on, while it is made and after; each belongs to the response that the client knows."""
    id_ = await begun(busy, stream=stream)
    frames = [frame async for frame in await busy.house.responses.replay("tester", id_, "")]
    events = read(frames)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    kinds = [event["type"] for event in events]
    assert kinds[:2] == ["response.created", "response.queued"]
    assert kinds[-1] == "response.completed"
    assert {event["response"]["id"] for event in events if "response" in event} == {id_}
    assert events[-1]["response"] == await told(busy, id_)
    again = [frame async for frame in await busy.house.responses.replay("tester", id_, "3")]
    assert again == frames[4:]


@pytest.mark.parametrize("acts", [("die",), ("500",)])
async def test_a_stream_that_fails_says_so_at_its_end(busy: BusyHouse, acts: tuple[str, ...]) -> None:
    """Whether it had begun or not."""
    id_ = await begun(busy, *acts, stream=True)
    events = read([frame async for frame in await busy.house.responses.replay("tester", id_, "")])
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["type"] == "response.failed"
    assert events[-1]["response"]["error"]["code"] == "server_error"
    assert (await told(busy, id_))["status"] == "failed"


async def test_a_stream_that_is_cancelled_ends() -> None:
    """Whoever follows it hears the last of it, and it can be told again."""
    events = Told()
    events.add(b'data: {"type":"response.created","sequence_number":0}\n\n')
    events.add(b'data: {"type":"response.queued","sequence_number":1}\n\n')
    events.add(b'data: {"type":"response.in_progress","sequence_number":2}\n\n')
    asyncio.get_running_loop().call_soon(events.end, b'{"id":"resp_1","status":"cancelled","output":[]}')
    (last,) = read([frame async for frame in events.after(2)])
    assert (last["type"], last["sequence_number"], last["response"]["status"]) == ("response.failed", 3, "cancelled")


async def test_what_is_forgotten_is_not_told_from_memory(busy: BusyHouse) -> None:
    """Its events go with it."""
    id_ = await begun(busy, stream=True)
    await ended(busy, id_)
    await busy.house.responses.forget("tester", id_)
    assert busy.house.responses._heard == {}
