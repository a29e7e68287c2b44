"""The runaway watch at work: who is paused, what the person is asked, and who goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from pointsman.core import facts, policy, routing, session
from pointsman.core.catalog import Catalog, Source, read
from pointsman.core.errors import Paused
from pointsman.core.events import PauseChanged
from pointsman.core.request import Hints, Verdict
from pointsman.core.routing import Circumstances
from pointsman.gateway.approvals import Approvals
from pointsman.gateway.bus import Bus
from pointsman.gateway.guarding import Watch
from pointsman.gateway.house import PauseBook, Sessions
from pointsman.gateway.run import Decision, Run
from pointsman.store.audit import Row
from pointsman.store.ledger import Charge
from pointsman.wire import admin, chat
from pointsman.wire.admin import Answer, Question
from tests.fakes.fake_upstream import FakeUpstream
from tests.fakes.home import Home, target
from tests.fixtures.runaway.loops import LOOPS
from tests.fixtures.runaway.talk import Talk, words

MODELS = """
[providers.p]
base_url = "http://127.0.0.1:9/v1"
key = "none"
[targets.big]
tier = "cloud"
provider = "p"
can = ["tools"]
price = { input = 1, output = 10 }
[runaway]
repeats = 3
restarts = 3
spend_per_minute = 1
[runaway.agents.batcher]
restarts = 0
"""
SHIPPED = "[runaway.agents.Codex]\nrepeats = 8\n"
NOTHING_KNOWN = Circumstances(rates={"big": None}, down={})
LOOP = [sent.body for sent in LOOPS["same_call"]()[0][4:]]


class Pauses:
    """The table of pauses, in memory; each call lets other tasks run, as a store does."""

    def __init__(self) -> None:
        self.rows: dict[str, float | None] = {}

    async def set(self, agent: str, until: float | None) -> None:
        """Paused."""
        await asyncio.sleep(0)
        self.rows[agent] = until

    async def clear(self, agent: str) -> None:
        """Not any more."""
        await asyncio.sleep(0)
        self.rows.pop(agent, None)

    async def all(self) -> list[tuple[str, float | None]]:
        """Who is."""
        await asyncio.sleep(0)
        return list(self.rows.items())


class Audit:
    """Rows, as they are appended."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    async def append(self, row: Row) -> None:
        """One more."""
        self.rows.append(row)


class Place:
    """As much of a house as the watch sees."""

    def __init__(self, wait: float = 45.0) -> None:
        self.catalog: Catalog = read([Source("models.toml", MODELS)])
        self.bus = Bus()
        self.heard = self.bus.listen()
        self.approvals = Approvals(self.bus, wait)
        self.pauses = PauseBook(Pauses())  # type: ignore[arg-type]
        self.sessions = Sessions()
        self.audit = Audit()
        self.responses = self
        self.away: list[Run] = []
        self.watch = Watch(self)  # type: ignore[arg-type]

    def run(self, body: dict[str, Any], agent: str = "Codex", hints: Hints | None = None) -> Run:
        """A request that was decided."""
        request = chat.read("r", json.dumps(body).encode(), hints or Hints(), lambda _raw: Verdict())
        who = session.attribute(request, agent, "me")
        known = facts.gather(request, self.catalog.sensitivity)
        ruling = policy.rule(request, who, known, self.catalog)
        plan = routing.plan(request, known, ruling, self.catalog, NOTHING_KNOWN)
        run = Run("req_1", agent)
        run.decision = Decision(request, who, known, ruling, plan, self.catalog)
        return run

    def unattended(self, run: Run) -> bool:
        """Whether nobody holds a connection for it."""
        return run in self.away

    async def trip(self, agent: str = "Codex", *, away: bool = False) -> asyncio.Task[None]:
        """Two steps of a loop, and the third one in a task: it is held."""
        for body in LOOP[:2]:
            await self.watch.check(self.run(body, agent))
        run = self.run(LOOP[2], agent)
        self.away += [run] if away else []
        held = asyncio.ensure_future(self.watch.check(run))
        await until(lambda: self.watch._open[agent].paused)
        return held

    def question(self) -> Question:
        """The one question that is open."""
        (asked,) = self.approvals.open()
        return asked

    def paused(self, agent: str = "Codex") -> bool:
        """Whether the door would refuse this agent."""
        return self.pauses.paused(agent, 0.0)


