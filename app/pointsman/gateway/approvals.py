"""Questions to the person, held while agents wait. What each transition means is in core.approval; this keeps time."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import msgspec

from pointsman.core import approval, budget
from pointsman.core.approval import Case
from pointsman.core.errors import BadRequest, NotFound, PaymentRequired
from pointsman.core.events import ApprovalAsked, ApprovalEnded
from pointsman.gateway.bus import Bus
from pointsman.wire.admin import Answer, Question

Granting = Callable[[Question, Answer], Awaitable[None]]
Noting = Callable[[Question, Case], Awaitable[None]]

_DEAREST = 10**12  # micro-dollars for a million tokens: a million dollars


_CLOSING = 1.0  # seconds after a question's end in which it is closed


class Open:
    """A question, its case, and whoever waits for it. `ended` resolves when the case is closed."""

    def __init__(self, question: Question, case: Case, grant: Granting) -> None:
        self.question = question
        self.case = case
        self.grant = grant
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answering = False
        self.left = 0  # connections that were counted off before they are over

    def waits(self) -> bool:
        """Whether nobody has answered it, nor is about to."""
        return self.case.open and not self.answering


class Approvals:
    """All questions that count still: open ones, and lately answered ones for the retries that follow."""

    def __init__(self, bus: Bus, wait: float = approval.WAIT) -> None:
        self._bus = bus
        self._wait = wait
        self._cases: dict[str, Open] = {}
        self._noting: Noting | None = None
        self._notes: set[asyncio.Task[None]] = set()

    def on_end(self, noting: Noting) -> None:
        """What is told of each question that ends, however it ends."""
        self._noting = noting

    async def ask(self, case: Case, question: Question, grant: Granting) -> Case:
        """Put the question and wait for its end, at most as long as the agent's connection is held.

        An equal question that is open already is joined; one that the person just denied is denied quietly. A case
        that comes back pending means: nobody answered yet, and an answer may still come for the retry.
        """
        with self.waiting(case, question, grant) as found:
            await self.ended(found, case)
            return found.case

    async def ended(self, found: Open, case: Case) -> None:
        """Returns with the end of the question, or once whoever put this case has waited as long as it may."""
        left = case.waits_until - time.time() + (_CLOSING if case.waits_until >= case.expires else 0.0)
        await asyncio.wait([found.ended], timeout=max(0.0, left))

    @contextmanager
    def waiting(self, case: Case, question: Question, grant: Granting) -> Iterator[Open]:
        """The question, put or joined, while a connection waits for it. Raises `PaymentRequired` where there are too many."""
        found = self._equal(case.key) or self._put(case, question, grant)
        self._joined(found, approval.join(found.case, case.asked, case.waits_until - case.asked))
        try:
            yield found
        except asyncio.CancelledError:
            if case.waits_until >= case.expires and case.kind != "runaway":
                self.withdraw(found)  # nobody held a connection, so nobody comes back for the answer
            raise
        finally:
            if found.left:
                found.left -= 1
            else:
                found.case = approval.leave(found.case)
            self._joined(found, found.case)

    def withdraw(self, found: Open) -> None:
        """The request of one connection that waits runs without an answer. Nothing, where one is being given now."""
        if not found.answering:
            found.left += 1
            self._move(found, approval.withdraw(found.case, time.time()))

    def forget(self, agent: str) -> None:
        """It was removed: what it asked for is not needed any more. Whether it may go on stays the person's to say."""
        for found in list(self._cases.values()):
            if found.question.agent == agent and found.case.kind != "runaway" and not found.answering:
                alone = msgspec.structs.replace(found.case, waiting=0)
                self._move(found, approval.withdraw(alone, time.time()))

    async def noted(self) -> None:
        """Returns once all that ended is told of."""
        await asyncio.gather(*self._notes)

    async def answer(self, given: Answer, keep: Granting | None = None) -> None:
        """The person's answer. Raises `BadRequest` where it is closed or the answer makes no sense for it.

        `keep` writes down what an approval changes for good, before the request goes on.
        """
        self._sweep()
        found = self._cases.get(given.question)
        if found is None:
            raise NotFound(
                f"No question has the id '{given.question[:40]}'. 'pointsman approvals list' names those that wait."
            )
        if found.answering or not found.case.open:
            raise BadRequest("This question is closed already. If the agent asks again, you will be asked again.")
        _check(found.question, given)
        found.answering = True  # a second click while the grant is written pays nothing more
        try:
            if given.verdict == "approve":
                if keep is not None:
                    await keep(found.question, given)
                await found.grant(found.question, given)
        finally:
            found.answering = False
        self._move(found, approval.answer(found.case, given.verdict, given.scope, given.amount or 0, time.time()))
        await asyncio.gather(*self._notes)

    def open(self) -> list[Question]:
        """Questions that wait, the newest first; what has run out is closed on the way."""
        self._sweep()
        waiting = [found.question for found in self._cases.values() if found.case.open]
        return sorted(waiting, key=lambda question: -question.asked)

    def new_case(self, key: str, kind: str, until: float | None = None, *, held: bool = True) -> Case:
        """The case of a new question, for its id and its clocks; the connection is held `until` then.

        Where none is held, the request waits as long as the question lives.
        """
        now, longest = time.time(), self._wait if held else approval.LIFE
        wait = longest if until is None else max(0.0, min(longest, until - now))
        return approval.ask(secrets.token_hex(6), key, kind, now, wait)

    @property
    def wait(self) -> float:
        """How many seconds a connection is held."""
        return self._wait

    def _put(self, case: Case, question: Question, grant: Granting) -> Open:
        others = [one.case for one in self._cases.values() if one.case.kind != "runaway"]
        if case.kind != "runaway" and approval.crowded(others, question.agent, time.time()):
            raise PaymentRequired(
                f"{question.agent} has {approval.OPEN_EACH} questions open already. "
                "Answer those in Pointsman, then send this again."
            )
        owned = msgspec.structs.replace(case, agent=question.agent)
        found = self._cases[case.id] = Open(question, owned, grant)
        asyncio.get_running_loop().call_later(case.expires - time.time() + 0.1, self._sweep)
        asks = "" if question.kind == "runaway" else f"{question.agent} asks for {question.model}. "
        said = f"{asks}{question.sentence}".rstrip()
        self._bus.publish(ApprovalAsked(case.id, question.agent, said))
        return found

    def _equal(self, key: str) -> Open | None:
        """An open question, an answer meant for this retry, or a fresh denial."""
        self._sweep()
        now = time.time()
        return next(
            (one for one in self._cases.values() if one.case.key == key and approval.counts(one.case, now)), None
        )

    def _joined(self, found: Open, case: Case) -> None:
        found.case = case
        found.question = msgspec.structs.replace(
            found.question, waits_until=case.waits_until, covers=max(1, case.waiting)
        )

    def _move(self, found: Open, case: Case) -> None:
        closed = found.case.open and not case.open
        found.case = case
        if closed:
            found.ended.set_result(None)
            outcome = ApprovalEnded(question=case.id, agent=found.question.agent, outcome=case.state)
            self._bus.publish(outcome)
            self._note(found)

    def _note(self, found: Open) -> None:
        if self._noting is not None:
            task = asyncio.ensure_future(self._noting(found.question, found.case))
            self._notes.add(task)
            task.add_done_callback(self._notes.discard)

    def _sweep(self) -> None:
        now = time.time()
        for id_, found in list(self._cases.items()):
            if not found.answering:
                self._move(found, approval.expire(found.case, now))
            if approval.forgotten(found.case, now):
                del self._cases[id_]


