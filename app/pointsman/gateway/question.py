"""What stands in an attempt's way, as a question to the person and as the sentence of a refusal."""

from __future__ import annotations

from typing import Literal

import msgspec

from pointsman.core import pricing, privacy, squeeze
from pointsman.core.amounts import dollars
from pointsman.core.approval import Case
from pointsman.core.budget import Account, Short
from pointsman.core.catalog import Allowance, Provider
from pointsman.core.errors import Forbidden, PaymentRequired, Refusal
from pointsman.core.routing import Attempt, plan
from pointsman.gateway.house import House
from pointsman.gateway.run import Decision
from pointsman.store import own_models
from pointsman.wire.admin import CapState, Destination, FindingCount, Question

Kind = Literal["money", "soft", "consent", "price"]


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt lacks: money under some caps, consent, or a price."""

    attempt: Attempt
    kind: Kind
    shorts: tuple[Short, ...] = ()

    @property
    def worst(self) -> Short:
        """The cap that stands most in the way; only where money is what lacks."""
        return squeeze.worst(self.shorts)


def of_money(attempt: Attempt, shorts: tuple[Short, ...]) -> Need:
    """What an attempt lacks that does not fit; `soft` where only soft marks are passed."""
    return Need(attempt=attempt, kind="soft" if all(short.soft for short in shorts) else "money", shorts=shorts)


def build(house: House, decision: Decision, need: Need, case: Case) -> Question:
    """Everything that the person should know before answering."""
    who, attempt, facts = decision.who, need.attempt, decision.facts
    here = local_attempts(house, decision)
    rules = allowances(house, decision, need)
    return Question(
        id=case.id,
        kind=need.kind,
        agent=who.agent,
        session=who.session,
        session_since=house.sessions.since(who.session),
        project=who.project,
        model=attempt.target,
        tier=attempt.tier,
        provider=house.catalog.targets[attempt.target].provider,
        about=attempt.about,
        at_most=attempt.at_most,
        over=max((short.over for short in need.shorts), default=0),
        cap=cap_state(need.worst.account) if need.shorts else None,
        rule=decision.ruling.rule,
        findings=[FindingCount(found.kind, found.count) for found in facts.findings],
        messages=len(decision.request.messages),
        tokens_in=facts.estimate,
        tokens_bound=facts.bound,
        tokens_out=attempt.output,
        local_model=here[0].target if here else None,
        asked=case.asked,
        waits_until=case.waits_until,
        expires=case.expires,
        covers=1,
        price_source=price_source(attempt),
        allowance=own_models.as_text(rules) if rules else None,
        sentence=_sentence(decision, need),
        destination=destination(decision, attempt),
    )


def _sentence(decision: Decision, need: Need) -> str:
    """Why the person is asked of money; of consent, what becomes of the data."""
    if need.shorts:
        return squeeze.why_asked(need.attempt, need.shorts, decision.request.n)
    provider = _provider(decision, need.attempt)
    return privacy.told(provider) if need.kind == "consent" and provider is not None else ""


def destination(decision: Decision, attempt: Attempt) -> Destination | None:
    """Where an attempt would go, None where that is this machine."""
    provider = _provider(decision, attempt)
    if provider is None:
        return None
    said = {name: getattr(provider, name) for name in Destination.__struct_fields__ if name != "provider"}
    return Destination(provider=provider.name, **said)


def _provider(decision: Decision, attempt: Attempt) -> Provider | None:
    return decision.catalog.providers.get(decision.catalog.targets[attempt.target].provider or "")


def allowances(house: House, decision: Decision, need: Need) -> list[Allowance]:
    """The rules that "always" would write: one for each cap that stands in the way."""
    agent, target = decision.who.agent, need.attempt.target
    return [squeeze.allowance(agent, target, short, house.catalog.allowances) for short in need.shorts]


def local_attempts(house: House, decision: Decision) -> list[Attempt]:
    """What could answer on this machine instead."""
    hints = msgspec.structs.replace(decision.request.hints, tier="local", fallback=True)
    return [one for one in _planned(house, decision, "local", hints) if one.tier == "local"]


def planned_anew(house: House, decision: Decision, target: str) -> Attempt | None:
    """The attempt at this target as it is planned now, after prices or rules have changed."""
    hints = msgspec.structs.replace(decision.request.hints, fallback=True)
    return next((one for one in _planned(house, decision, target, hints) if one.target == target), None)


def _planned(house: House, decision: Decision, model: str, hints: object) -> tuple[Attempt, ...]:
    asked = msgspec.structs.replace(decision.request, model=model, hints=hints)
    ruling = msgspec.structs.replace(decision.ruling, target=None, tier=None)
    return plan(asked, decision.facts, ruling, house.catalog, house.circumstances()).attempts


def cap_state(account: Account) -> CapState:
    """An account as tray and command line see it."""
    cap = account.cap
    return CapState(
        id=cap.id,
        name=cap.name,
        scope=cap.scope,
        match=account.key,
        window=cap.window,
        limit=account.limit,
        raised=account.raised,
        spent=account.spent,
        held=account.held,
        left=account.left,
        starts=account.window.starts,
        ends=account.window.ends,
        soft_percent=cap.soft_percent,
        at_soft=cap.at_soft,
        at_limit=cap.at_limit,
        overrun=account.overrun,
    )


def price_source(attempt: Attempt) -> str | None:
    """Where the price comes from and of which day it is, as far as that is known."""
    return None if attempt.rates is None else pricing.origin(attempt.rates)


def too_much(need: Need) -> str:
    """The cap, what is left of it, and what the request may cost."""
    account, attempt = need.worst.account, need.attempt
    held = f" ({dollars(account.held)} more is held)" if account.held else ""
    return (
        f"The {account.cap.name} cap of {dollars(account.limit)} has {dollars(account.left, down=True)} left{held}, and this "
        f"request to {attempt.target} may cost {dollars(attempt.at_most or 0, up=True)}."
    )


def no_money(need: Need, case: Case) -> Refusal:
    """Nobody allowed it, or not yet."""
    if case.open:
        return PaymentRequired(f"{too_much(need)} Approve it in Pointsman, then send it again.")
    ended = "It was denied." if case.state == "denied" else "Nobody answered in time, which counts as a denial."
    return PaymentRequired(f"{too_much(need)} {ended}")


def not_in_time(need: Need) -> Refusal:
    """A request in the background waited for money as long as it could."""
    return PaymentRequired(f"{too_much(need)} It waited in the background, and no money came back in time.")


def no_permission(need: Need, case: Case, decision: Decision) -> Refusal:
    """No consent, or no price."""
    target = need.attempt.target
    if need.kind == "price":
        what = f"Nobody knows what {target} costs, so it is not used."
        if case.open:
            return PaymentRequired(f"{what} Say its price in Pointsman, then send it again.")
        return PaymentRequired(f"{what} Give it a price in models.toml.")
    what = f"This request holds {decision.ruling.sensitivity} data"
    if case.open:
        return PaymentRequired(f"{what}. Approve sending it to {target} in Pointsman, then send it again.")
    return Forbidden(f"{what}, and sending it to {target} was not allowed. Nothing was sent.")