async def until(true: Callable[[], bool]) -> None:
    """Let other tasks run until it is so."""
    for _ in range(1000):
        try:
            if true():
                return
        except KeyError:
            pass
        await asyncio.sleep(0)
    raise AssertionError("it never came true")


async def test_an_alarm_pauses_the_agent_and_asks_once() -> None:
    """One question of kind runaway says what was seen, in one sentence, without a word of the prompt."""
    place = Place()
    held = await place.trip()
    asked = place.question()
    assert (asked.kind, asked.agent, asked.model) == ("runaway", "Codex", "big")
    assert asked.sentence == "Codex sent 3 near-equal requests in a second."
    assert place.paused()
    assert not held.done()
    held.cancel()


async def test_the_pause_is_written_down() -> None:
    """One row for the pause with its reason, one for its end, an event for each."""
    place = Place()
    held = await place.trip()
    await place.approvals.answer(Answer(place.question().id, "approve"))
    await held
    assert [(row.kind, row.agent) for row in place.audit.rows] == [("pause", "Codex")] * 2
    assert place.audit.rows[0].reason.startswith("paused Codex: Codex sent 3 near-equal")
    assert place.audit.rows[1].reason == "resumed Codex"
    happened = [place.heard.get_nowait() for _ in range(place.heard.qsize())]
    assert len([one for one in happened if isinstance(one, PauseChanged)]) == 2


async def test_approved_the_held_request_goes_on_and_the_watch_starts_afresh() -> None:
    """The agent is not paused, and it takes a whole new loop to alarm again."""
    place = Place()
    held = await place.trip()
    await place.approvals.answer(Answer(place.question().id, "approve"))
    await held
    assert not place.paused()
    for body in LOOP[3:5]:
        await place.watch.check(place.run(body))
    assert place.approvals.open() == []


async def test_denied_the_agent_stays_paused() -> None:
    """The held request is refused with what was seen and what to do; so is what comes later."""
    place = Place()
    held = await place.trip()
    await place.approvals.answer(Answer(place.question().id, "deny"))
    with pytest.raises(Paused) as refused:
        await held
    sentence = "Codex sent 3 near-equal requests in a second. Codex stays paused until it is resumed in Pointsman."
    assert refused.value.sentence == sentence
    assert place.watch.why("Codex") == sentence
    assert place.paused()


async def test_nobody_answers_while_the_connection_is_held() -> None:
    """The request is refused, the question stays open, and a late yes lets the agent go on."""
    place = Place(wait=0.0)
    held = await place.trip()
    with pytest.raises(Paused) as refused:
        await held
    assert refused.value.sentence.endswith("answer the question in Pointsman, then send this again.")
    assert place.watch.why("Codex") == refused.value.sentence
    await place.approvals.answer(Answer(place.question().id, "approve"))
    assert not place.paused()
    await place.watch.check(place.run(LOOP[3]))


async def test_what_is_made_in_the_background_waits_as_long_as_the_question_lives() -> None:
    """Nobody's connection is held, so nobody is in a hurry: a late yes lets that very request go on."""
    place = Place(wait=0.0)
    held = await place.trip(away=True)
    assert place.question().waits_until == place.question().expires
    await asyncio.sleep(0)
    assert not held.done()
    await place.approvals.answer(Answer(place.question().id, "approve"))
    await held
    assert not place.paused()


async def test_a_cancelled_background_request_leaves_the_question() -> None:
    """Whether the agent may go on is still to be said."""
    place = Place()
    held = await place.trip(away=True)
    held.cancel()
    await until(held.done)
    assert (place.question().kind, place.paused()) == ("runaway", True)


