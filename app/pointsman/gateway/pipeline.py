"""A request's way, from a body at the door to one audit row. The steps are numbered as in the house plan."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator
from urllib.parse import unquote

import msgspec

from pointsman.core import facts as facts_
from pointsman.core import policy, routing, session, unanswered
from pointsman.core.errors import (
    Broken,
    Forbidden,
    Paused,
    PaymentRequired,
    Refusal,
    Resting,
    Stopped,
    TimedOut,
    Unanswerable,
)
from pointsman.core.events import RequestStarted
from pointsman.core.request import Finding, Hints, Verdict
from pointsman.core.routing import Attempt
from pointsman.gateway import misread, record
from pointsman.gateway.admission import LOCAL, Admission
from pointsman.gateway.attempts import AttemptFailed, Frame, Job, Sent, Tally
from pointsman.gateway.house import House
from pointsman.gateway.question import local_attempts
from pointsman.gateway.reply import Reply
from pointsman.gateway.run import Decision, Owed, Run
from pointsman.gateway.shielded import shielded
from pointsman.store.ledger import Reserved
from pointsman.system import trouble
from pointsman.wire import refusals

_LARGE = 262_144  # bytes of a body that is read in a thread, so that the others' streams go on


class Call(msgspec.Struct, frozen=True):
    """One request on its way through the steps."""

    house: House
    run: Run
    sent: Sent
    reply: Reply


async def serve(call: Call, hints: Hints) -> None:
    """Answer one request. Whatever happens, its hold ends once and its row is written once."""
    house, run = call.house, call.run
    house.live.enter(run)
    try:
        if hints.timeout is None:
            await _steps(call, hints)
        else:
            async with asyncio.timeout(hints.timeout):
                await _steps(call, hints)
    except TimeoutError:
        await _refuse(call, TimedOut(f"No answer was complete within the {hints.timeout:.0f} s asked for."))
    except Refusal as refusal:
        await _refuse(call, refusal)
    except ConnectionError:
        run.outcome = "cancelled"
    except asyncio.CancelledError:
        run.outcome = "cancelled"
        if not run.stopped:
            raise
        await _refuse(call, Stopped("The person stopped this request in Pointsman. What was used is charged."))
    except Exception as error:  # noqa: BLE001 the client gets a sentence, also inside a stream; the log has the lines
        await _refuse(call, Broken(trouble.sentence(error)))
    finally:
        house.live.leave(run)
        await shielded(_end(call))  # 10


async def _steps(call: Call, hints: Hints) -> None:
    house, run = call.house, call.run
    decision = run.decision = await decide(house, run, call.sent, hints)  # 1 to 5
    session_, now = decision.who.session, time.time()
    house.sessions.see(session_, now)
    if found := decision.facts.findings:  # what later requests of this session need to know of this one
        await house.taints.add(session_, {finding.kind for finding in found}, now)
    if house.bus.heard:
        house.bus.publish(RequestStarted(run.id, run.agent))
    await house.watch.check(run)
    await _attempts(call, decision)  # 6 to 9


async def _end(call: Call) -> None:
    await record.write(call.house, call.run)
    await record.keep(call.house, call.run, call.sent)


async def decide(house: House, run: Run, sent: Sent, hints: Hints) -> Decision:
    """Steps 1 to 5: everything that is decided before anything runs. Raises `Refusal`."""
    now, catalog, agent = time.time(), house.catalog, run.agent
    if house.pauses.paused(agent, now) or house.pauses.paused("*", now):
        raise Paused(house.watch.why(agent))
    if len(sent.body) > _LARGE:
        request = await asyncio.to_thread(sent.dialect.read, run.id, sent.body, hints, house.verdicts.of)
    else:
        request = sent.dialect.read(run.id, sent.body, hints, house.verdicts.of)
    if beside := _beside(house, sent):
        request = msgspec.structs.replace(request, rest=(*request.rest, Verdict(beside)))
    who = session.attribute(request, agent, house.person)
    facts = facts_.gather(request, catalog.sensitivity, house.taints.of(who.session))
    ruling = policy.rule(request, who, facts, catalog)
    plan = routing.plan(request, facts, ruling, catalog, house.circumstances())
    return Decision(request, who, facts, ruling, plan, catalog)


def _beside(house: House, sent: Sent) -> tuple[Finding, ...]:
    """What the headers and the query hold that travel with a body. Numbers are passed over: ids are full of them."""
    if not (sent.headers or sent.query):
        return ()
    found = house.verdicts.of(msgspec.json.encode([*sent.headers.values(), unquote(sent.query)])).findings
    return tuple([one for one in found if one.kind in ("mail_address", "secret_key")]) if found else ()


async def _attempts(call: Call, decision: Decision) -> None:
    """Steps 6 to 9 for one attempt after another, until one has answered."""
    run, admission = call.run, Admission(call.house, call.run, decision)
    left, number = list(decision.plan.attempts), 0
    failed: Refusal | None = None
    turned: list[str] = []
    while left:
        attempt = left.pop(0)
        if run.owed is not None:
            await record.end_attempt(call.house, run, run.owed)  # 9, of the attempt before
        admitted = await admission.admit(attempt, number + 1)  # 6
        if admitted == LOCAL:
            if attempt.tier == "local":
                break
            left = local_attempts(call.house, decision)
            turned = [f"on this machine instead of {attempt.target}, as a cap or the person says"]
            failed = PaymentRequired("No model on this machine can answer this request, and the cloud was not allowed.")
            continue
        number += 1
        hold, attempt = admitted.hold, admitted.attempt  # what the cap said may have changed the attempt
        left = [one for one in left if one.target != attempt.target]
        run.notes = [*turned, admitted.note] if admitted.note else turned
        run.attempt, run.state, run.held = attempt, "running", hold.amount
        try:
            await _answer(call, decision, (attempt, number), hold)  # 7 and 8
        except AttemptFailed as error:
            run.failures.append((attempt.target, error.refusal.sentence))
            run.failed_code = error.refusal.code
            if call.reply.started or not error.again:
                raise error.refusal from None
            failed = error.refusal
        else:
            return
    raise failed or _nothing(call.house, decision)


async def _answer(call: Call, decision: Decision, tried: tuple[Attempt, int], hold: Reserved) -> None:
    """One attempt: 7 run it, 8 pass its frames on; what it owes is settled with the row that tells of it."""
    (attempt, number), house, run = tried, call.house, call.run
    tally = run.tally = Tally()
    run.owed = Owed(attempt, number, hold, None, tally)
    failed: AttemptFailed | None = None
    house.bus.money_moved()
    job = Job(decision.request, call.sent, attempt, tally)
    try:
        if decision.catalog.targets[attempt.target].engine is not None:
            await _relay(run, decision, house.local.run(job), call.reply)
        elif decision.request.stream:
            await _relay(run, decision, house.remote.run(job, decision.catalog), call.reply)
        else:
            await _told(run, decision, await house.remote.whole(job, decision.catalog), call.reply)
        run.outcome = "failed_over" if run.failures else "done"
    except AttemptFailed as error:
        failed = error
        raise
    finally:
        tally.ended = time.time()
        record.note_health(house, attempt, tally, failed)
        charge = record.saving(house, decision, attempt, record.charge(attempt, tally, failed))
        run.owed = Owed(attempt, number, hold, charge, tally)
        house.watch.charged(run.agent, run.owed.charge)


async def _relay(run: Run, decision: Decision, frames: AsyncGenerator[Frame, None], reply: Reply) -> None:
    """Hold frames back until the first with content: up to there another attempt can still take over."""
    early: list[bytes] = []
    try:
        async for frame in frames:
            if reply.started:
                await reply.send(frame.data)
                run.keep(frame.data)
                continue
            early.append(frame.data)
            if frame.content and decision.request.stream:
                await reply.start(200, record.headers(run, decision))
                for data in early:
                    await reply.send(data)
                    run.keep(data)
        if reply.started:
            await reply.send(b"", last=True)
        else:
            await _told(run, decision, b"".join(early), reply)
    finally:
        await frames.aclose()


async def _told(run: Run, decision: Decision, whole: bytes, reply: Reply) -> None:
    """A whole answer is one piece."""
    run.keep(whole)
    await reply.start(200, record.headers(run, decision))
    await reply.send(whole, last=True)


async def _refuse(call: Call, refusal: Refusal) -> None:
    """The refusal in the caller's dialect; inside the stream where its status is out already."""
    run, reply, dialect = call.run, call.reply, call.sent.dialect.name
    misread.note(refusal)
    run.outcome, run.code, run.reason, run.refusal = record.outcome(refusal), refusal.code, refusal.sentence, refusal
    if reply.finished:
        return
    if reply.started:
        await reply.send(refusals.in_band(refusal, dialect, run.told), last=True)
        return
    status, body = refusals.status_and_body(refusal, dialect)
    head = [(b"content-type", b"application/json"), *refusals.headers(refusal), *record.refused_headers(run, refusal)]
    await reply.start(status, head)
    await reply.send(body, last=True)


def _nothing(house: House, decision: Decision) -> Refusal:
    """No attempt is left in the plan: say why."""
    asked, dropped, targets = decision.request, decision.plan.dropped, decision.catalog.targets
    if dropped and all("data may not go" in one.reason for one in dropped):
        reasons = "; ".join(f"{one.target}: {one.reason}" for one in dropped[:6])
        return Forbidden(f"This request may not run anywhere. {reasons}.")
    makers = [name for name, target in targets.items() if "embeddings" in target.can]
    said = unanswered.of_vectors(asked.model, dropped, makers) if asked.embeds else unanswered.sentence(dropped)
    resting = [house.health.rests(one.target, time.time()) for one in dropped if one.passing]
    return Resting(said, math.ceil(min(resting)) + 1) if resting else Unanswerable(said)
