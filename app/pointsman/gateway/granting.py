"""What an approval lets past a cap: grants bound to who, what and how much, or a raise of the cap for everybody."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from pointsman.core import approval, squeeze
from pointsman.core.amounts import dollars
from pointsman.core.budget import Short
from pointsman.core.catalog import Allowance
from pointsman.core.events import MoneyMoved
from pointsman.gateway.answering import always
from pointsman.gateway.house import House
from pointsman.store.audit import Row
from pointsman.store.ledger import Grant, Standing
from pointsman.wire.admin import Answer, Question


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a grant can be bound to: this request and its retry, its session, or its agent, with this target alone."""

    mark: str
    agent: str
    session: str
    target: str

    @property
    def bindings(self) -> tuple[str, ...]:
        """What a hold may spend, the narrowest first."""
        return tuple(self.binding(scope) for scope in ("request", "session", "agent"))

    def binding(self, scope: str) -> str:
        """The text that a grant of this scope and a hold have in common."""
        if scope == "session":
            return approval.binding("session", self.agent, self.session, self.target)
        if scope == "agent":
            return approval.binding("agent", self.agent, self.target)
        return approval.binding("request", self.mark)


class Granting:
    """What one question is about, for when it is answered."""

    def __init__(self, house: House, allowed: Allowed, shorts: Sequence[Short]) -> None:
        self._house = house
        self._allowed = allowed
        self._shorts = shorts

    async def grant(self, asked: Question, answer: Answer) -> None:
        """Let past each cap what is missing there; what the person named beyond that, where it was asked for."""
        worst = squeeze.worst(self._shorts)
        for at, short in enumerate(self._shorts):
            if answer.scope == "cap" and short is worst and not short.soft:
                await self._raise(short, answer.amount or 0)
            elif answer.scope != "always":  # that is a rule in models.toml, written already
                await self._grant(short, f"{asked.id}-{at}", asked, answer)

    async def _raise(self, short: Short, amount: int) -> None:
        account, lifted = short.account, max(short.over, amount)
        await self._house.ledger.raise_cap(account.cap.id, account.key, lifted, time.time())
        self._house.bus.publish(MoneyMoved())
        said = f"raised the {account.cap.name} cap by {dollars(lifted)} in its present window"
        await self._note("cap", said, cap=account.cap.id, key=account.key, amount=lifted)

    async def _grant(self, short: Short, id_: str, asked: Question, answer: Answer) -> None:
        now, account = time.time(), short.account
        scope = answer.scope if answer.scope in ("session", "agent") else "request"
        amount = 0 if short.soft else short.over
        grant = Grant(
            id=id_,
            cap=account.cap.id,
            key=account.key,
            binding=self._allowed.binding(scope),
            amount=amount if scope == "request" or short.soft else max(amount, answer.amount or 0),
            expires=approval.ends(scope, asked.expires, account.window.ends, answer.seconds, now),
        )
        await self._house.ledger.add_grant(grant, now)
        said = f"{scope}: {dollars(grant.amount)} over the {account.cap.name} cap for {self._allowed.target}"
        await self._note("grant", said, **msgspec.structs.asdict(grant))

    async def _note(self, kind: str, reason: str, **detail: Any) -> None:
        text = msgspec.json.encode(detail).decode()
        row = Row(at=time.time(), kind=kind, agent=self._allowed.agent, reason=reason, detail=text)
        await self._house.audit.append(row)


def standing(rules: Sequence[Allowance], agent: str, target: str) -> tuple[Standing, ...]:
    """The rules of the person that a hold of this agent and target may use."""
    found = squeeze.allowances(rules, agent, target)
    return tuple(Standing(binding=always(rule), amount=rule.over, cap=rule.cap) for rule in found)