async def test_equal_alarms_are_one_question() -> None:
    """Requests that passed the door before the pause wait for the same answer."""
    place = Place()
    first = await place.trip()
    others = [asyncio.ensure_future(place.watch.check(place.run(body))) for body in LOOP[3:6]]
    await asyncio.sleep(0)
    await place.approvals.answer(Answer(place.question().id, "approve"))
    await asyncio.gather(first, *others)
    assert len(place.audit.rows) == 2


async def test_an_answer_faster_than_the_pause_wins() -> None:
    """Approved before the pause was written, the agent is not paused afterwards."""
    place = Place()
    for body in LOOP[:2]:
        await place.watch.check(place.run(body))
    held = asyncio.ensure_future(place.watch.check(place.run(LOOP[2])))
    await until(lambda: bool(place.approvals.open()))
    await place.approvals.answer(Answer(place.question().id, "approve"))
    await held
    assert not place.paused()


async def test_a_client_that_leaves_changes_nothing() -> None:
    """The agent is paused and the question put, even where the client left while the pause was written."""
    place = Place()
    for body in LOOP[:2]:
        await place.watch.check(place.run(body))
    held = asyncio.ensure_future(place.watch.check(place.run(LOOP[2])))
    await until(lambda: bool(place.approvals.open()))
    held.cancel()
    await until(place.paused)
    assert place.question().kind == "runaway"


async def test_resumed_by_hand_the_question_is_withdrawn() -> None:
    """Whoever presses Resume has answered: all that wait go on, and the watch starts afresh."""
    place = Place()
    held = await place.trip()
    other = asyncio.ensure_future(place.watch.check(place.run(LOOP[3])))
    await asyncio.sleep(0)
    await place.pauses.table.clear("Codex")
    await place.pauses.load()
    place.watch.resumed()
    await asyncio.gather(held, other)
    assert place.approvals.open() == []


async def test_who_is_still_paused_does_not_go_on() -> None:
    """Another agent's end of pause is not this one's."""
    place = Place()
    held = await place.trip()
    place.watch.resumed()
    assert place.question().kind == "runaway"
    held.cancel()


async def test_a_resume_that_nobody_told_is_seen() -> None:
    """A pause that is gone is no alarm any more."""
    place = Place()
    held = await place.trip()
    await place.approvals.answer(Answer(place.question().id, "deny"))
    with pytest.raises(Paused):
        await held
    await place.pauses.table.clear("Codex")
    await place.pauses.load()
    await place.watch.check(place.run(LOOP[3]))
    assert place.watch.why("Codex") == "Codex is paused. It can go on once it is resumed in Pointsman."


async def test_other_agents_go_on() -> None:
    """A pause is one agent's."""
    place = Place()
    held = await place.trip()
    await place.watch.check(place.run(LOOP[3], agent="Cline"))
    assert not place.paused("Cline")
    held.cancel()


async def test_the_request_that_waits_is_shown_as_asking() -> None:
    """And as what it was before, afterwards."""
    place = Place()
    for body in LOOP[:2]:
        await place.watch.check(place.run(body))
    run = place.run(LOOP[2])
    held = asyncio.ensure_future(place.watch.check(run))
    await until(place.paused)
    assert run.state == "asking"
    await place.approvals.answer(Answer(place.question().id, "approve"))
    await held
    assert run.state == "queued"


async def test_charges_count_and_refunds_do_not() -> None:
    """Three answers over a dollar together are too fast."""
    place = Place()
    for amount in (None, 400_000, 400_000, 400_000):
        charge = None if amount is None else Charge(amount=amount, estimated=False)
        place.watch.charged("Codex", charge)
    held = asyncio.ensure_future(place.watch.check(place.run(LOOP[0])))
    await until(place.paused)
    assert place.question().sentence == "Codex spent $1.20 within a minute."
    held.cancel()


