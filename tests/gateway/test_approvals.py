"""Questions that wait: joined, answered late, denied quietly, refused where an answer makes no sense."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
import pytest

from pointsman.core.approval import Case
from pointsman.core.errors import BadRequest, NotFound, PaymentRequired
from pointsman.core.events import ApprovalAsked, ApprovalEnded
from pointsman.gateway.approvals import Approvals
from pointsman.gateway.bus import Bus
from pointsman.wire.admin import Answer, Question

GRANTED: list[str] = []


async def grant(question: Question, answer: Answer) -> None:
    """Note what was granted, after a while, as a store would."""
    await asyncio.sleep(0)
    GRANTED.append(f"{question.id} {answer.scope}")


@pytest.fixture(autouse=True)
def _nothing_granted() -> None:
    GRANTED.clear()


def question(case: Case, **changes: object) -> Question:
    """What the person sees of a case."""
    now = time.time()
    plain = Question(
        id=case.id,
        kind="money",
        agent="a",
        session="s",
        session_since=now,
        project=None,
        model="m",
        tier="cloud",
        provider="p",
        about=1,
        at_most=10,
        over=5,
        cap=None,
        rule="r",
        findings=[],
        messages=1,
        tokens_in=1,
        tokens_out=1,
        local_model="starter",
        asked=case.asked,
        waits_until=case.waits_until,
        expires=case.expires,
        covers=1,
        price_source=None,
    )
    return msgspec.structs.replace(plain, **changes)


def put(approvals: Approvals, key: str = "k", **changes: object) -> tuple[Case, asyncio.Task[Case]]:
    """Ask, in a task."""
    case = approvals.new_case(key, "money")
    return case, asyncio.ensure_future(approvals.ask(case, question(case, **changes), grant))


async def test_an_answer_wakes_the_request() -> None:
    """Approved: the grant is made before the request goes on."""
    approvals = Approvals(Bus())
    case, waiting = put(approvals)
    await asyncio.sleep(0)
    await approvals.answer(Answer(case.id, "approve"))
    assert (await waiting).state == "approved"
    assert [f"{case.id} request"] == GRANTED


@pytest.mark.parametrize("verdict", ["approve", "deny", "local"])
async def test_a_question_that_never_was_is_not_closed(verdict: Any) -> None:
    """A wrong id is said back, with where the right ones are."""
    with pytest.raises(NotFound, match=r"No question has the id 'nope'. 'pointsman approvals list' names"):
        await Approvals(Bus()).answer(Answer("nope", verdict))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer("", "local"), "This agent is paused: approve lets it go on, deny keeps it paused."),
        (Answer("", "approve", "session", 5), "approve without a scope lets it go on."),
    ],
)
async def test_a_runaway_question_says_what_can_be_answered(answer: Answer, said: str) -> None:
    """No request waits that a local model could answer, and no money is missing."""
    approvals = Approvals(Bus())
    case, waiting = put(approvals, kind="runaway", local_model=None)
    await asyncio.sleep(0)
    with pytest.raises(BadRequest, match=said):
        await approvals.answer(msgspec.structs.replace(answer, question=case.id))
    assert approvals.open()
    waiting.cancel()


@pytest.mark.parametrize(("kind", "said"), [("money", "a asks for m. It is short."), ("runaway", "It is short.")])
async def test_the_event_says_who_asks_and_why(kind: str, said: str) -> None:
    """A runaway's sentence names its agent already."""
    bus = Bus()
    heard = bus.listen()
    _, waiting = put(Approvals(bus), kind=kind, sentence="It is short.")
    event = await heard.get()
    assert isinstance(event, ApprovalAsked)
    assert event.sentence == said
    waiting.cancel()


async def test_equal_questions_are_one() -> None:
    """The same request sent twice asks once, and one answer serves both."""
    approvals = Approvals(Bus())
    case, first = put(approvals)
    _, second = put(approvals)
    await asyncio.sleep(0)
    assert [one.id for one in approvals.open()] == [case.id]
    await approvals.answer(Answer(case.id, "deny"))
    assert [(await first).state, (await second).state] == ["denied", "denied"]


