"""What vendors sealed by themselves: nobody here can look inside, so what is known of it is who made it and of what.

A note is kept beside the agent's responses, under a digest, and holds nobody's words. What is unknown counts as personal.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Iterator, Sequence

import msgspec

from pointsman.core.facts import raised
from pointsman.gateway.run import Run
from pointsman.store.responses import KeptResponse, Responses

_HELD = re.compile(rb'"encrypted_content":\s*"([^"\\]+)"')  # a model's words cannot look so: their quotes are escaped
_MOST = 16  # of one request or answer
_RUNS = 64  # answers that may be on their way at a time
_OVER = ("done", "failed_over", "cancelled")


class Maker(msgspec.Struct, frozen=True):
    """Who sealed it, None where that is not known, and what was ruled of what is inside."""

    provider: str | None = None
    sensitivity: str = "personal"


_makers = msgspec.json.Decoder(Maker)


class VendorSeals:
    """Notes what passes; tells of what comes back."""

    def __init__(self, store: Responses) -> None:
        self._store = store
        self._runs: deque[Run] = deque(maxlen=_RUNS)

    def watch(self, run: Run) -> None:
        """What this request is answered with may hold a seal."""
        self.note()
        self._runs.append(run)

    def note(self) -> None:
        """Keep what was sealed in the answers until now."""
        for run in list(self._runs):
            if (maker := _maker(run)) is not None:
                self._keep(run, maker)
            if run.outcome in _OVER:
                self._runs.remove(run)

    def _keep(self, run: Run, maker: Maker) -> None:
        told = msgspec.json.encode(maker)
        for seal in _seals(bytes(run.answer)):
            kept = KeptResponse(agent=run.agent, id=_name(seal), at=run.started, items=b"[]", response=told)
            self._store.keep(kept)

    async def of(self, agent: str, seals: Sequence[str]) -> Maker:
        """What is known of them together: one provider, or none that could read them all."""
        self.note()
        names = list(dict.fromkeys(_name(seal.encode("utf-8", "replace")) for seal in seals))
        if len(names) > _MOST:
            return Maker()
        found = [await self._known(agent, name) for name in names]
        makers = {one.provider for one in found}
        sensitivity = "public"
        for one in found:
            sensitivity = raised(sensitivity, one.sensitivity)
        return Maker(_together(makers), sensitivity)

    async def _known(self, agent: str, name: str) -> Maker:
        kept = await self._store.get(agent, name)
        return Maker() if kept is None else _makers.decode(kept.response)


def _maker(run: Run) -> Maker | None:
    """Whose seals this answer may hold, None where its provider seals nothing."""
    if run.decision is None or run.attempt is None:
        return None
    catalog, tools = run.decision.catalog, run.decision.request.tools > 0
    target = catalog.targets[run.attempt.target]
    return Maker(target.provider, run.decision.ruling.sensitivity) if catalog.compacts(target, tools=tools) else None


def _together(makers: set[str | None]) -> str | None:
    known = makers - {None}
    return next(iter(known)) if len(known) == 1 else "" if known else None


def _seals(answer: bytes) -> Iterator[bytes]:
    found = dict.fromkeys(match[1] for match in _HELD.finditer(answer))
    yield from list(found)[-_MOST:]


def _name(seal: bytes) -> str:
    """No id of a response looks so: a path cannot ask for it."""
    return f"seal/{hashlib.blake2b(seal, digest_size=32).hexdigest()}"
