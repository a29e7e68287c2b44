"""Everything that tray and `status` show, gathered at one moment."""

from __future__ import annotations

import time

from pointsman import __version__
from pointsman.gateway import saving
from pointsman.gateway.house import House
from pointsman.gateway.question import cap_state
from pointsman.gateway.run import Run
from pointsman.store.audit import DayCounts
from pointsman.store.ledger import Day
from pointsman.wire.admin import PROTOCOL, AgentState, CapState, ModelState, Running, Savings, Snapshot, Today


async def take(house: House, address: str, started: float) -> Snapshot:
    """A snapshot now."""
    now = time.time()
    day = await house.ledger.day(now)
    counts = await house.audit.day(day.starts)
    caps = [cap_state(account) for account in await house.ledger.accounts(now)]
    return Snapshot(
        protocol=PROTOCOL,
        version=__version__,
        at=now,
        address=address,
        started=started,
        paused=house.pauses.paused("*", now),
        paused_until=house.pauses.until.get("*"),
        notices=[*house.notices, *house.keeping.bodies.notices(), *house.responses.notices()],
        today=_today(day, counts, caps, await saving.of(house, day.saved, now)),
        caps=caps,
        running=[_running(run) for run in house.live.all()],
        approvals=house.approvals.open(),
        agents=await agents(house, now, counts, day),
        models=models(house),
        downloads=house.downloads.states(),
        proposal=house.proposal if house.downloads.offer else None,
        offer=house.downloads.offer,
    )


def _today(day: Day, counts: DayCounts, caps: list[CapState], savings: Savings | None) -> Today:
    daily = [cap for cap in caps if cap.scope == "everything" and cap.window == "day"]
    return Today(
        starts=day.starts,
        ends=day.ends,
        spent=day.spent,
        held=day.held,
        saved=day.saved,
        requests=counts.requests,
        local=counts.local,
        private=counts.private,
        cloud=counts.cloud,
        last_request=counts.last_request,
        points=day.points,
        cap=min(daily, key=lambda cap: cap.left, default=None),
        savings=savings,
    )


def _running(run: Run) -> Running:
    attempt, decision = run.attempt, run.decision
    return Running(
        request=run.id,
        agent=run.agent,
        project=decision.who.project if decision else None,
        model=attempt.target if attempt else "",
        tier=attempt.tier if attempt else "local",
        state=run.state,
        started=run.started,
        cost=None if attempt is None or attempt.tier == "local" else run.cost,
    )


async def agents(house: House, now: float, counts: DayCounts, day: Day) -> list[AgentState]:
    """Every agent with what it did today."""
    states = []
    for row in await house.agents.table.all():
        requests, last = counts.by_agent.get(row.name, (0, None))
        states.append(
            AgentState(
                name=row.name,
                key_hint=row.key_hint,
                added=row.added,
                last_request=last,
                requests_today=requests,
                spent_today=day.by_agent.get(row.name, 0),
                paused=house.pauses.paused(row.name, now),
                paused_until=house.pauses.until.get(row.name),
                all_paused=house.pauses.paused("*", now),
                all_paused_until=house.pauses.until.get("*"),
            )
        )
    return states


def models(house: House) -> list[ModelState]:
    """Local models and their workers."""
    return [
        ModelState(
            name=state.name,
            state=state.state,
            resident_bytes=state.resident_bytes,
            tokens_per_second=state.tokens_per_second,
            active=state.active,
            waiting=state.waiting,
            sentence=state.sentence or None,
            program=house.downloads.programs.get(state.name, ""),
        )
        for state in house.supervisor.states()
        if state.name not in house.downloads.absent
    ]
