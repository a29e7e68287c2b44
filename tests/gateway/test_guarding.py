"""The runaway watch at work: who is paused, what the person is asked, and who goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

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
from pointsman.wire import chat
from pointsman.wire.admin import Answer, Question
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