async def test_an_agents_own_thresholds_count() -> None:
    """One that works through batches may begin alike as often as it likes."""
    place = Place()
    body = Talk("Classify this.").sent[0].body
    for _ in range(20):
        await place.watch.check(place.run(body, agent="batcher"))
    assert place.approvals.open() == []


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The conversation that was silent longest is forgotten first."""
    monkeypatch.setattr("pointsman.gateway.guarding._TALKS", 3)
    monkeypatch.setattr("pointsman.gateway.guarding._AGENTS", 2)
    place = Place()
    for turn in range(10):
        talk = Talk(words(turn))
        await place.watch.check(place.run(talk.sent[0].body, agent=f"agent-{turn % 5}"))
    assert (len(place.watch._talks), len(place.watch._paces)) == (3, 2)


class Agent:
    """An agent of a gateway that runs, with one connection for each request."""

    def __init__(self, gateway: Home) -> None:
        self.gateway = gateway
        self._head = {"authorization": f"Bearer {gateway.agent('Codex')}"}
        self.pool = ThreadPoolExecutor(2)

    def send(self, body: dict[str, Any]) -> httpx.Response:
        """One request to its end."""
        plain = {**body, "model": "cloudy", "stream": False}
        address = f"{self.gateway.runtime.address}/chat/completions"
        return httpx.post(address, json=plain, headers=self._head, timeout=60)

    def loop(self) -> tuple[Future[httpx.Response], Question]:
        """Send a loop until a request is held; that request, and the question."""
        bodies = (sent.body for sent in LOOPS["same_call"]()[0])
        with self.gateway.events() as events:
            running = self.pool.submit(lambda: [self.send(body) for body in list(bodies)[:12]][-1])
            for line in events.iter_lines():
                if line.startswith("data: {") and '"approvals":[{' in line:
                    asked = admin.decode_snapshot(line.removeprefix("data: ").encode()).approvals[0]
                    return running, asked
        raise AssertionError("the stream ended without a question")


@pytest.fixture
def looping(tmp_path: Path) -> Iterator[tuple[Agent, FakeUpstream]]:
    """A real gateway with the shipped number of repeats, a fake provider, and an agent."""
    with FakeUpstream() as upstream:
        gateway = Home(tmp_path, upstream.base_url, target("cloudy", "ok") + SHIPPED)
        agent = Agent(gateway.start())
        try:
            yield agent, upstream
        finally:
            gateway.stop()
            agent.pool.shutdown(cancel_futures=True)


def test_a_looping_agent_is_paused_by_the_gateway_and_let_go_on(looping: tuple[Agent, FakeUpstream]) -> None:
    """Twelve calls of a loop: the person is asked before the eleventh goes upstream, and a yes lets all through."""
    agent, upstream = looping
    running, asked = agent.loop()
    assert asked.kind == "runaway"
    assert asked.sentence.startswith("Codex sent 8 near-equal requests in ")
    assert [one.paused for one in agent.gateway.snapshot().agents if one.name == "Codex"] == [True]
    assert len(upstream.requests) == 11
    assert agent.gateway.command(Answer(asked.id, "approve")) == {"ok": True}
    assert running.result(30).status_code == 200
    assert [one.paused for one in agent.gateway.snapshot().agents if one.name == "Codex"] == [False]


def test_a_looping_agent_that_is_denied_gets_one_clean_402(looping: tuple[Agent, FakeUpstream]) -> None:
    """Nothing more goes upstream, and the refusal says what was seen and what to do."""
    agent, upstream = looping
    running, asked = agent.loop()
    agent.gateway.command(Answer(asked.id, "deny"))
    refused = running.result(30)
    assert (refused.status_code, refused.headers["x-should-retry"]) == (402, "false")
    assert "near-equal requests" in refused.text
    assert "stays paused until it is resumed" in refused.text
    assert len(upstream.requests) == 11
