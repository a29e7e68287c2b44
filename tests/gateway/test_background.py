"""Responses made in the background: nobody holds a connection, so a question waits as long as it lives; streams go on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from pointsman.core import approval
from pointsman.core.errors import Fault, Refusal, UpstreamSaid
from pointsman.core.request import Hints
from pointsman.engines.supervisor import Supervisor
from pointsman.gateway import background, record
from pointsman.gateway.attempts import Sent
from pointsman.gateway.following import Told, replayed
from pointsman.gateway.house import House
from pointsman.gateway.kept_responses import Asked
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


async def test_a_cancel_that_comes_too_late_loses_no_answer(busy: BusyHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is whole and paid for: only its row was left to write."""
    write, writing, may = record.write, asyncio.Event(), asyncio.Event()

    async def slow(house: House, run: Run) -> None:
        writing.set()
        await may.wait()
        await write(house, run)

    monkeypatch.setattr(record, "write", slow)
    id_ = await begun(busy)
    await writing.wait()
    await busy.house.responses.cancel("tester", id_)
    may.set()
    await busy.all_ended()
    assert (await told(busy, id_))["status"] == "completed"


async def test_a_cancelled_response_takes_its_question_along(busy: BusyHouse) -> None:
    """Nobody comes back for the answer, and the agent has only so many places."""
    await busy.do(admin.SetCap(name="daily", limit=1, at_limit="ask"))
    id_ = await begun(busy)
    await asking(busy)
    await busy.house.responses.cancel("tester", id_)
    assert busy.house.approvals.open() == []


async def test_its_followers_hear_the_end_though_it_cannot_be_kept(
    busy: BusyHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None waits for ever."""

    def full(*_: object) -> None:
        raise OSError("The disk is full.")

    monkeypatch.setattr(busy.house.responses, "keep", full)
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    id_ = await begun(busy, stream=True)
    async with asyncio.timeout(30):
        frames = [frame async for frame in busy.house.responses.working["tester", id_].events.after(-1)]
    assert read(frames)[-1]["type"] == "response.completed"


ODD = [
    ({}, "response.failed"),
    ({"status": "completed", "output": [None]}, "response.completed"),
    ({"status": "incomplete", "output": [{"type": "function_call"}]}, "response.incomplete"),
    ({"status": "completed", "output": [{"type": "message", "content": ["a"]}]}, "response.completed"),
    ({"status": 7, "output": 8}, "response.failed"),
]


@pytest.mark.parametrize(("more", "kind"), ODD)
async def test_a_response_of_another_shape_ends_too(more: dict[str, Any], kind: str) -> None:
    """Providers write what they like; whoever follows hears the last of it."""
    events = Told()
    events.add(b'data: {"type":"response.created","sequence_number":0}\n\n')
    events.add(b'data: {"type":"response.queued","sequence_number":1}\n\n')
    response = json.dumps({"id": "resp_1", **more}).encode()
    events.end(response)
    assert read([frame async for frame in events.after(-1)])[-1]["type"] == kind
    assert read([frame async for frame in replayed(response, -1)])[-1]["type"] == kind


async def test_whoever_counted_further_hears_the_end() -> None:
    """A stream that is told again may have fewer events than it had: its last one comes, under the next number."""
    events, response = Told(), b'{"id":"resp_1","status":"completed","output":[]}'
    events.add(b'data: {"type":"response.created","sequence_number":0}\n\n')
    events.add(b'data: {"type":"response.queued","sequence_number":1}\n\n')
    events.end(response)
    for frames in (events.after(500), replayed(response, 500)):
        (last,) = read([frame async for frame in frames])
        assert (last["type"], last["sequence_number"]) == ("response.completed", 501)


def answered(body: bytes, status: int, refusal: Refusal | None = None) -> dict[str, Any]:
    """The response that is made of an answer."""
    run = Run("req_1", "tester")
    run.refusal = refusal
    nobody: Any = None
    made = background.Background(nobody, run, Asked(b'{"metadata":"\xff"}'))
    reply = background._Unread(Told(), {})
    reply.status, reply.body = status, body
    found: dict[str, Any] = json.loads(made._ended(reply))
    return found


def test_a_whole_answer_without_a_status_is_completed() -> None:
    """Its client polls until it is; bytes that are no text in what was asked change nothing."""
    assert answered(b'{"id":"resp_a","output":[]}', 200)["status"] == "completed"
    assert answered(b'{"id":"resp_a","status":"incomplete","output":[]}', 200)["status"] == "incomplete"


@pytest.mark.parametrize(
    ("dialect", "status", "code", "told_"),
    [
        ("responses", 429, "insufficient_quota", "insufficient_quota"),
        ("responses", 503, "server_is_overloaded", "server_is_overloaded"),
        ("chat", 429, "insufficient_quota", "rate_limit_exceeded"),
        ("chat", 503, "overloaded", "server_error"),
        ("responses", 500, None, "server_error"),
    ],
)
def test_a_vendors_word_stays_for_its_own_client(dialect: str, status: int, code: str | None, told_: str) -> None:
    """Codex tries again after one and not after another."""
    refusal = UpstreamSaid("It said no.", "No.", status=status, headers={}, fault=Fault(dialect, code))
    assert answered(b'{"error":{"code":"upstream_failed","message":"No."}}', status, refusal)["error"]["code"] == told_