def _check(question: Question, given: Answer) -> None:
    """Raises `BadRequest` with what the answer lacks."""
    if question.kind == "runaway":
        _check_runaway(given)
    elif given.verdict == "local" and question.local_model is None:
        raise BadRequest("No model on this machine can answer this request.")
    if given.verdict != "approve":
        return
    if question.kind == "price":
        _check_price(given)
    elif question.kind not in ("money", "soft"):
        if given.scope != "request":
            raise BadRequest("This can be allowed for this request only.")
    elif given.scope != "request":
        _check_amount(question, given)


def _check_runaway(given: Answer) -> None:
    """No request waits for it: the agent is paused, and goes on or does not."""
    if given.verdict == "local":
        raise BadRequest("This agent is paused: approve lets it go on, deny keeps it paused.")
    if given.scope != "request":
        raise BadRequest("This agent is paused, not short of money: approve without a scope lets it go on.")


def _check_price(given: Answer) -> None:
    if given.price is None:
        raise BadRequest(
            "Say what a million tokens cost, in and out, or use another model: an unknown price is never free."
        )
    if not all(0 <= one <= _DEAREST for one in given.price):
        raise BadRequest("A price is from $0 to $1,000,000 for a million tokens.")
    if given.scope != "request":
        raise BadRequest("A price is kept for good: leave the scope out.")


def _check_amount(question: Question, given: Answer) -> None:
    missing_is_meant = given.amount is None and given.scope in ("agent", "always")
    if not missing_is_meant and (given.amount is None or given.amount < question.over):
        raise BadRequest("The amount is less than this request needs. Give at least what is missing.")
    if (given.amount or 0) > budget.LARGEST:
        raise BadRequest("The amount is more than any cap can be. Give a smaller one.")
    if given.seconds is not None and not 1 <= given.seconds <= approval.DAY:
        raise BadRequest("An agent and model are allowed for a second at least and 24 hours at most.")
    if given.scope == "always" and question.allowance is None:
        raise BadRequest("No rule can allow this for good. Choose another scope.")