async def test_a_late_answer_leaves_a_grant_for_the_retry() -> None:
    """The connection's time is up, the question still lives, and its approval counts."""
    approvals = Approvals(Bus(), wait=0.0)
    case, waiting = put(approvals)
    assert (await waiting).state == "pending"
    await approvals.answer(Answer(case.id, "approve"))
    assert [f"{case.id} request"] == GRANTED


async def test_a_repeat_after_a_denial_is_denied_quietly() -> None:
    """Nobody is asked again within a minute."""
    bus = Bus()
    heard = bus.listen()
    approvals = Approvals(bus)
    case, waiting = put(approvals)
    await asyncio.sleep(0)
    await approvals.answer(Answer(case.id, "deny"))
    await waiting
    _, again = put(approvals)
    assert (await again).state == "denied"
    happened = [heard.get_nowait() for _ in range(heard.qsize())]
    assert [type(one) for one in happened] == [ApprovalAsked, ApprovalEnded]


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"local_model": None}, Answer("", "local")),
        ({"kind": "price"}, Answer("", "approve")),
        ({"kind": "consent"}, Answer("", "approve", "session", 100)),
        ({}, Answer("", "approve", "session", 4)),
        ({}, Answer("", "approve", "cap")),
        ({}, Answer("", "approve", "agent", 4)),
        ({}, Answer("", "approve", "agent", 5, 0)),
        ({}, Answer("", "approve", "agent", 5, 86_401)),
        ({}, Answer("", "approve", "session", 10**15 + 1)),
        ({}, Answer("", "approve", "always")),
        ({"kind": "price"}, Answer("", "approve", price=(10**12 + 1, 1))),
        ({"kind": "runaway"}, Answer("", "approve", "session", 100)),
    ],
)
async def test_answers_that_make_no_sense_are_refused(changes: dict[str, object], answer: Answer) -> None:
    """One sentence, and the question stays open."""
    approvals = Approvals(Bus())
    case, waiting = put(approvals, **changes)
    await asyncio.sleep(0)
    with pytest.raises(BadRequest):
        await approvals.answer(msgspec.structs.replace(answer, question=case.id))
    assert [one.id for one in approvals.open()] == [case.id]
    waiting.cancel()


async def test_nobody_grants_twice() -> None:
    """A second answer is refused, so that a double click pays once."""
    approvals = Approvals(Bus())
    case, waiting = put(approvals)
    await asyncio.sleep(0)
    await approvals.answer(Answer(case.id, "approve"))
    with pytest.raises(BadRequest):
        await approvals.answer(Answer(case.id, "approve"))
    await waiting
    assert len(GRANTED) == 1


async def test_two_clicks_at_once_grant_once() -> None:
    """Window and command line at the same moment: one is told that the question is closed."""
    approvals = Approvals(Bus())
    case, waiting = put(approvals)
    await asyncio.sleep(0)
    both = [approvals.answer(Answer(case.id, "approve")) for _ in range(2)]
    results = await asyncio.gather(*both, return_exceptions=True)
    await waiting
    assert [type(one) for one in results] == [type(None), BadRequest]
    assert len(GRANTED) == 1


async def test_money_that_comes_back_withdraws_the_question() -> None:
    """The request runs without an answer: the question is closed, and a late answer is refused in words."""
    bus = Bus()
    heard = bus.listen()
    approvals = Approvals(bus)
    case = approvals.new_case("k", "money")
    with approvals.waiting(case, question(case), grant) as found:
        approvals.withdraw(found)
    assert approvals.open() == []
    ended = [one for one in (heard.get_nowait() for _ in range(heard.qsize())) if isinstance(one, ApprovalEnded)]
    assert [one.outcome for one in ended] == ["withdrawn"]
    with pytest.raises(BadRequest):
        await approvals.answer(Answer(case.id, "approve"))


async def test_one_of_three_that_runs_leaves_the_question_to_the_others() -> None:
    """Money came back for two of three equal requests: the third still waits for the person."""
    approvals = Approvals(Bus())
    case = approvals.new_case("k", "money")
    with approvals.waiting(case, question(case), grant) as last:
        first, second = (approvals.waiting(case, question(case), grant) for _ in range(2))
        with first as found, second:
            approvals.withdraw(found)
            assert last.case.waiting == 2
        assert (last.case.open, last.case.waiting) == (True, 1)
    assert approvals.open() != []


