"""What is written of a request: its charge, its row, its answer headers."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from pointsman.core import pricing, routing, savings
from pointsman.core.errors import Forbidden, Paused, PaymentRequired, Refusal, Stopped
from pointsman.core.events import RequestEnded
from pointsman.core.pricing import Meters
from pointsman.core.routing import Attempt, Circumstances
from pointsman.gateway.attempts import AttemptFailed, Sent, Tally
from pointsman.gateway.house import House
from pointsman.gateway.question import price_source
from pointsman.gateway.run import Decision, Owed, Run
from pointsman.gateway.shielded import shielded
from pointsman.sense import detect
from pointsman.store.audit import Row
from pointsman.store.bodies import KeptBody
from pointsman.store.ledger import Charge

Headers = list[tuple[bytes, bytes]]
_WORD = 40  # characters of a word that a provider says
_NAMES = 8  # names of what was not carried over that are told
_NAME = re.compile(r"(?:[a-z_]+ )*[A-Za-z0-9_.-]{1,39}")  # a word of 40 may be the start of a longer one, of a key
_LINE = 2_000  # bytes of a header: clients and proxies refuse an answer whose header is much longer
_REASON = 4_000  # characters of a reason in the audit
_NO_METERS = Meters()
_json = msgspec.json.Encoder()
_SAFE = " !#$&'()*+,-./:;=?@[]^_`{|}~"
_PLAIN = re.compile(rf"[A-Za-z0-9{re.escape(_SAFE)}]*")  # what stays as it is


def charge(attempt: Attempt, used: Tally, failed: AttemptFailed | None) -> Charge | None:
    """What an attempt costs; None: nothing was sent, or the upstream refused before any content, so nothing is owed.

    The provider's own cost wins over our price; usage that is missing costs the whole hold and is marked.
    """
    if not used.sent or attempt.rates is None:
        return None
    price = pricing.told(attempt.rates)
    if used.finish is None:  # usage of a part is not usage
        if failed is not None and attempt.tier == "local":
            return None
        return Charge(amount=attempt.at_most or 0, estimated=True, why="usage is missing", price=price)
    amount = pricing.charged(used.meters, used.cost, attempt.rates)
    if amount is None:
        return Charge(amount=attempt.at_most or 0, estimated=True, why="usage is missing", price=price)
    meters = used.meters or _NO_METERS
    return Charge(
        amount=amount,
        estimated=False,
        fresh_input=meters.fresh_input,
        cache_read=meters.cache_read,
        cache_write_short=meters.cache_write_short,
        cache_write_long=meters.cache_write_long,
        output=meters.output,
        price=price,
    )


def saving(house: House, decision: Decision, attempt: Attempt, charged: Charge | None) -> Charge | None:
    """The charge, with what the same tokens would have cost at the cloud target that this answer replaced."""
    if charged is None or charged.estimated or attempt.tier == "cloud":
        return charged
    meters = Meters(**{name: getattr(charged, name) for name in Meters.__struct_fields__})
    asked, ruling = savings.as_if_cloud(decision.request, decision.ruling)
    world = Circumstances(rates=house.circumstances().rates, down={})
    possible = routing.plan(asked, decision.facts, ruling, decision.catalog, world)
    instead = savings.replaced(decision.plan, possible, meters)
    if instead is None or instead.rates is None:
        return charged
    return msgspec.structs.replace(charged, saved=savings.saved(meters, instead.rates, charged.amount))


async def end_attempt(house: House, run: Run, owed: Owed) -> None:
    """Settle an attempt that another one follows, with a row of its own."""
    run.owed = None
    why = run.failures[-1][1] if run.failures else ""
    row = msgspec.structs.replace(
        _row(run, owed), kind="attempt", outcome="failed", reason=why[:_REASON], code=run.failed_code
    )
    await shielded(_settle(house, run, owed, row))


async def write(house: House, run: Run) -> None:
    """The request's row, in one transaction with the end of its last attempt's hold; one event."""
    owed, run.owed = run.owed, None
    row = _row(run, owed)
    if owed is None:
        await house.audit.append(row)
    else:  # its client has its answer: the next request's hold takes it along, or a moment does
        await _settle(house, run, owed, row, later=True)
    if house.bus.heard:
        ended = RequestEnded(request=run.id, agent=run.agent, target=row.target, outcome=run.outcome, cost=run.cost)
        house.bus.publish(ended)


async def keep(house: House, run: Run, sent: Sent) -> None:
    """Hand the request and its answer over to be kept, where the person lets it; that takes no time here."""
    if run.decision is None:
        return
    who, ruling = run.decision.who, run.decision.ruling
    kept = KeptBody(
        request=run.id,
        agent=run.agent,
        session=who.session,
        at=run.started,
        sensitivity=ruling.sensitivity,
        dialect=sent.dialect.name,
        body=sent.body,
        answer=bytes(run.answer),
    )
    await house.keeping.bodies.keep(kept)


async def _settle(house: House, run: Run, owed: Owed, row: Row, *, later: bool = False) -> None:
    now, charge = time.time(), owed.charge
    if charge is None:
        ended = await house.ledger.refund(owed.hold.hold, now, row, later=later)
    else:
        run.cost += charge.amount
        ended = await house.ledger.settle(owed.hold.hold, charge, now, row, later=later)
    if not ended:  # a restart settled it meanwhile; what happened is told all the same
        await house.audit.append(msgspec.structs.replace(row, cost=0))
    house.bus.money_moved()


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
    stream, more = decision.request.stream, run.tally.headers
    told = [
        (b"content-type", b"text/event-stream; charset=utf-8" if stream else b"application/json"),
        (b"cache-control", b"no-cache"),
        (b"x-pointsman-request", run.id.encode()),
        (b"x-pointsman-target", _header(attempt.target)),
        (b"x-pointsman-tier", attempt.tier.encode()),
        (b"x-pointsman-cost-microusd", b"%d" % _known_cost(run, attempt, stream)),
        (b"x-pointsman-reason", _header(reason(run, decision))),
    ]
    for name, value in more.items():
        told.append((name.encode("latin-1"), value.encode("latin-1", "replace")))
    return told


def _known_cost(run: Run, attempt: Attempt, stream: bool) -> int:
    """While an answer streams only its bound is known: what came of its usage is usage of a part."""
    if stream:
        return attempt.at_most or 0
    if run.tally.cost is not None:
        return run.tally.cost
    if run.tally.meters is not None and attempt.rates is not None:
        return pricing.cost(run.tally.meters, attempt.rates)
    return attempt.at_most or 0


def reason(run: Run, decision: Decision) -> str:
    """Why it ran there, in one line."""
    if not (run.notes or run.failures or run.tally.lost):  # as nearly all
        return decision.plan.reason
    failed = [f"{target} failed" for target, _ in run.failures]
    lost = [f"not carried over: {_names(run.tally.lost)}"] if run.tally.lost else []
    return "; ".join([decision.plan.reason, *run.notes, *failed, *lost])


def _names(lost: Sequence[str]) -> str:
    """The first of them: a client may send any number of fields, and a key or a card's number in place of a name."""
    names = (name if _NAME.fullmatch(name) and not detect.find(name) else "a field" for name in lost[:_NAMES])
    more = len(lost) - _NAMES
    return ", ".join(dict.fromkeys(names)) + (f" and {more} more" if more > 0 else "")


