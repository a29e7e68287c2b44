"""What is written of a request: its charge, its row, its answer headers."""

from __future__ import annotations

import time
from urllib.parse import quote

import msgspec

from pointsman.core import pricing
from pointsman.core.errors import Forbidden, Paused, PaymentRequired, Refusal, Stopped
from pointsman.core.events import MoneyMoved, RequestEnded
from pointsman.core.pricing import Meters
from pointsman.core.routing import Attempt
from pointsman.gateway.attempts import AttemptFailed, Tally
from pointsman.gateway.house import House
from pointsman.gateway.question import price_source
from pointsman.gateway.run import Decision, Run
from pointsman.store.audit import Row
from pointsman.store.ledger import Charge, Reserved

Headers = list[tuple[bytes, bytes]]


def charge(attempt: Attempt, used: Tally, failed: AttemptFailed | None) -> Charge | None:
    """What an attempt costs; None: nothing was sent, or the upstream refused before any content, so nothing is owed.

    The provider's own cost wins over our price; usage that is missing costs the whole hold and is marked.
    """
    if not used.sent or attempt.rates is None:
        return None
    if used.finish is None or (used.meters is None and used.cost is None):  # usage of a part is not usage
        if failed is not None and attempt.tier == "local":
            return None
        return Charge(amount=attempt.at_most or 0, estimated=True, why="usage is missing")
    meters = used.meters or Meters()
    amount = used.cost if used.cost is not None else pricing.cost(meters, attempt.rates)
    return Charge(amount=amount, estimated=False, **msgspec.structs.asdict(meters))


async def settle(house: House, run: Run, hold: Reserved, owed: Charge | None) -> None:
    """End the hold, once."""
    now = time.time()
    if owed is None:
        await house.ledger.refund(hold.hold, now)
    else:
        run.cost += owed.amount
        run.estimated = run.estimated or owed.estimated
        await house.ledger.settle(hold.hold, owed, now)
    house.bus.publish(MoneyMoved())


def note_health(house: House, attempt: Attempt, used: Tally, failed: AttemptFailed | None) -> None:
    """Tell the target's breaker."""
    if failed is not None and failed.fault:
        house.health.failed(attempt.target, time.time())
    elif used.first is not None:
        house.health.answered(attempt.target)


def headers(run: Run, decision: Decision) -> Headers:
    """What an answer says of its way. The cost is the bound while it still streams."""
    attempt = run.attempt
    assert attempt is not None  # headers are sent by an attempt
    kind = b"text/event-stream; charset=utf-8" if decision.request.stream else b"application/json"
    return [
        (b"content-type", kind),
        (b"cache-control", b"no-cache"),
        (b"x-pointsman-request", run.id.encode()),
        (b"x-pointsman-target", _header(attempt.target)),
        (b"x-pointsman-tier", attempt.tier.encode()),
        (b"x-pointsman-cost-microusd", str(_known_cost(run, attempt)).encode()),
        (b"x-pointsman-reason", _header(reason(run, decision))),
    ]


def _known_cost(run: Run, attempt: Attempt) -> int:
    if run.tally.cost is not None:
        return run.tally.cost
    if run.tally.meters is not None and attempt.rates is not None:
        return pricing.cost(run.tally.meters, attempt.rates)
    return attempt.at_most or 0


def reason(run: Run, decision: Decision) -> str:
    """Why it ran there, in one line."""
    failed = "".join(f"; {target} failed" for target, _ in run.failures)
    return decision.plan.reason + failed


def refused_headers(run: Run, refusal: Refusal) -> Headers:
    """What a refusal says of itself."""
    return [(b"x-pointsman-request", run.id.encode()), (b"x-pointsman-reason", refusal.code.encode())]


def _header(text: str) -> bytes:
    return quote(text, safe=" !#$&'()*+,-./:;=?@[]^_`{|}~").encode()


def outcome(refusal: Refusal) -> str:
    """The audit's word for a refusal."""
    if isinstance(refusal, Stopped):
        return "stopped"
    if isinstance(refusal, Paused | PaymentRequired | Forbidden):
        return "refused"
    return "failed" if refusal.status >= 500 else "rejected"


async def write(house: House, run: Run) -> None:
    """One row, one event."""
    row = _row(house, run)
    await house.audit.append(row)
    house.bus.publish(
        RequestEnded(request=run.id, agent=run.agent, target=row.target, outcome=run.outcome, cost=run.cost)
    )


def _row(house: House, run: Run) -> Row:
    known = Row(at=run.started, kind="request", request=run.id, agent=run.agent, outcome=run.outcome)
    now = time.time()
    known = msgspec.structs.replace(
        known, reason=run.reason, code=run.code, latency_ms=round((now - run.started) * 1000, 1), cost=run.cost
    )
    if run.decision is None:
        return known
    return _with_attempt(_with_decision(known, run.decision, run), house, run)


def _with_decision(row: Row, decision: Decision, run: Run) -> Row:
    request, who, facts = decision.request, decision.who, decision.facts
    return msgspec.structs.replace(
        row,
        session=who.session,
        task=who.task,
        person=who.person,
        project=who.project,
        label=who.label,
        model_asked=request.model[:200],
        class_=facts.class_,
        sensitivity=decision.ruling.sensitivity,
        reason=run.reason or reason(run, decision),
        plan=_plan(decision, run),
    )


def _with_attempt(row: Row, house: House, run: Run) -> Row:
    attempt, used = run.attempt, run.tally
    if attempt is None:
        return row
    meters = used.meters or Meters()
    first = round((used.first - run.started) * 1000, 1) if used.first else None
    return msgspec.structs.replace(
        row,
        target=attempt.target,
        tier=attempt.tier,
        **msgspec.structs.asdict(meters),
        estimated=run.estimated,
        queue_ms=round((used.started - run.started) * 1000, 1),
        first_token_ms=first,
        finish=used.finish,
        held=run.held,
        price_source=price_source(attempt) or "",
        saved=_saved(house, attempt, meters),
    )


def _saved(house: House, attempt: Attempt, meters: Meters) -> int:
    """What this local answer would have cost at the first cloud target that has a price."""
    if attempt.tier != "local":
        return 0
    rates = (house.rates(target, time.time()) for target in house.catalog.by_tier("cloud"))
    known = next((rate for rate in rates if rate is not None), None)
    return pricing.cost(meters, known) if known else 0


def _plan(decision: Decision, run: Run) -> str:
    plan = decision.plan
    return msgspec.json.encode(
        {
            "attempts": [
                {"target": one.target, "tier": one.tier, "about": one.about, "at_most": one.at_most, "ask": one.ask}
                for one in plan.attempts
            ],
            "dropped": [{"target": one.target, "reason": one.reason} for one in plan.dropped],
            "failed": [{"target": target, "why": why} for target, why in run.failures],
            "rule": decision.ruling.rule,
            "findings": {found.kind: found.count for found in decision.facts.findings},
        }
    ).decode()
