"""Responses with state at the agent door: put into the request that continues from them, told again, forgotten.

Each belongs to the agent whose key made it; for any other agent it is not there. Those that are made in the background
live here until they end.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Protocol

import msgspec

from pointsman.core import keeping
from pointsman.core.errors import BadRequest, NotFound, PreviousNotFound, TooLarge
from pointsman.core.facts import raised
from pointsman.gateway.compaction import Compactions
from pointsman.gateway.following import Room, Told, replayed
from pointsman.gateway.reply import Reply
from pointsman.gateway.run import Run
from pointsman.gateway.vendor_seals import VendorSeals
from pointsman.store.responses import KeptResponse, Responses
from pointsman.wire import compacting, stored

if TYPE_CHECKING:
    from pointsman.gateway.house import House

_ENDED = ("completed", "incomplete")
_LARGE = 262_144  # bytes of a body that is read in a thread, so that the others' streams go on
_HEARD = 32  # streams made in the background whose events are remembered after their end
_DIGITS = 15  # of the number of an event
_MOST = 32 * 2**20  # bytes of a conversation that is put together again


class Asked(msgspec.Struct, frozen=True):
    """A request with its whole conversation: `body` is what is answered, `items` all that goes in.

    `sensitivity` is what was ruled of what it continues from. `compacts`: a summary is asked for, not an answer.
    `sealed_by` is the provider that alone reads a part of it.
    """

    body: bytes
    items: bytes = b""
    previous: str | None = None
    store: bool = False
    background: bool = False
    stream: bool = False
    sensitivity: str | None = None
    compacts: bool = False
    sealed_by: str | None = None


class _Referred(msgspec.Struct, frozen=True):
    """Items with what they referred to; `found` where one did, `sensitivity` what was ruled of that."""

    items: list[msgspec.Raw]
    found: bool = False
    sensitivity: str | None = None


class Working(Protocol):
    """A response that is being made in the background, of what went in; `held` bytes are kept for it meanwhile."""

    items: bytes
    events: Told
    held: int

    def told(self) -> bytes:
        """The response as it stands."""

    async def cancel(self) -> None:
        """Stop it, and wait until it is settled and kept."""


class KeptResponses:
    """What is kept of a house's agents."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.store = Responses(house.paths.responses, house.keychain.seal_key)
        self.compactions = Compactions(house.keychain.seal_key, VendorSeals(self.store))
        self.working: dict[tuple[str, str], Working] = {}
        self.room = Room()
        self._heard: OrderedDict[tuple[str, str], Told] = OrderedDict()

    async def asked(self, agent: str, body: bytes) -> Asked:
        """The request with what it continues from and refers to. Raises `PreviousNotFound` and `NotFound`."""
        given, items, names = await asyncio.to_thread(_read, body) if len(body) > _LARGE else _read(body)
        previous = given.previous_response_id
        put = await self._referred(agent, items, names)
        sensitivity = put.sensitivity
        items = put.items
        if previous is not None:
            before = await self._before(agent, previous)
            items = [*stored.before(before.items, before.response), *stored.spoken(before.response), *items]
            sensitivity = raised(before.sensitivity, sensitivity)
        opened = await self.compactions.opened(agent, items)
        items = opened.items
        sensitivity = raised(opened.sensitivity, sensitivity) if opened.sensitivity else sensitivity
        store = given.store is not False
        _check_size(_size(items))
        whole = stored.joined(items) if store else b""
        changed = previous is not None or put.found or opened.found
        if changed or given.background is not None:
            body = stored.expanded(body, items if changed else None)
        _check_size(len(body))
        asked = Asked(body, whole, previous, store, bool(given.background), bool(given.stream))
        more = {"sensitivity": sensitivity, "sealed_by": opened.sealed_by}
        return msgspec.structs.replace(asked, **more, compacts=compacting.triggered(items))

    async def _referred(self, agent: str, items: list[msgspec.Raw], names: list[str | None]) -> _Referred:
        """The items, each that only names a kept one in full. Raises `NotFound`, and `TooLarge` before it is all there."""
        rows: list[msgspec.Raw] = []
        said: dict[str, dict[str, msgspec.Raw | None]] = {}
        sensitivity: str | None = None
        held = size = 0
        for raw, id_ in zip(items, names, strict=True):
            row: msgspec.Raw | None = raw
            if id_ is not None:
                holder = await self.store.holder(agent, id_)
                if holder is None or holder not in said:
                    kept = None if holder is None else await self.store.get(agent, holder)
                    if kept is None:
                        raise _no_item(id_)
                    said[kept.id], sensitivity = _meant(kept, names), raised(kept.sensitivity, sensitivity)
                    held += _size(said[kept.id].values())
                row = said[holder or ""].get(id_)
            rows += [row] if row else []
            size += len(row or b"")
            _check_size(max(held, size))
        return _Referred(rows, bool(said), sensitivity)

    async def _before(self, agent: str, previous: str) -> KeptResponse:
        """What went in and came out until then."""
        kept = await self.store.get(agent, previous)
        if kept is None:
            raise PreviousNotFound(f"Previous response with id '{previous[:80]}' not found.")
        if stored.status(kept.response) not in _ENDED:
            raise BadRequest("'previous_response_id' names a response that has no whole answer. Wait until it has one.")
        return kept

    def keep(self, run: Run, asked: Asked, response: bytes) -> None:
        """Keep an answer; what is private, or an agent's whose bodies are not kept, only until the gateway ends."""
        id_ = stored.named(response)
        if asked.store and id_:
            kept = KeptResponse(agent=run.agent, id=id_, at=run.started, items=asked.items, response=response)
            ruled = run.decision.ruling.sensitivity if run.decision is not None else kept.sensitivity
            more = {"lasting": self._lasting(run), "sensitivity": ruled, "named": stored.item_names(response)}
            self.store.keep(msgspec.structs.replace(kept, **more))

    def mark(self, run: Run, response: bytes) -> None:
        """That a response is on its way, so that its client hears of it should the gateway end. Holds nobody's words."""
        id_ = stored.named(response)
        self.store.keep(KeptResponse(agent=run.agent, id=id_, at=run.started, items=b"[]", response=response))

    def _lasting(self, run: Run) -> bool:
        if run.decision is None:
            return False
        session, sensitivity = run.decision.who.session, run.decision.ruling.sensitivity
        keep = msgspec.structs.replace(self._house.catalog.keep, bodies=True)
        on = self._house.keeping.on(run.agent)
        return keeping.allowed(keep, sensitivity, tainted=bool(self._house.taints.of(session)), agent=on)

    async def get(self, agent: str, id_: str) -> bytes:
        """The response as it stands. Raises `NotFound`."""
        if working := self.working.get((agent, id_)):
            return working.told()
        kept = await self._kept(agent, id_)
        if stored.status(kept.response) in ("queued", "in_progress"):  # a gateway ended in the middle of it
            error = {"code": "server_error", "message": "Pointsman ended before this response did. Send it again."}
            return stored.changed(kept.response, status="failed", error=error)
        return kept.response

    async def replay(self, agent: str, id_: str, after: str) -> AsyncIterator[bytes]:
        """The events of a response after a number; of one that is being made, as they come. Raises `NotFound`."""
        number = int(after) if after.isascii() and after.isdecimal() and len(after) <= _DIGITS else -1
        if working := self.working.get((agent, id_)):
            return working.events.after(number)
        response = await self.get(agent, id_)  # what was forgotten is not told from memory either
        heard = self._heard.get((agent, id_))
        return heard.after(number) if heard else replayed(response, number)

    def heard(self, key: tuple[str, str], events: Told, *, again: bool) -> None:
        """Its events are all there. `again`: they are remembered, for its client may have lost the stream before."""
        if not again:
            self.room.leave(events)
            return
        self._heard[key] = events
        if len(self._heard) > _HEARD:
            self.room.leave(self._heard.popitem(last=False)[1])
        while self._heard and self.room.full:  # of what goes, the kept response tells as well
            self._unheard(max(self._heard, key=lambda one: self._heard[one].size))

    async def items(self, agent: str, id_: str, query: dict[str, str]) -> bytes:
        """What went in, a page of it."""
        working = self.working.get((agent, id_))
        return stored.page(working.items if working else (await self._kept(agent, id_)).items, query)

    async def forget(self, agent: str, id_: str) -> bytes:
        """It is gone from this machine; what is being made is stopped first."""
        if working := self.working.get((agent, id_)):
            await working.cancel()
        self._unheard((agent, id_))
        if not await self.store.delete(agent, id_):
            raise _unknown(id_)
        return msgspec.json.encode({"id": id_, "object": "response", "deleted": True})

    async def forget_agent(self, agent: str) -> None:
        """Its key is gone: nobody may ask for these any more."""
        await asyncio.gather(*(one.cancel() for (owner, _), one in list(self.working.items()) if owner == agent))
        for key in [key for key in self._heard if key[0] == agent]:
            self._unheard(key)
        await self.store.forget(agent=agent)

    def _unheard(self, key: tuple[str, str]) -> None:
        if (events := self._heard.pop(key, None)) is not None:
            self.room.leave(events)

    async def cancel(self, agent: str, id_: str) -> bytes:
        """Stop what is made in the background; what was used until then is settled."""
        if working := self.working.get((agent, id_)):
            await working.cancel()
        response = await self.get(agent, id_)
        if b'"background":true' not in response:
            raise BadRequest("Only a response that is made in the background can be cancelled.")
        return response

    def unattended(self, run: Run) -> bool:
        """Whether nobody holds a connection for this request: its client comes back for the answer."""
        return (run.agent, response_id(run)) in self.working

    def notices(self) -> list[str]:
        """One sentence, if something is wrong with keeping."""
        return [self.store.trouble] if self.store.trouble else []

    async def close(self) -> None:
        """Stop what is being made, then write what waits."""
        await asyncio.gather(*(working.cancel() for working in list(self.working.values())))
        self.compactions.vendors.note()
        await self.store.close()

    async def _kept(self, agent: str, id_: str) -> KeptResponse:
        kept = await self.store.get(agent, id_)
        if kept is None:
            raise _unknown(id_)
        return kept


