"""Questions that wait: joined, answered late, denied quietly, refused where an answer makes no sense."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest

from pointsman.core.approval import Case
from pointsman.core.errors import BadRequest
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