async def test_a_question_is_not_withdrawn_while_it_is_answered() -> None:
    """The grant is being written: the answer counts."""
    approvals = Approvals(Bus())
    writing, written = asyncio.Event(), asyncio.Event()

    async def slow(_question: Question, _answer: Answer) -> None:
        writing.set()
        await written.wait()

    case = approvals.new_case("k", "money")
    with approvals.waiting(case, question(case), slow) as found:
        answering = asyncio.create_task(approvals.answer(Answer(case.id, "approve")))
        await writing.wait()
        assert not found.waits()
        approvals.withdraw(found)
        written.set()
        await answering
        assert found.case.state == "approved"


async def test_a_client_that_leaves_leaves_its_question() -> None:
    """The tray still shows it, and its answer counts for the retry."""
    approvals = Approvals(Bus())
    case, waiting = put(approvals)
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert [(one.id, one.covers) for one in approvals.open()] == [(case.id, 1)]
    await approvals.answer(Answer(case.id, "approve"))
    assert [f"{case.id} request"] == GRANTED


async def test_a_question_says_how_many_it_covers() -> None:
    """Two equal requests wait: one card with both."""
    approvals = Approvals(Bus())
    _, first = put(approvals)
    _, second = put(approvals)
    await asyncio.sleep(0)
    assert [one.covers for one in approvals.open()] == [2]
    first.cancel(), second.cancel()


async def test_a_sixth_question_of_an_agent_is_refused() -> None:
    """Five cards are what a person can look at; another agent may still ask, and so may the runaway watch."""
    approvals = Approvals(Bus(), wait=0.0)
    for at in range(5):
        await put(approvals, f"k{at}")[1]
    with pytest.raises(PaymentRequired, match="a has 5 questions open already"):
        await put(approvals, "k5")[1]
    await put(approvals, "k6", agent="b")[1]
    case = approvals.new_case("k7", "runaway")
    await approvals.ask(case, question(case, kind="runaway"), grant)
    assert len(approvals.open()) == 7


async def test_how_each_question_ended_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answered or run out: whoever listens hears the question and its case, once."""
    heard: list[tuple[str, str]] = []

    async def note(asked: Question, case: Case) -> None:
        heard.append((asked.id, case.state))

    approvals = Approvals(Bus(), wait=0.0)
    approvals.on_end(note)
    first, waiting = put(approvals)
    await waiting
    await approvals.answer(Answer(first.id, "deny"))
    second, waiting = put(approvals, "other")
    await waiting
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 901)
    assert approvals.open() == []
    await asyncio.gather(*approvals._notes)
    assert heard == [(first.id, "denied"), (second.id, "expired")]


async def test_what_is_kept_for_good_is_written_before_the_grant() -> None:
    """A rule that cannot be written allows nothing, and the question stays open."""
    approvals = Approvals(Bus())
    case, waiting = put(approvals)
    await asyncio.sleep(0)

    async def fails(_question: Question, _answer: Answer) -> None:
        raise BadRequest("The disk is full.")

    with pytest.raises(BadRequest):
        await approvals.answer(Answer(case.id, "approve"), fails)
    assert GRANTED == [] and [one.id for one in approvals.open()] == [case.id]
    waiting.cancel()


async def test_the_questions_of_an_agent_that_is_gone_are_withdrawn() -> None:
    """However many wait for one; another agent's stay, and so does what the runaway watch asks."""
    approvals = Approvals(Bus())
    asked = []
    for agent, kind in (("a", "money"), ("a", "money"), ("b", "money"), ("a", "runaway")):
        case = approvals.new_case(f"{agent} {kind}", kind)
        asked.append(asyncio.ensure_future(approvals.ask(case, question(case, agent=agent, kind=kind), grant)))
        await asyncio.sleep(0)
    approvals.forget("a")
    assert {(one.agent, one.kind) for one in approvals.open()} == {("b", "money"), ("a", "runaway")}
    for waiting in asked:
        waiting.cancel()
