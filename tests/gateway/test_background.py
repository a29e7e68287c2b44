"""Responses made in the background: nobody holds a connection, so a question waits as long as it lives; streams go on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pointsman.core import approval
from pointsman.core.errors import Busy, Fault, Refusal, UpstreamSaid
from pointsman.core.request import Hints
from pointsman.engines.supervisor import Supervisor
from pointsman.gateway import background, kept_responses, record
from pointsman.gateway.attempts import Sent
from pointsman.gateway.following import Room, Told, replayed
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


async def begun(busy: BusyHouse, *acts: str, run: str = "req_00", **more: Any) -> str:
    """The id of a response that was asked for in the background."""
    wish = Wish(id="one", acts=acts or ("ok",)).text()
    fields = {"model": "dear", "input": wish, "max_output_tokens": 100, "background": True, **more}
    asked = await busy.house.responses.asked("tester", json.dumps(fields).encode())
    sent = Sent(dialect=SURFACES["responses"], body=asked.body)
    first = background.begin(busy.house, Run(run, "tester"), asked, (sent, Hints()))
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
    assert question.destination == admin.Destination(
        provider="fake", region="here", retention_days=None, trains_on_data=None, terms=None
    )
    assert question.sentence.startswith("fake keeps data in here, does not say for how long")
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


def event(number: int, size: int = 100) -> bytes:
    """An event of about so many bytes."""
    told = {"type": "response.output_text.delta", "sequence_number": number, "delta": "x" * size}
    return sse.encode(json.dumps(told).encode())


WHOLE = json.dumps({"id": "resp_1", "status": "completed", "output": [], "pad": ""}).encode()


def filled(room: Room, events: int, size: int = 100) -> Told:
    """A response with so many events."""
    told = Told(room)
    for number in range(events):
        told.add(event(number, size))
    return told


async def test_only_so_many_bytes_of_events_are_remembered_of_one() -> None:
    """The oldest are forgotten; whoever follows goes on with those that come, under their numbers."""
    room = Room(each=10_000)
    told = filled(room, 1_000)
    assert told.size <= 10_000
    assert room.used == told.size
    following = told.after(-1)
    first = read([await anext(following)])[0]["sequence_number"]
    assert 900 < first < 1_000
    told.end(WHOLE)
    rest = read([frame async for frame in following])
    assert [one["sequence_number"] for one in rest] == list(range(first + 1, 1_001))
    assert rest[-1]["response"]["id"] == "resp_1"


async def test_what_is_forgotten_is_told_of_the_whole_response() -> None:
    """Once that is there: whoever asks from the beginning hears all that it says."""
    told = filled(Room(each=10_000), 1_000)
    told.end(WHOLE)
    kinds = [one["type"] for one in read([frame async for frame in told.after(-1)])]
    assert kinds == ["response.created", "response.in_progress", "response.completed"]
    assert [one["sequence_number"] for one in read([frame async for frame in told.after(998)])] == [999, 1_000]


async def test_the_sum_is_bounded_too() -> None:
    """However many there are: of the largest the oldest are forgotten first, and the newest of each stays."""
    room = Room(each=10_000, most=50_000)
    many = [filled(room, 50) for _ in range(40)]
    assert room.used <= 50_000
    assert all(told.size > 0 for told in many)
    large = [filled(Room(most=10), 1, 5_000)]
    assert large[0].size > 5_000  # one event alone stays whatever it is


async def test_what_nobody_asks_for_any_more_takes_no_room(busy: BusyHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not streamed, forgotten, or pushed out by later ones."""
    monkeypatch.setattr(kept_responses, "_HEARD", 2)
    room = busy.house.responses.room
    for _ in range(2):
        await ended(busy, await begun(busy))
    assert room.used == 0
    for number in range(4):
        await ended(busy, await begun(busy, stream=True, run=f"req_{number:02}"))
    assert len(room._told) == 2
    for _, id_ in list(busy.house.responses._heard):
        await busy.house.responses.forget("tester", id_)
    assert room.used == 0


async def test_only_so_much_is_made_in_the_background_at_a_time(
    busy: BusyHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one agent and of all, by number and by bytes; the next one is told to wait."""
    await begun(busy, "stall", run="req_00")
    held = sum(one.held for one in busy.house.responses.working.values())
    assert held > len(busy.house.responses.working["tester", "resp_00"].items)
    for name, most, said in (
        ("_MOST", 1, "of this agent"),
        ("_OF_ALL", 1, "As much as"),
        ("_BODIES", held, "As much as"),
    ):
        with monkeypatch.context() as bounded:
            bounded.setattr(background, name, most)
            with pytest.raises(Busy, match=said):
                await begun(busy, run="req_01")
    await busy.house.responses.cancel("tester", "resp_00")
    assert busy.house.responses.working == {}


async def test_an_answer_without_end_is_ended(busy: BusyHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would stop it: no client is there to leave."""
    monkeypatch.setattr(background, "_ANSWER", 50_000)
    done = await ended(busy, await begun(busy, "flood", stream=True))
    assert (done["status"], done["error"]["code"]) == ("failed", "server_error")
    assert "the most that is kept in the background" in done["error"]["message"]


def answered(body: bytes, status: int, refusal: Refusal | None = None) -> dict[str, Any]:
    """The response that is made of an answer."""
    run = Run("req_1", "tester")
    run.refusal = refusal
    nobody: Any = SimpleNamespace(responses=SimpleNamespace(room=Room()))
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
        ("chat", 429, "insufficient_quota", "insufficient_quota"),
        ("chat", 429, "too_many", "rate_limit_exceeded"),
        ("chat", 503, "overloaded", "server_error"),
        ("responses", 500, None, "server_error"),
    ],
)
def test_a_vendors_word_stays_for_its_own_client(dialect: str, status: int, code: str | None, told_: str) -> None:
    """Codex tries again after one and not after another."""
    refusal = UpstreamSaid("It said no.", "No.", status=status, headers={}, fault=Fault(dialect, code))
    assert answered(b'{"error":{"code":"upstream_failed","message":"No."}}', status, refusal)["error"]["code"] == told_