def refused_headers(run: Run, refusal: Refusal) -> Headers:
    """What a refusal says of itself."""
    return [(b"x-pointsman-request", run.id.encode()), (b"x-pointsman-reason", refusal.code.encode())]


def _header(text: str) -> bytes:
    """As it stands in a header, cut to what one may hold; no character is cut in two."""
    if _PLAIN.fullmatch(text):
        return text[:_LINE].encode()
    signs = [quote(sign, safe=_SAFE) for sign in text[:_LINE]]
    sizes = itertools.accumulate(map(len, signs))
    return "".join(sign for sign, size in zip(signs, sizes, strict=True) if size <= _LINE).encode()


def outcome(refusal: Refusal) -> str:
    """The audit's word for a refusal."""
    if isinstance(refusal, Stopped):
        return "stopped"
    if isinstance(refusal, Paused | PaymentRequired | Forbidden):
        return "refused"
    return "failed" if refusal.status >= 500 or refusal.status == 429 else "rejected"


def _row(run: Run, owed: Owed | None) -> Row:
    decision = run.decision
    if decision is None:
        return Row(**_of_run(run), reason=run.reason[:_REASON])
    known = _of_run(run)
    known.update(_with_decision(decision, run))
    return Row(**known) if owed is None else _with_attempt(run, decision, owed, known)