def _read(body: bytes) -> tuple[stored.Given, list[msgspec.Raw], list[str | None]]:
    """What it says of state, its items, and what each of them refers to, if it does."""
    given = stored.given(body)
    items = stored.items(given)
    return given, items, [stored.referred(item) for item in items]


def _meant(kept: KeptResponse, names: list[str | None]) -> dict[str, msgspec.Raw | None]:
    """Those of a kept response's items that are named, without the rest of its bytes."""
    said, wanted = stored.items_said(kept.response), set(names)
    return {id_: row and row.copy() for id_, row in said.items() if id_ in wanted}


def _size(rows: Iterable[msgspec.Raw | None]) -> int:
    return sum(len(row) for row in rows if row is not None)


def _check_size(size: int) -> None:
    """Raises `TooLarge`."""
    if size > _MOST:
        raise TooLarge(f"The whole conversation is over {_MOST // 2**20} MB, the most that Pointsman takes.")


def response_id(run: Run) -> str:
    """The id under which a request's client finds its response, where it was made in the background."""
    return f"resp_{run.id.removeprefix('req_')}"


def _no_item(id_: str) -> NotFound:
    return NotFound(
        f"Item with id '{id_[:80]}' not found. Send the item itself: only what this agent's kept responses said can be "
        "referred to."
    )


