"""Before an attempt: consent where data would leave, a hold over every cap, the person where either stands in the way.

If a hold does not fit: wait for holds that stand in the way, then do what the cap says: ask, go local, or refuse.
"""

from __future__ import annotations

import asyncio
import time
from typing import Literal

from pointsman.core.approval import Case
from pointsman.core.budget import Short, Subject
from pointsman.core.errors import PaymentRequired
from pointsman.core.routing import Attempt
from pointsman.core.session import fingerprint
from pointsman.gateway import question
from pointsman.gateway.house import House
from pointsman.gateway.question import Need
from pointsman.gateway.run import Decision, Run
from pointsman.store.ledger import Grant, HoldRequest, Reserved
from pointsman.wire.admin import Answer, Question

LOCAL: Literal["local"] = "local"
_HOLDS_WAIT = 45.0  # seconds to wait for holds of others, which shrink within seconds


class Admission:
    """What one request must pass before each of its attempts."""

    def __init__(self, house: House, run: Run, decision: Decision) -> None:
        self._house = house
        self._run = run
        self._decision = decision

    async def admit(self, attempt: Attempt, number: int) -> Reserved | Literal["local"]:
        """A hold for this attempt, or `LOCAL`: answer on this machine instead. Raises `Refusal`."""
        if attempt.ask is not None and await self._permission(attempt) == LOCAL:
            return LOCAL
        until = time.time() + _HOLDS_WAIT
        while True:
            moved = self._house.bus.money()
            hold = self._hold(attempt, number)
            outcome = await self._house.ledger.reserve(hold, time.time())
            if isinstance(outcome, Reserved):
                return outcome
            if await _waited(moved, outcome, hold.amount, until):
                continue
            if await self._short(attempt, outcome) == LOCAL:
                return LOCAL

    async def _short(self, attempt: Attempt, shorts: tuple[Short, ...]) -> Literal["local", "approved"]:
        """What the cap says that stands most in the way. Raises `PaymentRequired` where it or the person says no."""
        need = Need(attempt=attempt, kind="soft" if all(short.soft for short in shorts) else "money", shorts=shorts)
        cap = need.worst.account.cap
        action = cap.at_soft if need.kind == "soft" else cap.at_limit
        if action == "local":
            return LOCAL
        if action == "refuse":
            raise PaymentRequired(question.too_much(need))
        case = await self._ask(need)
        if case.state == "local":
            return LOCAL
        if case.state != "approved":
            raise question.no_money(need, case)
        return "approved"

    async def _permission(self, attempt: Attempt) -> str:
        """Consent for private data, or a known price: asked, unless consent was given for this very request."""
        need = Need(attempt=attempt, kind="consent" if attempt.ask == "consent" else "price")
        mark = self._mark(attempt)
        if need.kind == "consent" and self._house.consents.pop(mark, 0.0) > time.time():
            return "approved"
        case = await self._ask(need)
        if case.state == "approved":
            self._house.consents.pop(mark, None)
        elif case.state != "local":
            raise question.no_permission(need, case, self._decision)
        return case.state

    async def _ask(self, need: Need) -> Case:
        """The person's answer, as far as it came while the connection is held."""

        async def grant(asked: Question, answer: Answer) -> None:
            if need.kind == "consent":
                self._house.consents[self._mark(need.attempt)] = asked.expires
            for at, short in enumerate(need.shorts):
                await self._grant(need, short, f"{asked.id}-{at}", asked, answer)

        key = f"{need.kind} {self._mark(need.attempt)}"
        case = self._house.approvals.new_case(key, need.kind)
        before, self._run.state = self._run.state, "asking"
        try:
            asked = question.build(self._house, self._decision, need, case)
            return await self._house.approvals.ask(case, asked, grant)
        finally:
            self._run.state = before

    async def _grant(self, need: Need, short: Short, id_: str, asked: Question, answer: Answer) -> None:
        """What the person allowed, under one cap, bound to this request or to its session."""
        account, now = short.account, time.time()
        amount = short.over if answer.scope == "request" else max(short.over, answer.amount or 0)
        if answer.scope == "cap" and not short.soft:
            await self._house.ledger.raise_cap(account.cap.id, account.key, amount, now)
            return
        request, session = self._bindings(need.attempt)
        for_session = answer.scope == "session"
        grant = Grant(
            id=id_,
            cap=account.cap.id,
            key=account.key,
            binding=session if for_session else request,
            amount=0 if short.soft else amount,
            expires=(account.window.ends or asked.expires) if for_session else asked.expires,
        )
        await self._house.ledger.add_grant(grant, now)

    def _hold(self, attempt: Attempt, number: int) -> HoldRequest:
        return HoldRequest(
            id=f"{self._run.id}-{number}",
            request=self._run.id,
            attempt=number,
            subject=subject(self._decision, attempt),
            target=attempt.target,
            amount=_bound(attempt),
            estimate=attempt.about or 0,
            bindings=self._bindings(attempt),
            price_source=question.price_source(attempt) or "",
        )

    def _mark(self, attempt: Attempt) -> str:
        return fingerprint(self._decision.request, self._decision.who, attempt.target)

    def _bindings(self, attempt: Attempt) -> tuple[str, str]:
        """Grants that this request may spend: made for it or its retry, or for its session with this model."""
        who = self._decision.who
        return f"request:{self._mark(attempt)}", f"session:{who.agent}/{who.session}/{attempt.target}"


def _bound(attempt: Attempt) -> int:
    """What is held. Without a price nothing can be bounded, so nothing runs, whoever agreed."""
    if attempt.at_most is None:
        raise PaymentRequired(f"Nobody knows what {attempt.target} costs, so it is not used.")
    return attempt.at_most


async def _waited(moved: asyncio.Future[None], shorts: tuple[Short, ...], amount: int, until: float) -> bool:
    """Wait for money to move, if holds of others are all that stands in the way."""
    hard, left = [short for short in shorts if not short.soft], until - time.time()
    if not hard or left <= 0 or any(amount > short.account.limit - short.account.spent for short in hard):
        return False
    await asyncio.wait([moved], timeout=left)
    return True


def subject(decision: Decision, attempt: Attempt) -> Subject:
    """To whom a hold for this attempt is counted."""
    who = decision.who
    return Subject(
        person=who.person,
        project=who.project,
        label=who.label,
        agent=who.agent,
        session=who.session,
        task=who.task,
        model=attempt.target,
        tier=attempt.tier,
    )
