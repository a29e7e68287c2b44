"""Questions to the person, held while agents wait. What each transition means is in core.approval; this keeps time."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable

import msgspec

from pointsman.core import approval
from pointsman.core.approval import Case
from pointsman.core.errors import BadRequest
from pointsman.core.events import ApprovalAsked, ApprovalEnded
from pointsman.gateway.bus import Bus
from pointsman.wire.admin import Answer, Question

Granting = Callable[[Question, Answer], Awaitable[None]]


class _Open:
    """A question, its case, and whoever waits for it."""

    def __init__(self, question: Question, case: Case, grant: Granting) -> None:
        self.question = question
        self.case = case
        self.grant = grant
        self.ended = asyncio.Event()
        self.answering = False


class Approvals:
    """All questions that count still: open ones, and lately answered ones for the retries that follow."""

    def __init__(self, bus: Bus, wait: float = approval.WAIT) -> None:
        self._bus = bus
        self._wait = wait
        self._cases: dict[str, _Open] = {}

    async def ask(self, case: Case, question: Question, grant: Granting) -> Case:
        """Put the question and wait for its end, at most as long as the agent's connection is held.

        An equal question that is open already is joined; one that the person just denied is denied quietly. A case
        that comes back pending means: nobody answered yet, and an answer may still come for the retry.
        """
        found = self._equal(case.key) or self._put(case, question, grant)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(found.ended.wait(), max(0.0, found.case.waits_until - time.time()))
        return found.case

    async def answer(self, given: Answer) -> None:
        """The person's answer. Raises `BadRequest` where the question is closed or the answer makes no sense for it."""
        found = self._cases.get(given.question)
        if found is None or found.answering or not found.case.open:
            raise BadRequest("This question is closed already. If the agent asks again, you will be asked again.")
        _check(found.question, given)
        found.answering = True  # a second click while the grant is written pays nothing more
        try:
            if given.verdict == "approve":
                await found.grant(found.question, given)
        finally:
            found.answering = False
        self._move(found, approval.answer(found.case, given.verdict, given.scope, given.amount or 0, time.time()))

    def open(self) -> list[Question]:
        """Questions that wait, the newest first; what has run out is closed on the way."""
        self._sweep()
        waiting = [found.question for found in self._cases.values() if found.case.open]
        return sorted(waiting, key=lambda question: -question.asked)

    def new_case(self, key: str, kind: str) -> Case:
        """The case of a new question, for its id and its clocks."""
        return approval.ask(secrets.token_hex(6), key, kind, time.time(), self._wait)

    def _put(self, case: Case, question: Question, grant: Granting) -> _Open:
        found = self._cases[case.id] = _Open(question, case, grant)
        self._bus.publish(ApprovalAsked(case.id, question.agent, f"{question.agent} asks for {question.model}."))
        return found

    def _equal(self, key: str) -> _Open | None:
        """An open question, an answer meant for this retry, or a fresh denial."""
        self._sweep()
        for found in self._cases.values():
            case = found.case
            if case.key == key and (case.open or case.state == "local" or approval.quiet(case, time.time())):
                if case.open:  # the retry's connection waits anew; the question's own life does not grow
                    waits = min(time.time() + self._wait, case.expires)
                    found.case = msgspec.structs.replace(case, waits_until=waits)
                    found.question = msgspec.structs.replace(found.question, waits_until=waits)
                return found
        return None

    def _move(self, found: _Open, case: Case) -> None:
        found.case = case
        if not case.open:
            found.ended.set()
            outcome = ApprovalEnded(question=case.id, agent=found.question.agent, outcome=case.state)
            self._bus.publish(outcome)

    def _sweep(self) -> None:
        now = time.time()
        for id_, found in list(self._cases.items()):
            if found.case.open and now >= found.case.expires:
                self._move(found, approval.expire(found.case, now))
            elif not found.case.open and now > (found.case.ended or 0.0) + approval.LIFE:
                del self._cases[id_]


def _check(question: Question, given: Answer) -> None:
    if given.verdict == "local" and question.local_model is None:
        raise BadRequest("No model on this machine can answer this request.")
    if given.verdict != "approve":
        return
    if question.kind == "price":
        raise BadRequest("A request without a known price cannot be allowed. Give the target a price in models.toml.")
    if given.scope != "request" and question.kind not in ("money", "soft"):
        raise BadRequest("This can be allowed for this request only.")
    if given.scope != "request" and question.kind == "money" and (given.amount or 0) < question.over:
        raise BadRequest("The amount is less than this request needs. Give at least what is missing.")