def _unknown(id_: str) -> NotFound:
    return NotFound(f"Response with id '{id_[:80]}' not found.")


class Noted(Reply):
    """Passes an answer on; the whole response is kept before its client has the last of it."""

    def __init__(self, reply: Reply, kept: KeptResponses, run: Run, asked: Asked) -> None:
        super().__init__()
        self._reply = reply
        self._kept = kept
        self._run = run
        self._asked = asked
        self._status = 0
        self._stream = False

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Status and headers."""
        await self._reply.start(status, headers)
        self.started, self._status = True, status
        self._stream = any(value.startswith(b"text/event-stream") for _, value in headers)

    async def send(self, data: bytes, *, last: bool = False) -> None:
        """A piece of the body, which may be the one that holds the response."""
        if self._status == 200 and data:
            data = self._seen(data)
        self.finished = last
        await self._reply.send(data, last=last)

    def _seen(self, data: bytes) -> bytes:
        """A piece as its client gets it: each is one event, or the whole response."""
        previous, response = self._asked.previous, None
        if self._stream:
            data = data if previous is None else stored.continued(data, previous)
            response = stored.ended(data)
        elif stored.named(data):
            data = data if previous is None else stored.changed(data, previous_response_id=previous)
            response = data
        if response is not None:
            self._kept.keep(self._run, self._asked, response)
        return data
