"""The runaway watch at work: an agent that alarms is paused, the person is asked once, its request is held meanwhile."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeVar

from pointsman.core import runaway
from pointsman.core.approval import Case
from pointsman.core.errors import Paused
from pointsman.core.events import PauseChanged
from pointsman.core.runaway import Alarm, Pace, Seen, Trail
from pointsman.gateway.approvals import Open
from pointsman.gateway.run import Decision, Run
from pointsman.store.audit import Row
from pointsman.store.ledger import Charge
from pointsman.wire.admin import Answer, FindingCount, Question

if TYPE_CHECKING:
    from pointsman.gateway.house import House

_AGENTS, _TALKS = 500, 2_000
_NO_PACE, _NO_TRAIL = Pace(), Trail()
K = TypeVar("K")
V = TypeVar("V")


class _Open:
    """An agent that alarmed and was not let go on yet: what was seen, its question, whether its pause is written."""

    def __init__(self, alarm: Alarm) -> None:
        self.alarm = alarm
        self.key = f"runaway {secrets.token_hex(4)}"
        self.found: Open | None = None
        self.paused = False


class Watch:
    """What is remembered of agents and conversations, the latest only, and who is paused because of it."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._paces: OrderedDict[str, Pace] = OrderedDict()
        self._talks: OrderedDict[tuple[str, str], Trail] = OrderedDict()
        self._open: dict[str, _Open] = {}
        self._writing = asyncio.Lock()

    async def check(self, run: Run) -> None:
        """Look at a request that was decided and has not run. Raises `Paused` where its agent may not go on."""
        decision = run.decision
        assert decision is not None  # the watch looks at requests that were decided
        agent = decision.who.agent
        if agent in self._open:
            self._see_whether_resumed(agent)
        if agent not in self._open:
            alarm = self._observe(decision, time.time())
            if alarm is None:
                return
            self._open[agent] = _Open(alarm)
        before, run.state = run.state, "asking"
        try:
            await self._ask(run, decision, self._open[agent])
        finally:
            run.state = before

    def charged(self, agent: str, charge: Charge | None) -> None:
        """What an attempt of this agent cost; None: nothing."""
        if charge is not None:
            pace = runaway.charged(self._paces.get(agent, _NO_PACE), charge.amount, time.time())
            _keep(self._paces, agent, pace, _AGENTS)

    def why(self, agent: str) -> str:
        """Why a paused agent is paused, and what to do, for its refusal."""
        self._see_whether_resumed(agent)
        if agent in self._open:
            return _refusal(agent, self._open[agent])
        return f"{agent} is paused. It can go on once it is resumed in Pointsman."

    def resumed(self) -> None:
        """The person resumed somebody: whoever is not paused any more goes on at once."""
        for agent in list(self._open):
            self._see_whether_resumed(agent)

    def _observe(self, decision: Decision, now: float) -> Alarm | None:
        call = runaway.call(decision.request, decision.who, decision.facts)
        key = (call.agent, call.talk)
        seen = Seen(pace=self._paces.get(call.agent, _NO_PACE), trail=self._talks.get(key, _NO_TRAIL))
        seen, alarm = runaway.observe(seen, call, decision.catalog.runaway.of(call.agent), now)
        _keep(self._paces, call.agent, seen.pace, _AGENTS)
        _keep(self._talks, key, seen.trail, _TALKS)
        return alarm

    async def _ask(self, run: Run, decision: Decision, opened: _Open) -> None:
        """Put the question or join it, pause the agent, and hold the request; return where the agent may go on.

        A request that nobody holds a connection for waits as long as the question lives.
        """
        agent, approvals = decision.who.agent, self._house.approvals

        async def grant(_asked: Question, _answer: Answer) -> None:
            await self._resume(agent)

        case = approvals.new_case(opened.key, "runaway", held=not self._house.responses.unattended(run))
        asked = _question(decision, opened.alarm, case, self._house.sessions.since(decision.who.session))
        with approvals.waiting(case, asked, grant) as found:
            opened.found = found
            await asyncio.shield(self._set_paused(agent, opened))
            await approvals.ended(found, case)
        self._see_whether_resumed(agent)
        if self._open.get(agent) is opened:
            raise Paused(_refusal(agent, opened))

    async def _set_paused(self, agent: str, opened: _Open) -> None:
        """Write the pause, once; not where the person has answered already."""
        async with self._writing:
            if opened.paused or self._open.get(agent) is not opened:
                return
            await self._house.pauses.table.set(agent, None)
            await self._house.pauses.load()
            opened.paused = True
        await self._note(agent, f"paused {agent}: {opened.alarm.sentence}")

    async def _resume(self, agent: str) -> None:
        async with self._writing:
            self._forget(agent)
            await self._house.pauses.table.clear(agent)
            await self._house.pauses.load()
        await self._note(agent, f"resumed {agent}")

    async def _note(self, agent: str, reason: str) -> None:
        await self._house.audit.append(Row(at=time.time(), kind="pause", agent=agent, outcome="done", reason=reason))
        self._house.bus.publish(PauseChanged())

    def _see_whether_resumed(self, agent: str) -> None:
        """Resumed by hand, an agent starts afresh, and its question is withdrawn."""
        opened = self._open.get(agent)
        if opened is None or not opened.paused or self._house.pauses.paused(agent, time.time()):
            return
        self._forget(agent)
        if opened.found is not None:
            for _ in range(max(1, opened.found.case.waiting)):  # each connection that waits leaves
                self._house.approvals.withdraw(opened.found)

    def _forget(self, agent: str) -> None:
        """The watch starts afresh for this agent."""
        self._paces.pop(agent, None)
        for key in [key for key in self._talks if key[0] == agent]:
            del self._talks[key]
        self._open.pop(agent, None)


def _keep(table: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > most:
        table.popitem(last=False)


def _refusal(agent: str, opened: _Open) -> str:
    """What was seen, and what to do."""
    state = opened.found.case.state if opened.found else "pending"
    seen = opened.alarm.sentence
    if state == "pending":
        return f"{seen} {agent} is paused: answer the question in Pointsman, then send this again."
    if state == "denied":
        return f"{seen} {agent} stays paused until it is resumed in Pointsman."
    return f"{seen} Nobody answered in time, so {agent} stays paused until it is resumed in Pointsman."


def _question(decision: Decision, alarm: Alarm, case: Case, since: float) -> Question:
    """What the person is asked: whether the agent may go on."""
    who, facts, first = decision.who, decision.facts, next(iter(decision.plan.attempts), None)
    target = decision.catalog.targets.get(first.target) if first else None
    return Question(
        id=case.id,
        kind="runaway",
        agent=who.agent,
        session=who.session,
        session_since=since,
        project=who.project,
        model=first.target if first else "auto",
        tier=first.tier if first else "local",
        provider=target.provider if target else None,
        about=first.about if first else None,
        at_most=first.at_most if first else None,
        over=0,
        cap=None,
        rule="",
        findings=[FindingCount(found.kind, found.count) for found in facts.findings],
        messages=len(decision.request.messages),
        tokens_in=facts.estimate,
        tokens_out=first.output if first else 0,
        local_model=None,
        asked=case.asked,
        waits_until=case.waits_until,
        expires=case.expires,
        covers=1,
        price_source=None,
        sentence=alarm.sentence,
    )
