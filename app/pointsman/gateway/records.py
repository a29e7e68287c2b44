"""What the admin door does with the audit and with kept bodies."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from pointsman.core import names
from pointsman.core.errors import BadRequest, NotFound
from pointsman.core.events import AgentsChanged
from pointsman.gateway.house import House
from pointsman.gateway.keeping import Keeping
from pointsman.store.audit import Page, Row
from pointsman.store.chain import Link
from pointsman.store.counters import Counters
from pointsman.store.egress import Egress
from pointsman.wire import admin

_MOST_ROWS = 1_000  # of a page: about 2 MB of JSON
_MOST_CHECKED = 100_000  # of one verify: about a second or two


class Records:
    """One method for each command."""

    def __init__(self, house: House, keeping: Keeping) -> None:
        self._house = house
        self._keeping = keeping
        self._counters = Counters(house.db)
        self._egress = Egress(house.db)
        self.table: dict[type, Callable[[Any], Awaitable[Any]]] = {
            admin.AuditPage: self._page,
            admin.AuditVerify: self._verify,
            admin.Egress: self._left,
            admin.Counters: self._count,
            admin.KeepBodies: self._keep,
            admin.ShowBody: self._body,
            admin.ForgetBodies: self._forget,
        }

    async def _page(self, page: admin.AuditPage) -> Any:
        limit = max(1, min(page.limit, _MOST_ROWS))
        wanted = Page(after=page.after, limit=limit, since=page.since, until=page.until)
        return await self._house.audit.page(wanted)

    async def _verify(self, verify: admin.AuditVerify) -> Any:
        limit = max(1, min(verify.limit, _MOST_CHECKED))
        checked = await self._house.audit.check(Link(verify.after, verify.hash), limit)
        link = checked.link
        return {"after": link.seq, "hash": link.hash, "done": checked.done, "problem": checked.problem}

    async def _left(self, egress: admin.Egress) -> Any:
        return await self._egress.between(egress.since, egress.until)

    async def _count(self, counters: admin.Counters) -> Any:
        return await self._counters.between(counters.since, counters.until)

    async def _keep(self, keep: admin.KeepBodies) -> Any:
        before = {agent.name: bool(agent.keep) for agent in await self._house.agents.table.all()}
        if not await self._house.agents.table.keep(keep.agent, keep.on):
            raise NotFound(names.unknown("agent", keep.agent, before, "pointsman agents list"))
        await self._keeping.load()
        said = f"requests and answers of {keep.agent} are {'kept' if keep.on else 'not kept'}"
        await self._note("agent", said, keep.agent, {"before": before[keep.agent], "after": keep.on})
        self._house.bus.publish(AgentsChanged())
        return {"ok": True}

    async def _body(self, show: admin.ShowBody) -> Any:
        kept = await self._keeping.bodies.read(show.request)
        texts = {"body": kept.body.decode(errors="replace"), "answer": kept.answer.decode(errors="replace")}
        return msgspec.structs.asdict(kept) | texts

    async def _forget(self, forget: admin.ForgetBodies) -> Any:
        if forget.before is None and forget.agent is None:
            raise BadRequest("Say what to forget: before which date, or of which agent.")
        removed = await self._keeping.bodies.forget(before=forget.before, agent=forget.agent)
        await self._house.responses.store.forget(before=forget.before, agent=forget.agent)
        detail = {"before": forget.before, "agent": forget.agent, "removed": removed}
        await self._note("body", f"forgot {removed} kept requests", forget.agent, detail)
        return {"removed": removed}

    async def _note(self, kind: str, reason: str, agent: str | None, detail: dict[str, Any]) -> None:
        row = Row(at=time.time(), kind=kind, agent=agent, reason=reason, detail=msgspec.json.encode(detail).decode())
        await self._house.audit.append(row)
