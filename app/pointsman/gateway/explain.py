"""What would happen to a request, said without running it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from pointsman.core import squeeze, unanswered
from pointsman.core.amounts import dollars
from pointsman.core.budget import Short, admit
from pointsman.core.request import Request
from pointsman.core.routing import Attempt
from pointsman.gateway import pipeline
from pointsman.gateway.admission import subject
from pointsman.gateway.attempts import Sent
from pointsman.gateway.door import hints
from pointsman.gateway.house import House
from pointsman.gateway.question import cap_state, price_source
from pointsman.gateway.run import Decision, Run
from pointsman.wire.admin import Explain
from pointsman.wire.surfaces import SURFACES


async def explain(house: House, given: Explain) -> dict[str, Any]:
    """Class, sensitivity, plan, price and caps of this body. Raises `Refusal` as the door would."""
    headers = {name.lower(): value for name, value in given.headers.items()}
    sent = Sent(dialect=SURFACES[given.dialect], body=given.body.encode())
    decision = await pipeline.decide(house, Run("explain", given.agent or "explain"), sent, hints(headers))
    plan, facts = decision.plan, decision.facts
    first = plan.attempts[0] if plan.attempts else None
    accounts = await house.ledger.accounts(time.time(), subject(decision, first, "explain")) if first else []
    shorts = admit(accounts, first.at_most or 0) if first else ()
    outcome = _outcome(decision, first, shorts)
    return {
        "sentence": _sentence(decision, first, outcome),
        "outcome": outcome,
        "class": facts.class_,
        "sensitivity": decision.ruling.sensitivity,
        "findings": {found.kind: found.count for found in facts.findings},
        "size": {"tokens": facts.estimate, "at_most_tokens": facts.bound},
        "rule": decision.ruling.rule,
        "reason": plan.reason,
        "attempts": [_attempt(one) for one in plan.attempts],
        "dropped": [{"target": one.target, "reason": one.reason} for one in plan.dropped],
        "caps": [cap_state(account) for account in accounts],
    }


def _attempt(one: Attempt) -> dict[str, Any]:
    return {
        "target": one.target,
        "tier": one.tier,
        "about": one.about,
        "at_most": one.at_most,
        "ask": one.ask,
        "price_source": price_source(one),
    }


def _outcome(decision: Decision, first: Attempt | None, shorts: Sequence[Short]) -> str:
    """allow, or what would come before it: ask, local, cheaper, shorten, defer, or deny."""
    if first is None:
        return "deny"
    says = squeeze.action(shorts, background=decision.facts.background) if shorts else "allow"
    if says == "refuse":
        return "deny"
    if says == "shorten" and not _shortens(decision.request, first, shorts):
        return "ask"
    return "ask" if first.ask else says


def _shortens(request: Request, first: Attempt, shorts: Sequence[Short]) -> bool:
    return not request.unlimited and squeeze.shorten(first, shorts, request.n) is not None


_THEN = {
    "allow": "",
    "ask": " You would be asked first.",
    "deny": " A cap would refuse it.",
    "local": " A cap would keep it on this machine.",
    "cheaper": " A cap would send it to a cheaper model.",
    "shorten": " A cap would shorten its answer.",
    "defer": " A cap would let it wait.",
}


def _sentence(decision: Decision, first: Attempt | None, outcome: str) -> str:
    if first is None:
        return _nothing(decision)
    where = {"local": "on this machine", "private": "on your server", "cloud": "in the cloud"}[first.tier]
    if first.at_most is None:
        price = "Its price is not known."
    elif first.tier == "local":
        price = "It is free."
    else:
        price = f"About {dollars(first.about or 0)}, at most {dollars(first.at_most, up=True)}."
    return f"{first.target} would answer {where} ({decision.plan.reason}). {price}{_THEN[outcome]}"


def _nothing(decision: Decision) -> str:
    dropped, asked = decision.plan.dropped, decision.request
    if not asked.embeds:
        return unanswered.sentence(dropped)
    makers = [name for name, target in decision.catalog.targets.items() if "embeddings" in target.can]
    return unanswered.of_vectors(asked.model, dropped, makers)
