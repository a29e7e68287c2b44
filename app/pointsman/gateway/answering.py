"""The person's answers: what they change for good, the list of what is allowed, and taking it back. Each is an audit row."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from pointsman.core import approval, budget
from pointsman.core.amounts import dollars
from pointsman.core.approval import Case
from pointsman.core.budget import Cap
from pointsman.core.catalog import Allowance
from pointsman.core.errors import BadRequest, NotFound, SetupError
from pointsman.core.events import CatalogChanged, MoneyMoved
from pointsman.gateway import rules
from pointsman.gateway.house import House
from pointsman.store import allowed, own_models, raises
from pointsman.store.audit import Row
from pointsman.store.ledger import Grant
from pointsman.wire.admin import Answer, GrantState, Question, RevokeGrant

OK = {"ok": True}


class Answering:
    """What the admin door does with answers and grants."""

    def __init__(self, house: House, reload: Callable[[], Awaitable[None]]) -> None:
        self._house = house
        self._reload = reload
        self._file = asyncio.Lock()
        self.table: dict[type, Callable[[Any], Awaitable[Any]]] = {Answer: self._answer, RevokeGrant: self._revoke}
        house.approvals.on_end(self._ended)

    async def _answer(self, given: Answer) -> Any:
        await self._house.approvals.answer(given, self._keep)
        return OK

    async def grants(self) -> list[GrantState]:
        """Everything that still lets an agent past a cap: grants and raised caps first, then rules."""
        caps = {cap.id: cap for cap in await self._house.ledger.caps()}
        rest = {(one.cap.id, one.key): one.left for one in await self._house.ledger.accounts(time.time())}
        live = await self._house.ledger.grants(time.time())
        left = await allowed.left(self._house.db, time.time())
        once = [
            _state(grant, caps[grant.cap], rest)
            for grant in live
            if grant.cap in caps and not grant.binding.startswith("always:")
        ]
        return once + [_rule(allowance, left) for allowance in self._house.catalog.allowances]

    async def _revoke(self, revoke: RevokeGrant) -> Any:
        rule = next((one for one in self._house.catalog.allowances if one.name == revoke.grant), None)
        if rule is not None:
            await self._forget(rule)
        else:
            await self._end(revoke.grant)
        self._house.bus.publish(MoneyMoved())
        return OK

    async def _end(self, id_: str) -> None:
        """No hold may use this grant any more."""
        grant = next((one for one in await self._house.ledger.grants(time.time()) if one.id == id_), None)
        if grant is None or not await self._house.ledger.revoke(id_):
            raise NotFound(f"No grant or rule is called '{id_[:80]}'. 'pointsman approvals grants' lists them.")
        scope, span = approval.bound(grant.binding)
        said = f"took back the raise of a cap in {span}" if scope == raises.SCOPE else f"revoked {grant.binding}"
        await self._note("grant", said, id=id_, cap=grant.cap, key=grant.key, left=grant.amount)

    async def _forget(self, rule: Allowance) -> None:
        """The rule leaves the person's file; without it no hold may use what it still lends in this window."""
        await self._edit(lambda text: own_models.without_allowance(text, rule.name))
        if rule in self._house.catalog.allowances:
            raise BadRequest(f"The rule '{rule.name}' does not stand in your models.toml. Take it out where it stands.")

    async def _keep(self, asked: Question, given: Answer) -> None:
        """What an approval writes into the person's models.toml, before the request goes on."""
        if asked.kind == "price" and given.price is not None:
            await self._keep_price(asked, given.price)
        elif given.scope == "always" and asked.allowance is not None:
            await self._keep_rules(asked, own_models.from_text(asked.allowance), given.amount)

    async def _keep_price(self, asked: Question, price: tuple[int, int]) -> None:
        day = datetime.now().astimezone().date().isoformat()
        await self._edit(lambda text: own_models.with_price(text, asked.model, price, day))
        target = self._house.catalog.targets.get(asked.model)
        if target is None or self._house.rates(target, time.time()) is None:
            raise BadRequest(
                f"The price stands in your models.toml, yet another file has the last word on {asked.model}. "
                "Give it the price there."
            )
        said = f"{asked.model} costs {dollars(price[0])} in and {dollars(price[1])} out for a million tokens"
        await self._note("price", said, asked.agent, target=asked.model, input=price[0], output=price[1])

    async def _keep_rules(self, asked: Question, rules: Sequence[Allowance], amount: int | None) -> None:
        worst = asked.cap.name if asked.cap else ""
        meant = [
            msgspec.structs.replace(one, over=amount) if amount is not None and one.cap == worst else one
            for one in rules
        ]
        await self._edit(lambda text: own_models.with_allowances(text, meant))
        if not set(meant) <= set(self._house.catalog.allowances):
            raise BadRequest("The rule stands in your models.toml, yet another file has its own. Add the rule there.")

    async def _edit(self, change: Callable[[str], str]) -> None:
        """Change the person's file and read it again; a file that does not hold together is put back as it was."""
        path = self._house.paths.models_toml
        async with self._file:
            before = await asyncio.to_thread(own_models.read, path)
            try:
                after = change(before)
                if after != before:
                    await asyncio.to_thread(own_models.write, path, after)
                    await self._read_again(before)
            except SetupError as error:
                raise BadRequest(error.sentence) from None

    async def _read_again(self, before: str) -> None:
        catalog = self._house.catalog
        try:
            await self._reload()
        except SetupError:
            await asyncio.to_thread(own_models.write, self._house.paths.models_toml, before)
            raise
        await rules.note(self._house, catalog)
        self._house.bus.publish(CatalogChanged())

    async def _ended(self, asked: Question, case: Case) -> None:
        """One row for each question that ended: answered, expired or not needed any more."""
        detail = {"over": asked.over, "amount": case.amount, "at_most": asked.at_most, "covers": asked.covers}
        reason = f"{case.state} {asked.kind}: {asked.model}, {case.scope}"
        with contextlib.suppress(RuntimeError):  # the store is closed: the gateway stops
            await self._note("approval", reason, asked.agent, question=asked.id, state=case.state, **detail)

    async def _note(self, kind: str, reason: str, agent: str = "", **detail: Any) -> None:
        text = msgspec.json.encode(detail).decode()
        await self._house.audit.append(Row(at=time.time(), kind=kind, agent=agent, reason=reason, detail=text))


def always(rule: Allowance) -> str:
    """To what the grants of a rule are bound."""
    return approval.binding("always", rule.name)


def _state(grant: Grant, cap: Cap, rest: Mapping[tuple[str, str], int]) -> GrantState:
    """`rest` is what is left in accounts: of a raised cap nothing else can be spent."""
    scope, bound = approval.bound(grant.binding)
    left = grant.amount
    if scope == raises.SCOPE:
        bound = ", ".join(budget.owner(cap, grant.key).values()) or "everybody"
        left = min(left, rest.get((grant.cap, grant.key), left))
    expires = None if grant.expires >= raises.NEVER else grant.expires
    return GrantState(
        id=grant.id, scope=scope, bound=bound, cap=cap.name, amount=grant.amount, left=left, expires=expires
    )


def _rule(rule: Allowance, left: Mapping[str, int]) -> GrantState:
    return GrantState(
        id=rule.name,
        scope="always",
        bound=f"{rule.agent}, {rule.target}",
        cap=rule.cap,
        amount=rule.over,
        left=left.get(always(rule), rule.over),
        expires=None,
    )
