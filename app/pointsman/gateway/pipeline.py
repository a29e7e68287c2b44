"""A request's way, from a body at the door to one audit row. The steps are numbered as in the house plan."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Protocol

import msgspec

from pointsman.core import facts as facts_
from pointsman.core import policy, routing, session
from pointsman.core.errors import (
    Forbidden,
    Paused,
    PaymentRequired,
    Refusal,
    Stopped,
    Unavailable,
    UpstreamFailed,
)
from pointsman.core.events import MoneyMoved, RequestStarted
from pointsman.core.request import Hints
from pointsman.core.routing import Attempt
from pointsman.gateway import record
from pointsman.gateway.admission import LOCAL, Admission
from pointsman.gateway.attempts import AttemptFailed, Frame, Job, Tally
from pointsman.gateway.house import House
from pointsman.gateway.question import local_attempts
from pointsman.gateway.run import Decision, Run
from pointsman.store.ledger import Reserved
from pointsman.wire import chat, refusals, sse

_LARGE = 262_144  # bytes of a body that is read in a thread, so that the others' streams go on


class Reply(Protocol):
    """The client's side of the door. `started` once its status is out."""

    started: bool

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Send status and headers."""

    async def send(self, data: bytes, *, last: bool = False) -> None:
        """Send a piece of the body, in one write; waits while the client is slow."""


class Call(msgspec.Struct, frozen=True):
    """One request on its way through the steps."""

    house: House
    run: Run
    body: bytes
    reply: Reply


async def serve(call: Call, hints: Hints) -> None:
    """Answer one request. Whatever happens, its hold ends once and its row is written once."""
    house, run = call.house, call.run
    house.live.enter(run)
    try:
        async with asyncio.timeout(hints.timeout):
            run.decision = await decide(house, run.id, run.agent, call.body, hints)  # 1 to 5
            await _remember(house, run.decision)
            house.bus.publish(RequestStarted(run.id, run.agent))
            await _attempts(call, run.decision)  # 6 to 9
    except TimeoutError:
        await _refuse(call, UpstreamFailed(f"No answer was complete within the {hints.timeout:.0f} s asked for."))
    except Refusal as refusal:
        await _refuse(call, refusal)
    except asyncio.CancelledError:
        run.outcome = "cancelled"
        if not run.stopped:
            raise
        await _refuse(call, Stopped("The person stopped this request in Pointsman. What was used is charged."))
    finally:
        house.live.leave(run)
        await asyncio.shield(record.write(house, run))  # 10


async def decide(house: House, id_: str, agent: str, body: bytes, hints: Hints) -> Decision:
    """Steps 1 to 5: everything that is decided before anything runs. Raises `Refusal`."""
    now, catalog = time.time(), house.catalog
    if house.pauses.paused(agent, now) or house.pauses.paused("*", now):
        raise Paused(f"The person paused {agent}. It can go on once it is resumed in Pointsman.")
    if len(body) > _LARGE:
        request = await asyncio.to_thread(chat.read, id_, body, hints, house.verdicts.of)
    else:
        request = chat.read(id_, body, hints, house.verdicts.of)
    who = session.attribute(request, agent, house.person)
    facts = facts_.gather(request, catalog.sensitivity, house.taints.of(who.session))
    ruling = policy.rule(request, who, facts, catalog)
    plan = routing.plan(request, facts, ruling, catalog, house.circumstances())
    return Decision(request, who, facts, ruling, plan, catalog)


async def _remember(house: House, decision: Decision) -> None:
    """What later requests of this session need to know of this one."""
    session_, now = decision.who.session, time.time()
    house.sessions.see(session_, now)
    await house.taints.add(session_, {finding.kind for finding in decision.facts.findings}, now)


async def _attempts(call: Call, decision: Decision) -> None:
    """Steps 6 to 9 for one attempt after another, until one has answered."""
    run, admission = call.run, Admission(call.house, call.run, decision)
    left, number = list(decision.plan.attempts), 0
    failed: Refusal | None = None
    while left:
        attempt, number = left.pop(0), number + 1
        hold = await admission.admit(attempt, number)  # 6
        if hold == LOCAL:
            if attempt.tier == "local":
                break
            left = local_attempts(call.house, decision)
            failed = PaymentRequired("No model on this machine can answer this request, and the cloud was not allowed.")
            continue
        run.attempt, run.state, run.held = attempt, "running", hold.amount
        try:
            await _answer(call, decision, attempt, hold)  # 7 to 9
        except AttemptFailed as error:
            run.failures.append((attempt.target, error.refusal.sentence))
            if call.reply.started or not error.again:
                raise error.refusal from None
            failed = error.refusal
        else:
            return
    raise failed or _nothing(decision)


async def _answer(call: Call, decision: Decision, attempt: Attempt, hold: Reserved) -> None:
    """One attempt: 7 run it, 8 pass its frames on, 9 settle, whatever happened."""
    house, run = call.house, call.run
    tally = run.tally = Tally()
    failed: AttemptFailed | None = None
    house.bus.publish(MoneyMoved())
    try:
        await _relay(run, decision, _frames(call, decision, attempt), call.reply)
        run.outcome = "failed_over" if run.failures else "done"
    except AttemptFailed as error:
        failed = error
        raise
    finally:
        record.note_health(house, attempt, tally, failed)
        charge = record.charge(attempt, tally, failed)
        await asyncio.shield(record.settle(house, run, hold, charge))  # 9


def _frames(call: Call, decision: Decision, attempt: Attempt) -> AsyncGenerator[Frame, None]:
    house, job = call.house, Job(decision.request, call.body, attempt, call.run.tally)
    if attempt.tier == "local":
        return house.local.run(job)
    return house.remote.run(job, decision.catalog)


async def _relay(run: Run, decision: Decision, frames: AsyncGenerator[Frame, None], reply: Reply) -> None:
    """Hold frames back until the first with content: up to there another attempt can still take over."""
    early: list[bytes] = []
    try:
        async for frame in frames:
            if reply.started:
                await reply.send(frame.data)
                continue
            early.append(frame.data)
            if frame.content:
                await reply.start(200, record.headers(run, decision))
                for data in early:
                    await reply.send(data)
        await reply.send(b"", last=True)
    finally:
        await frames.aclose()


async def _refuse(call: Call, refusal: Refusal) -> None:
    """The refusal in the caller's dialect; inside the stream where its status is out already."""
    run, reply = call.run, call.reply
    run.outcome, run.code, run.reason = record.outcome(refusal), refusal.code, refusal.sentence
    if reply.started:
        await reply.send(sse.encode(refusals.in_band(refusal)), last=True)
        return
    status, body = refusals.status_and_body(refusal)
    head = [(b"content-type", b"application/json"), *refusals.headers(refusal), *record.refused_headers(run, refusal)]
    await reply.start(status, head)
    await reply.send(body, last=True)


def _nothing(decision: Decision) -> Refusal:
    """No attempt is left in the plan: say for each target why."""
    reasons = "; ".join(f"{one.target}: {one.reason}" for one in decision.plan.dropped[:6])
    if reasons and all("data may not go" in one.reason for one in decision.plan.dropped):
        return Forbidden(f"This request may not run anywhere. {reasons}.")
    return Unavailable(f"Nothing can answer this request. {reasons or 'No model is set up for it'}.")