def _of_run(run: Run) -> dict[str, Any]:
    return {
        "at": run.started,
        "kind": "request",
        "request": run.id,
        "agent": run.agent,
        "outcome": run.outcome,
        "code": run.code,
        "latency_ms": _milliseconds(time.time() - run.started),
    }


def _with_decision(decision: Decision, run: Run) -> dict[str, Any]:
    who = decision.who
    return {
        "session": who.session,
        "task": who.task,
        "person": who.person,
        "project": who.project,
        "label": who.label,
        "model_asked": decision.request.model[:200],
        "class_": decision.facts.class_,
        "sensitivity": decision.ruling.sensitivity,
        "reason": (run.reason or reason(run, decision))[:_REASON],
        "plan": _plan(decision, run),
    }


def _with_attempt(run: Run, decision: Decision, owed: Owed, known: dict[str, Any]) -> Row:
    """What the attempt was, how long it took, what left the machine, and what it cost."""
    attempt, used, charge, meters = owed.attempt, owed.tally, owed.charge, owed.tally.meters or _NO_METERS
    target = decision.catalog.targets.get(attempt.target)  # as it was sent, whatever the file says by now
    provider = decision.catalog.providers.get(target.provider or "") if target else None
    sent = used.sent and provider is not None
    return Row(
        **known,
        attempt=owed.number,
        target=attempt.target,
        tier=attempt.tier,
        provider=provider.name if provider else None,
        region=provider.region if provider else None,
        bytes_sent=used.bytes if sent else 0,
        consent="consented" if sent and attempt.ask == "consent" else "",
        fresh_input=meters.fresh_input,
        cache_read=meters.cache_read,
        cache_write_short=meters.cache_write_short,
        cache_write_long=meters.cache_write_long,
        output=meters.output,
        estimated=charge is not None and charge.estimated,
        queue_ms=_milliseconds(used.started - run.started),
        first_token_ms=_milliseconds(used.first - run.started) if used.first else None,
        tokens_per_second=_speed(used, meters),
        peak_memory=used.peak_memory,
        finish=used.finish and used.finish[:_WORD],
        cost=charge.amount if charge else 0,
        held=owed.hold.amount,
        saved=charge.saved if charge else 0,
        price_source=price_source(attempt) or "",
        price=(charge.price if charge else None) or "{}",
    )


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _speed(used: Tally, meters: Meters) -> float | None:
    """Tokens a second from the first on."""
    if used.first is None or used.ended is None or meters.output < 2 or used.ended <= used.first:
        return None
    return round((meters.output - 1) / (used.ended - used.first), 1)


def _plan(decision: Decision, run: Run) -> str:
    plan = decision.plan
    told = {
        "attempts": [
            {"target": one.target, "tier": one.tier, "about": one.about, "at_most": one.at_most, "ask": one.ask}
            for one in plan.attempts
        ],
        "dropped": [{"target": one.target, "reason": one.reason} for one in plan.dropped],
        "failed": [{"target": target, "why": why} for target, why in run.failures],
        "rule": decision.ruling.rule,
        "findings": {found.kind: found.count for found in decision.facts.findings},
    }
    return _json.encode(told).decode()
