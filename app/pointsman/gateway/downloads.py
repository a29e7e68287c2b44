"""Models on their way to this machine: at most two at once, each once, going on after a restart; and where they lie."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pointsman.core import names
from pointsman.core.catalog import Catalog
from pointsman.core.errors import BadRequest, NotFound, PointsmanError
from pointsman.core.events import ModelChanged
from pointsman.engines import found
from pointsman.engines import hub as hub_
from pointsman.engines.download import Line, Patience
from pointsman.engines.found import Found
from pointsman.engines.hub import Hub, HubProblem, Interrupted, LicenceAsked, Listing
from pointsman.engines.hub_choice import Source, parse, parsed
from pointsman.engines.pulling import Pulling, planned, room
from pointsman.engines.shelf import Pull, Shelf
from pointsman.gateway.bus import Bus
from pointsman.wire import admin

if TYPE_CHECKING:  # hub.py loads it
    import httpx

_AT_ONCE = 2
_MOST_OFTEN = 0.25  # seconds between two events about one download
_SHORT_WAIT = 10.0  # seconds that a command waits for a busy hub before it says so
_LIST_TRIES = 3
_UNDER_WAY = "waiting", "checking", "downloading", "retrying"
_log = logging.getLogger(__name__)


class Downloads:
    """What is on its way. `on_ready` is called when there is a model more or less than before."""

    def __init__(self, models: Path, catalog: Callable[[], Catalog], bus: Bus) -> None:
        self.shelf = Shelf(models)
        self.patience = Patience()
        self.environ: Mapping[str, str] = os.environ
        self.person = Path.home()
        self.on_ready: Callable[[], None] = lambda: None
        self.on_look: Callable[[], None] = lambda: None
        self.unload: Callable[[str], Awaitable[None]] = _nothing
        self.absent: dict[str, str] = {}
        self.programs: dict[str, str] = {}
        self.offer: admin.FitRow | None = None
        self._catalog = catalog
        self._bus = bus
        self._known: dict[str, Pulling] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._hubs: dict[str, Hub] = {}
        self._told: dict[str, float] = {}
        self.table: dict[type, Callable[[Any], Awaitable[Any]]] = {
            admin.PullModel: self._pull,
            admin.PausePull: self._pause,
            admin.ResumePull: self._resume,
            admin.CancelPull: self._cancel,
            admin.ListPulls: self._list,
            admin.RemoveModel: self._remove,
        }

    def wake(self) -> None:
        """Go on with what the last gateway did not finish; show what was paused."""
        for pull in self.shelf.all():
            if pull.state == "done":
                continue
            pulling = self._know(pull)
            if pull.state == "paused":
                pulling.say("paused")
                continue
            try:
                self._start(pulling, self._own_hub(pull))
            except HubProblem as problem:
                pulling.say("failed", problem.sentence)

    def _hub(self, known: Pulling | None) -> Hub:
        """Where a download came from so far, else the gateway's own."""
        if known is None or known.state == "done":
            return hub_.from_environment(self.environ)
        return self._hubs.get(known.pull.key) or self._own_hub(known.pull)

    def _own_hub(self, pull: Pull) -> Hub:
        return hub_.from_environment(self.environ).with_endpoint(pull.endpoint, None)

    async def close(self) -> None:
        """Stop without forgetting: what runs goes on with the next gateway."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def states(self) -> list[admin.Download]:
        """What a person sees of each."""
        return [_state(pulling, time.monotonic()) for pulling in self._known.values()]

    def look(self) -> None:
        """Work out anew which targets have no model here, and whose the others are; a plan passes the absent ones over."""
        lie = {name: self._lies(source) for name, source in self._sources()}
        self.absent = {
            name: f"its model is not on this machine; get it with 'pointsman models pull {name}'"
            for name, held in lie.items()
            if held is None
        }
        self.programs = {name: held.program for name, held in lie.items() if held is not None and held.program}
        if len(self.absent) < len(lie):
            self.offer = None  # it is for somebody who has no model
        self.on_look()

    def need(self, target: str) -> None:
        """Raises `NotFound` for a target whose model is not here."""
        if target in self.absent:
            raise NotFound(f"{target} cannot be loaded: {self.absent[target]}.")

    def placed(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Rows of targets, with where each model lies; then the models that no target names."""
        sources = {name: str(source) for name, source in self._sources()}
        for row in rows:
            row["where"] = self._where(sources[row["name"]]) if row["name"] in sources else ""
            if row["name"] in self.absent:
                row["state"] = "not here"
        meant = {pull.key for source in sources.values() if (pull := self.shelf.asked(parsed(source)))}
        others = [pull for pull in self.shelf.all() if pull.key not in meant and self.shelf.whole(pull)]
        return rows + [self._other(pull) for pull in others]

    def _other(self, pull: Pull) -> dict[str, Any]:
        row = {"name": pull.source, "tier": "local", "model": pull.source, "provider": "", "price": "free"}
        return row | {"state": "no target", "where": _shown(Found(self.shelf.main(pull), pull.program))}

    def _where(self, source: str) -> str:
        held = self._lies(parsed(source))
        return _shown(held) if held else ""

    def _lies(self, source: Source) -> Found | None:
        return _held(source, self.shelf, self._places())

    def _sources(self) -> Iterator[tuple[str, Source]]:
        for target in self._catalog().targets.values():
            if target.engine and target.source and (source := parse(target.source)):
                yield target.name, source

    def _places(self) -> found.Places:
        return found.places(self.environ, self.person)

    def _source(self, name: str) -> Source:
        """What a target's name or a source means. Raises `BadRequest`, and `NotFound` for a name that is misspelt."""
        target = self._catalog().targets.get(name)
        if target is None:
            local = [one.name for one in self._catalog().targets.values() if one.engine]
            if parse(name) is None and (close := names.nearest(name, local)):
                raise NotFound(f"No model is called '{name[:80]}'. Did you mean '{close}'?")
            return parsed(name)
        if target.source is None or (source := parse(target.source)) is None:
            raise BadRequest(f"{name} is not a model that can be downloaded.")
        return source

    async def _pull(self, given: admin.PullModel) -> admin.Download:
        source = self._source(given.model)
        under_way = next((one for one in self._known.values() if one.pull.source == str(source)), None)
        hub = self._hub(under_way).with_endpoint(given.endpoint, given.token)
        if under_way is None or under_way.state not in _UNDER_WAY:
            under_way = await self._begin(given.model, source, hub)
        return _state(under_way, time.monotonic())

    async def _begin(self, name: str, source: Source, hub: Hub) -> Pulling:
        """Ask the hub, join what is on its way already, or start."""
        before = self.shelf.find(source)
        try:
            pull = planned(name, source, hub.endpoint, await self._listing(hub, source))
        except HubProblem as problem:
            if before is None:
                raise
            return self._here(before, f"{problem.sentence} The model that is here already stays in use.")
        known = self._known.get(pull.key)
        if known is not None and known.state in _UNDER_WAY:
            return known
        if before is not None and before.key == pull.key and _same(before, pull):
            return self._here(before, "It is on this machine already.")
        pull = _keeping_ours(pull, self.shelf.recorded(pull))
        room(self.shelf, self._needed(pull))
        self.shelf.keep(pull)
        pulling = self._know(pull)
        self._start(pulling, hub)
        return pulling

    def _needed(self, pull: Pull) -> int:
        others = sum(one.left for key, one in self._known.items() if one.state in _UNDER_WAY and key != pull.key)
        return pull.total - min(pull.total, self.shelf.received(pull)) + others

    def _here(self, pull: Pull, sentence: str) -> Pulling:
        pulling = self._know(pull)
        pulling.say("done", sentence)
        return pulling

    async def _listing(self, hub: Hub, source: Source) -> Listing:
        for left in reversed(range(_LIST_TRIES)):
            try:
                async with await self._client() as http:
                    return await hub_.listing(http, hub, source.repo)
            except Interrupted as problem:
                wait = self.patience.first_wait if problem.wait is None else problem.wait
                if problem.offline or wait > _SHORT_WAIT or not left:
                    raise
                await asyncio.sleep(wait)
        raise AssertionError

    async def _client(self) -> httpx.AsyncClient:
        """Made off the loop: the first one reads the system's certificates."""
        return await asyncio.to_thread(hub_.client, self.patience.stall)

    def _know(self, pull: Pull) -> Pulling:
        pulling = Pulling(pull, self.shelf, time.monotonic, lambda: self._changed(pull))
        self._known[pull.key] = pulling
        return pulling

    def _changed(self, pull: Pull) -> None:
        """Tell the tray, often enough to watch and no more."""
        pulling, now = self._known.get(pull.key), time.monotonic()
        if pulling is None or (pulling.state == "downloading" and now - self._told.get(pull.key, 0.0) < _MOST_OFTEN):
            return
        self._told[pull.key] = now
        self._bus.publish(ModelChanged(pull.name, pulling.state))

    def _start(self, pulling: Pulling, hub: Hub) -> None:
        key = pulling.pull.key
        self._hubs[key] = hub
        task = asyncio.create_task(self._work(pulling, hub), name=f"pull {pulling.pull.source}")
        self._tasks[key] = task
        task.add_done_callback(lambda done: self._tasks.pop(key) if self._tasks.get(key) is done else None)

    async def _work(self, pulling: Pulling, hub: Hub) -> None:
        pulling.say("waiting")
        try:
            async with self._slots, await self._client() as http:
                pull = await pulling.run(Line(http, hub, self.patience), self._places())
        except PointsmanError as problem:
            page = problem.page if isinstance(problem, LicenceAsked) else ""
            self._failed(pulling, problem.sentence, page)
        except Exception:  # noqa: BLE001 the last net: a download that ends must say so
            _log.exception("a download ended")
            self._failed(pulling, "The download ended by a mistake of Pointsman's own; the log has it.")
        else:
            self._ready()
            pulling.say("done", f"It is used where {pull.program} keeps it." if pull.program else "")

    def _failed(self, pulling: Pulling, sentence: str, page: str = "") -> None:
        """It stays failed over restarts, until somebody resumes it."""
        with contextlib.suppress(HubProblem):
            pulling.keep(msgspec.structs.replace(pulling.pull, state="paused"))
        pulling.count = self.shelf.received(pulling.pull)
        pulling.say("failed", sentence, page)

    def _ready(self) -> None:
        self.look()
        self.on_ready()

    def _under_way(self, name: str) -> Pulling:
        source = self._source(name)
        asked = self.shelf.asked(source)
        pulling = self._known.get(asked.key) if asked else None
        if pulling is None or pulling.state == "done":
            raise NotFound(f"No download is called {name[:100]!r}.")
        return pulling

    async def _pause(self, given: admin.PausePull) -> admin.Download:
        pulling = self._under_way(given.model)
        await self._stop(pulling)
        pulling.keep(msgspec.structs.replace(pulling.pull, state="paused"))
        pulling.count = self.shelf.received(pulling.pull)
        pulling.say("paused")
        return _state(pulling, time.monotonic())

    async def _resume(self, given: admin.ResumePull) -> admin.Download:
        pulling = self._under_way(given.model)
        if pulling.state not in _UNDER_WAY:
            hub = self._hub(pulling)
            room(self.shelf, self._needed(pulling.pull))
            pulling.keep(msgspec.structs.replace(pulling.pull, state="running"))
            self._start(pulling, hub)
            pulling.say("waiting")
        return _state(pulling, time.monotonic())

    async def _cancel(self, given: admin.CancelPull) -> dict[str, Any]:
        return {"freed": await self._drop(self._under_way(given.model))}

    async def _drop(self, pulling: Pulling) -> int:
        await self._stop(pulling)
        freed = await asyncio.to_thread(self.shelf.delete, pulling.pull)
        self._known.pop(pulling.pull.key, None)
        self._ready()
        self._bus.publish(ModelChanged(pulling.pull.name, "removed"))
        return freed

    async def _stop(self, pulling: Pulling) -> None:
        task = self._tasks.get(pulling.pull.key)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def _list(self, _given: admin.ListPulls) -> list[admin.Download]:
        return self.states()

    async def _remove(self, given: admin.RemoveModel) -> dict[str, Any]:
        source = self._source(given.model)
        pull = self.shelf.asked(source)
        if pull is None:
            raise NotFound(self._not_ours(given.model, source))
        for name, other in self._sources():
            if self.shelf.asked(other) == pull:
                await self.unload(name)
        freed = await self._drop(self._known.get(pull.key) or self._know(pull))
        stays = f"The file stays: it is {pull.program}'s, at {self.shelf.main(pull)}." if pull.program else ""
        return {"freed": freed, "sentence": stays}

    def _not_ours(self, name: str, source: Source) -> str:
        held = found.by_name(self._places(), source)
        if held is not None:
            return f"{name} is not ours to delete: it lies at {held.path}. Delete it in {held.program}."
        return f"No downloaded model is called {name[:100]!r}. 'pointsman models list' shows where each lies."


