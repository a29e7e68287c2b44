"""Before an attempt: consent where data would leave, a hold over every cap, the person where either stands in the way.

If a hold does not fit: wait for holds that stand in the way, then do what the cap says (core.squeeze). After each
pause everything is decided anew from what the ledger says then.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import Literal

import msgspec

from pointsman.core import pricing, squeeze
from pointsman.core.approval import Case
from pointsman.core.budget import Short, Subject
from pointsman.core.catalog import Target
from pointsman.core.errors import PaymentRequired
from pointsman.core.routing import Attempt
from pointsman.core.session import fingerprint
from pointsman.core.squeeze import Place
from pointsman.gateway import question
from pointsman.gateway.approvals import Open
from pointsman.gateway.granting import Allowed, Granting, standing
from pointsman.gateway.house import House
from pointsman.gateway.question import Need
from pointsman.gateway.run import Decision, Run
from pointsman.store.ledger import HoldRequest, Reserved
from pointsman.wire.admin import Answer, Question

LOCAL: Literal["local"] = "local"
_AGAIN: Literal["again"] = "again"
_LOOK = 1.0  # seconds after which a waiting request looks again: a window may turn, another gateway may spend
_DEFERRED = 600.0  # seconds that a request in the background waits for money where its client names no time
_SLACK = 5.0  # seconds that an allowed request may still wait for holds of others


class Admitted(msgspec.Struct, frozen=True):
    """The money is held for this attempt, which may be another one than was asked for; `note` says so."""

    hold: Reserved
    attempt: Attempt
    note: str = ""


_Shorts = tuple[Short, ...]
_Step = Admitted | Literal["local", "again"]


class _Way:
    """One attempt on its way to a hold. It may be changed; until then its connection is held."""

    def __init__(self, attempt: Attempt, number: int, until: float) -> None:
        self.attempt = attempt
        self.number = number
        self.until = until
        self.note = ""
        self.tried = {attempt.target}
        self.allowed: dict[Place, int] = {}


class Admission:
    """What one request must pass before each of its attempts."""

    def __init__(self, house: House, run: Run, decision: Decision) -> None:
        self._house = house
        self._run = run
        self._decision = decision
        self._ticket = house.line.ticket()

    async def admit(self, attempt: Attempt, number: int) -> Admitted | Literal["local"]:
        """A hold for this attempt, or `LOCAL`: answer on this machine instead. Raises `Refusal`."""
        way = _Way(attempt, number, time.time() + self._house.approvals.wait)
        if attempt.ask is not None and not await self._permitted(way):
            return LOCAL
        if not self._behind(way):  # nearly all fit without any grant: to whom one may be bound is for the others
            unaided = await self._house.ledger.reserve(self._hold(way.attempt, number), time.time())
            if isinstance(unaided, Reserved):
                return Admitted(unaided, way.attempt)
        while True:
            found = await self._reserved(way)
            if isinstance(found, Admitted):
                return found
            step = await self._step(way, found)
            if step != _AGAIN:
                return step

    async def _reserved(self, way: _Way) -> Admitted | _Shorts:
        """A hold, as soon as holds of others make room for it; where waiting does not help, what is short."""
        line, until = self._house.line, min(way.until, time.time() + self._house.line.patience)
        try:
            while True:
                moved, left = self._house.bus.money(), until - time.time()
                if left > 0 and self._behind(way):
                    await _wait(moved, left)
                    continue
                found = await self._try(way)
                amount = way.attempt.at_most or 0
                if isinstance(found, Admitted) or left <= 0 or not squeeze.waiting_helps(found, amount, way.allowed):
                    return found
                line.wait_for(self._ticket, found)
                await _wait(moved, left)
        finally:
            line.leave(self._ticket)

    async def _step(self, way: _Way, shorts: _Shorts) -> _Step:
        """What the caps say. Raises `PaymentRequired` where one or the person says no."""
        action = squeeze.action(shorts, background=self._background)
        if action == "local":
            return LOCAL
        if action == "refuse":
            raise PaymentRequired(question.too_much(question.of_money(way.attempt, squeeze.refusing(shorts))))
        step: _Step | None = None
        if action == "cheaper":
            step = await self._cheaper(way)
        elif action == "shorten":
            step = self._shorten(way, shorts)
        elif action == "defer":
            step = await self._defer(way, shorts)
        return step or await self._asked(way, shorts)

    async def _cheaper(self, way: _Way) -> Admitted | None:
        """The cheapest of the plan's other targets that fits."""
        for one in squeeze.cheaper(way.attempt, self._decision.plan.attempts, way.tried):
            note = f"{one.target} instead of {way.attempt.target}, as the cap says"
            found = await self._try(way, one, note)
            if isinstance(found, Admitted):
                return found
        return None

    def _shorten(self, way: _Way, shorts: _Shorts) -> Literal["again"] | None:
        """A smaller output limit, where one can be given and that leaves an answer worth having."""
        if self._decision.request.unlimited:  # a limit would shrink the hold alone, not what is billed
            return None
        found = squeeze.shorten(way.attempt, shorts, self._decision.request.n)
        if found is None:
            return None
        way.attempt, way.note = found.attempt, found.note
        return _AGAIN

    async def _defer(self, way: _Way, shorts: _Shorts) -> Admitted | Literal["again"] | None:
        """The provider's batch price; else wait in the background, until money comes back or the time is over."""
        if admitted := await self._at_batch_price(way):
            return admitted
        if not squeeze.deferrable(shorts, way.attempt.at_most or 0):
            return None
        until = self._deadline()
        while squeeze.action(shorts, background=True) == "defer":
            moved = self._house.bus.money()
            found = (
                shorts if self._behind(way, last=True) else await self._try(way, note="put off until money came back")
            )
            if isinstance(found, Admitted):
                return found
            shorts, left = found, until - time.time()
            if left <= 0:
                raise question.not_in_time(question.of_money(way.attempt, shorts))
            await _wait(moved, left)
        return _AGAIN

    async def _at_batch_price(self, way: _Way) -> Admitted | None:
        target = self._decision.catalog.targets[way.attempt.target]
        provider = self._decision.catalog.providers.get(target.provider or "")
        if provider is None or provider.batch is None or self._decision.request.embeds:  # no such price for vectors
            return None
        if self._spoken(target) == "messages":  # its bodies name no tier: billed in full
            return None
        cheap = squeeze.at_batch_price(way.attempt, provider.batch)
        found = await self._try(way, cheap, f"at {provider.name}'s {provider.batch.service_tier} price")
        return found if isinstance(found, Admitted) else None

    def _spoken(self, target: Target) -> str:
        """The dialect in which this request goes to a target."""
        asked = self._decision.request
        spoken = self._decision.catalog.dialects(target, tools=asked.tools > 0)
        return asked.dialect if asked.dialect in spoken else spoken[0]

    def _deadline(self) -> float:
        """Until when a request in the background waits: so that its client still hears why it did not run."""
        given = self._decision.request.hints.timeout
        return self._run.started + (_DEFERRED if given is None else given - min(1.0, given / 10))

    async def _asked(self, way: _Way, shorts: _Shorts) -> _Step:
        """The person's answer; or held money comes back first, and it runs without one."""
        need = question.of_money(way.attempt, shorts)
        granting = Granting(self._house, self._allowed(way.attempt), shorts)
        case, asked = self._question(need, way)
        before, self._run.state = self._run.state, "asking"
        try:
            with self._house.approvals.waiting(case, asked, granting.grant) as found:
                if admitted := await self._before_the_answer(way, found):
                    return admitted
        finally:
            self._run.state = before
        if found.case.state == "local":
            return LOCAL
        if found.case.state != "approved":
            raise question.no_money(need, found.case)
        way.allowed = {squeeze.place(short.account): short.over for short in shorts}
        way.until = max(way.until, time.time() + _SLACK)
        return _AGAIN

    async def _before_the_answer(self, way: _Way, asked: Open) -> Admitted | None:
        """A hold, if money comes back while the question is open and the connection held."""
        until = asked.case.expires + _SLACK if self._unattended else way.until
        while asked.case.open and (left := until - time.time()) > 0:
            moved = self._house.bus.money()
            await asyncio.wait([moved, asked.ended], timeout=min(left, _LOOK), return_when=asyncio.FIRST_COMPLETED)
            if asked.waits() and not self._behind(way):
                found = await self._try(way)
                if isinstance(found, Admitted):
                    self._house.approvals.withdraw(asked)
                    return found
        return None

    async def _permitted(self, way: _Way) -> bool:
        """A known price, then consent for private data; False: answer on this machine instead."""
        if way.attempt.ask == "price" and not await self._priced(way):
            return False
        return way.attempt.ask != "consent" or await self._consented(way)

    async def _priced(self, way: _Way) -> bool:
        """The person says what it costs; from then on the attempt is planned at that price."""
        need = Need(attempt=way.attempt, kind="price")
        if await self._permission(need, way) == LOCAL:
            return False
        found = question.planned_anew(self._house, self._decision, way.attempt.target)
        if found is None or found.at_most is None:
            raise _unpriced(way.attempt)
        way.attempt = found
        return True

    async def _consented(self, way: _Way) -> bool:
        """Asked, unless consent was given for this very request."""
        mark = self._mark(way.attempt)
        if self._house.consents.pop(mark, 0.0) > time.time():
            return True
        said = await self._permission(Need(attempt=way.attempt, kind="consent"), way)
        self._house.consents.pop(mark, None)
        return said != LOCAL

    async def _permission(self, need: Need, way: _Way) -> str:
        """The person's yes, or `LOCAL`. Raises where it is a no, or not yet anything."""

        async def grant(asked: Question, _answer: Answer) -> None:
            if need.kind == "consent":
                self._house.consents[self._mark(need.attempt)] = asked.expires

        case, asked = self._question(need, way)
        before, self._run.state = self._run.state, "asking"
        try:
            case = await self._house.approvals.ask(case, asked, grant)
        finally:
            self._run.state = before
        if case.state not in ("approved", "local"):
            raise question.no_permission(need, case, self._decision)
        return case.state

    def _question(self, need: Need, way: _Way) -> tuple[Case, Question]:
        key = f"{need.kind} {self._mark(need.attempt)}"
        approvals = self._house.approvals
        case = approvals.new_case(key, need.kind, None if self._unattended else way.until, held=not self._unattended)
        return case, question.build(self._house, self._decision, need, case)

    async def _try(self, way: _Way, attempt: Attempt | None = None, note: str = "") -> Admitted | _Shorts:
        """A hold for the way's attempt or another one, or where it does not fit. Whoever is cancelled holds nothing."""
        tried = attempt or way.attempt
        hold = msgspec.structs.replace(
            self._hold(tried, way.number),
            bindings=self._allowed(tried).bindings,
            standing=standing(self._house.catalog.allowances, self._decision.who.agent, tried.target),
        )
        found = await self._house.ledger.reserve(hold, time.time())
        return Admitted(found, tried, note or way.note) if isinstance(found, Reserved) else found

    def _behind(self, way: _Way, *, last: bool = False) -> bool:
        """Whether somebody who came earlier waits for the same money; what costs nothing takes none."""
        if self._house.line.empty:
            return False
        place = math.inf if last else self._ticket
        return bool(way.attempt.at_most) and self._house.line.behind(place, self._subject(way.attempt))

    def _hold(self, attempt: Attempt, number: int) -> HoldRequest:
        if attempt.at_most is None:
            raise _unpriced(attempt)
        return HoldRequest(
            id=f"{self._run.id}-{number}",
            request=self._run.id,
            attempt=number,
            subject=self._subject(attempt),
            target=attempt.target,
            amount=attempt.at_most,
            estimate=attempt.about or 0,
            price_source=question.price_source(attempt) or "",
            price=pricing.told(attempt.rates) if attempt.rates else "{}",
        )

    @property
    def _unattended(self) -> bool:
        """Whether nobody holds a connection for this request."""
        return self._house.responses.unattended(self._run)

    @property
    def _background(self) -> bool:
        decision = self._decision
        return decision.facts.background or decision.request.hints.latency == "background"

    def _subject(self, attempt: Attempt) -> Subject:
        return subject(self._decision, attempt, self._run.id)

    def _mark(self, attempt: Attempt) -> str:
        return fingerprint(self._decision.request, self._decision.who, attempt.target)

    def _allowed(self, attempt: Attempt) -> Allowed:
        """To whom a grant for this attempt may be bound."""
        who = self._decision.who
        return Allowed(mark=self._mark(attempt), agent=who.agent, session=who.session, target=attempt.target)


def _unpriced(attempt: Attempt) -> PaymentRequired:
    """Without a price nothing can be bounded, so nothing runs, whoever agreed."""
    return PaymentRequired(f"Nobody knows what {attempt.target} costs, so it is not used.")


async def _wait(moved: asyncio.Future[None], left: float) -> None:
    await asyncio.wait([moved], timeout=min(left, _LOOK))


def subject(decision: Decision, attempt: Attempt, request: str) -> Subject:
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
        request=request,
    )
