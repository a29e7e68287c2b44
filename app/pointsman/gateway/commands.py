"""What the admin door does for tray and command line: one method for each command, each with one audit row if it changes anything."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from pointsman.agents import identity
from pointsman.core import budget, names
from pointsman.core.amounts import dollars
from pointsman.core.budget import Cap
from pointsman.core.errors import BadRequest, NotFound, SetupError
from pointsman.core.events import AgentsChanged, CatalogChanged, MoneyMoved, PauseChanged
from pointsman.gateway import doctor, explain, refreshing, rules, saving, snapshot
from pointsman.gateway.answering import Answering
from pointsman.gateway.fitting import Fitting
from pointsman.gateway.house import House
from pointsman.gateway.question import cap_state
from pointsman.gateway.records import Records
from pointsman.providers.failures import UpstreamError
from pointsman.store.audit import Row
from pointsman.system.keychain import KeychainProblem
from pointsman.wire import admin

OK = {"ok": True}


class Commands:
    """`do` one command. Raises `PointsmanError` with the sentence for the person."""

    def __init__(self, house: House, reload: Callable[[], Awaitable[None]], stop: Callable[[], None]) -> None:
        self._house = house
        self._reload = rules.noted(house, reload)
        self._stop = stop
        self._answering = Answering(house, self._reload)
        self._table: dict[type, Callable[[Any], Awaitable[Any]]] = {
            admin.Pause: self._pause,
            admin.Resume: self._resume,
            admin.StopRequest: self._stop_request,
            admin.AddAgent: self._add_agent,
            admin.RotateAgent: self._rotate_agent,
            admin.RemoveAgent: self._remove_agent,
            admin.SetCap: self._set_cap,
            admin.RemoveCap: self._remove_cap,
            admin.SetKey: self._set_key,
            admin.RemoveKey: self._remove_key,
            admin.TestKey: self._test_key,
            admin.LoadModel: self._load_model,
            admin.UnloadModel: self._unload_model,
            admin.Explain: self._explain,
            admin.Prices: self._prices,
            admin.RefreshPrices: self._refresh_prices,
            admin.Spend: self._spend,
            admin.AuditList: self._audit_list,
            admin.AuditShow: self._audit_show,
            admin.Listing: self._listing,
            admin.Doctor: self._doctor,
            admin.Reload: self._read_again,
            admin.StopGateway: self._stop_gateway,
            admin.FitModels: Fitting(house).answer,
            **self._answering.table,
            **house.downloads.table,
            **Records(house, house.keeping).table,
        }

    async def do(self, command: admin.Command) -> Any:
        """The answer, ready for JSON."""
        return await self._table[type(command)](command)

    async def _note(self, kind: str, reason: str, agent: str = "", **detail: Any) -> None:
        text = msgspec.json.encode(detail).decode()
        row = Row(at=time.time(), kind=kind, agent=agent, outcome="done", reason=reason, detail=text)
        await self._house.audit.append(row)

    async def _pause(self, pause: admin.Pause) -> Any:
        self._known(pause.agent)
        before = dict(self._house.pauses.until)
        await self._house.pauses.table.set(pause.agent or "*", pause.until)
        await self._house.pauses.load()
        self._house.live.stop_agent(pause.agent)
        return await self._paused(f"paused {pause.agent or 'all agents'}", pause.agent, before)

    def _known(self, agent: str | None) -> None:
        """Raises `NotFound` for an agent that there is none of."""
        if agent is not None and agent not in self._house.agents.names():
            raise self._no_agent(agent)

    def _no_agent(self, name: str) -> NotFound:
        return NotFound(names.unknown("agent", name, self._house.agents.names(), "pointsman agents list"))

    async def _resume(self, resume: admin.Resume) -> Any:
        self._known(resume.agent)
        before = dict(self._house.pauses.until)
        await self._house.pauses.table.clear(resume.agent or "*")
        await self._house.pauses.load()
        self._house.watch.resumed()
        return await self._paused(f"resumed {resume.agent or 'all agents'}", resume.agent, before)

    async def _paused(self, what: str, agent: str | None, before: dict[str, float | None]) -> Any:
        await self._note("pause", what, agent or "", before=before, after=self._house.pauses.until)
        self._house.bus.publish(PauseChanged())
        return OK

    async def _stop_request(self, stop: admin.StopRequest) -> Any:
        if not self._house.live.stop(stop.request):
            raise NotFound("This request has ended already.")
        return OK

    async def _add_agent(self, add: admin.AddAgent) -> Any:
        key = identity.check_key(add.key) if add.key else identity.new_key()
        name = identity.check_name(add.name)
        await self._house.agents.table.add(name, identity.digest(key), identity.hint(key), time.time())
        return await self._agents_changed(f"added {add.name}", add.name, {"name": add.name, "key": key})

    async def _rotate_agent(self, rotate: admin.RotateAgent) -> Any:
        key = identity.new_key()
        if not await self._house.agents.table.replace_key(rotate.name, identity.digest(key), identity.hint(key)):
            raise self._no_agent(rotate.name)
        return await self._agents_changed(f"new key for {rotate.name}", rotate.name, {"name": rotate.name, "key": key})

    async def _remove_agent(self, remove: admin.RemoveAgent) -> Any:
        if not await self._house.agents.table.remove(remove.name):
            raise self._no_agent(remove.name)
        await self._house.agents.load()  # first: whoever comes from now on has no key
        self._house.live.stop_agent(remove.name)
        await self._house.responses.forget_agent(remove.name)
        self._house.approvals.forget(remove.name)
        return await self._agents_changed(f"removed {remove.name}", remove.name, OK)

    async def _agents_changed(self, what: str, agent: str, answer: Any) -> Any:
        await self._house.agents.load()
        known = [row.name for row in await self._house.agents.table.all()]
        await self._note("agent", what, agent, after=known)
        self._house.bus.publish(AgentsChanged())
        return answer

    async def _set_cap(self, given: admin.SetCap) -> Any:
        known = {cap.name: cap for cap in await self._house.ledger.caps()}
        said = {name: value for name, value in msgspec.structs.asdict(given).items() if value is not None}
        cap = _changed(known.get(given.name), said)
        problem = budget.check(cap)
        if problem:
            raise BadRequest(problem)
        await self._house.ledger.set_cap(cap)
        return await self._caps_changed(
            f"{cap.name} cap is {dollars(cap.limit)} each {cap.window}", known.get(cap.name), cap
        )

    async def _remove_cap(self, remove: admin.RemoveCap) -> Any:
        known = {cap.name: cap for cap in await self._house.ledger.caps()}
        if not await self._house.ledger.remove_cap(remove.name):
            raise NotFound(names.unknown("cap", remove.name, known, "pointsman caps list"))
        return await self._caps_changed(f"removed the {remove.name} cap", known.get(remove.name), None)

    async def _caps_changed(self, what: str, before: Cap | None, after: Cap | None) -> Any:
        await self._note("cap", what, before=before, after=after)
        self._house.bus.publish(MoneyMoved())
        return OK

    async def _set_key(self, given: admin.SetKey) -> Any:
        self._provider(given.provider)
        await self._keychain(self._house.keychain.keep, given.provider, given.value)
        self._house.keys_changed()
        await self._note("key", f"kept a key for {given.provider}", provider=given.provider)
        return OK

    async def _remove_key(self, remove: admin.RemoveKey) -> Any:
        self._provider(remove.provider)
        await self._keychain(self._house.keychain.forget, remove.provider)
        self._house.keys_changed()
        await self._note("key", f"forgot the key for {remove.provider}", provider=remove.provider)
        return OK

    async def _test_key(self, test: admin.TestKey) -> Any:
        self._provider(test.provider)
        key = await self._house.secrets.key(test.provider)
        try:
            found = await self._house.remote.upstream(self._house.catalog, test.provider).models(key)
        except UpstreamError as error:
            raise BadRequest(f"{error.reason}. The key was not changed.") from None
        return {"ok": True, "models": len(found)}

    def _provider(self, name: str) -> None:
        if name not in self._house.catalog.providers:
            raise NotFound(names.unknown("provider", name, self._house.catalog.providers, "pointsman keys list"))

    async def _keychain(self, call: Callable[..., Any], *args: str) -> Any:
        try:
            return await asyncio.to_thread(call, *args)
        except KeychainProblem as problem:
            raise BadRequest(problem.sentence) from None

    async def _load_model(self, load: admin.LoadModel) -> Any:
        self._model(load.model)
        self._house.downloads.need(load.model)
        await self._house.supervisor.ensure(load.model)
        return OK

    async def _unload_model(self, unload: admin.UnloadModel) -> Any:
        self._model(unload.model)
        await self._house.supervisor.unload(unload.model)
        return OK

    def _model(self, name: str) -> None:
        known = {state.name for state in self._house.supervisor.states()}
        if name not in known:
            raise NotFound(names.unknown("local model", name, known, "pointsman models list"))

    async def _explain(self, given: admin.Explain) -> Any:
        return await explain.explain(self._house, given)

    async def _prices(self, wanted: admin.Prices) -> Any:
        return refreshing.table(self._house.catalog, self._house.prices, wanted.model, time.time())

    async def _refresh_prices(self, _: admin.RefreshPrices) -> Any:
        return await self._house.refresher.once()

    async def _spend(self, spend: admin.Spend) -> Any:
        report = await self._house.ledger.report(spend.by, spend.since, spend.until)
        savings = await saving.of(self._house, report.total.saved, time.time())
        return {**msgspec.structs.asdict(report), "savings": savings}

    async def _audit_list(self, listing: admin.AuditList) -> Any:
        return await self._house.audit.newest(min(listing.limit, 10_000), listing.agent)

    async def _audit_show(self, show: admin.AuditShow) -> Any:
        rows = await self._house.audit.show(show.request)
        if not rows:
            raise NotFound(f"No request has the id {show.request[:80]!r}.")
        last = next((row for row in reversed(rows) if row.kind == "request"), rows[-1])
        return msgspec.structs.asdict(last) | {"earlier": [row for row in rows if row is not last]}

    async def _listing(self, listing: admin.Listing) -> Any:
        now = time.time()
        if listing.what == "caps":
            return [cap_state(account) for account in await self._house.ledger.listed(now)]
        if listing.what == "approvals":
            return self._house.approvals.open()
        if listing.what == "grants":
            return await self._answering.grants()
        if listing.what == "keys":
            return await doctor.keys(self._house)
        if listing.what == "models":
            return self._house.downloads.placed(doctor.targets(self._house))
        day = await self._house.ledger.day(now)
        return await snapshot.agents(self._house, now, await self._house.audit.day(day.starts), day)

    async def _doctor(self, _doctor: admin.Doctor) -> Any:
        return await doctor.checks(self._house)

    async def _read_again(self, _reload: admin.Reload) -> Any:
        try:
            await self._reload()
        except SetupError as error:
            self._house.bus.publish(CatalogChanged(error.sentence))
            raise
        self._house.bus.publish(CatalogChanged())
        return OK

    async def _stop_gateway(self, _stop: admin.StopGateway) -> Any:
        asyncio.get_running_loop().call_later(0.1, self._stop)
        return OK


def _changed(known: Cap | None, said: dict[str, Any]) -> Cap:
    """A cap as it was, but for what is said anew; a new one has the usual for what is not said."""
    if known is not None:
        return msgspec.structs.replace(known, **said)
    window = "once" if said.get("scope") == "request" else "day"
    usual = {"window": window, "scope": "everything"}
    return Cap(id=secrets.token_hex(6), **{**usual, **said})