def located(source: str, models: Path, where: found.Places | None = None) -> Path | None:
    """What a worker is started with for owner/repository:QUANTISATION; None while it is not on this machine."""
    held = _held(parsed(source), Shelf(models), where or found.places(os.environ, Path.home()))
    return held.path if held else None


def _held(source: Source, shelf: Shelf, where: found.Places) -> Found | None:
    """Where a source's model lies, and whose it is: "" for our own."""
    pull = shelf.find(source)
    return found.by_name(where, source) if pull is None else Found(shelf.main(pull), pull.program)


def _shown(held: Found) -> str:
    return f"{held.path}{f' ({held.program})' if held.program else ''}"


async def _nothing(_name: str) -> None:
    pass


def _same(before: Pull, pull: Pull) -> bool:
    return [file.promise for file in before.files] == [file.promise for file in pull.files]


def _keeping_ours(pull: Pull, before: Pull | None) -> Pull:
    """What an earlier pull put there may be written over by this one."""
    ours = {file.path for file in before.files if file.ours} if before else set()
    files = tuple(msgspec.structs.replace(file, ours=file.path in ours) for file in pull.files)
    return msgspec.structs.replace(pull, files=files)


def _state(pulling: Pulling, now: float) -> admin.Download:
    speed = pulling.pace.speed(now) if pulling.state == "downloading" else None
    return admin.Download(
        name=pulling.pull.name,
        source=pulling.pull.source,
        state=pulling.state,
        received=pulling.count,
        total=pulling.pull.total,
        bytes_per_second=speed,
        seconds_left=pulling.left / speed if speed else None,
        sentence=pulling.sentence,
        page=pulling.page,
    )
