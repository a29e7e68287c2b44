"""Kept requests and answers: sealed and written by a thread of their own, so that no request ever waits for the disk."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import Struct

from pointsman.core.catalog_parts import Keep
from pointsman.core.errors import BadRequest, NotFound
from pointsman.store import sealed
from pointsman.store.sealed import KeptBody, Unreadable
from pointsman.store.shelf import File, Shelf
from pointsman.system.keychain import KeychainProblem

__all__ = ["Bodies", "KeptBody", "Terms"]

_MOST_WAITING = 64 * 2**20  # bytes that may wait for the disk; what comes beyond is dropped and counted
_MEGABYTE = 2**20
_DAY = 86_400.0
_AGED = 3600.0  # seconds between two looks for what is too old
_ASK_AGAIN = {"locked": 30.0, "missing": 300.0}  # seconds until a keychain that said no is asked again
_LATER = 3600.0
_NO_KEY = {
    "locked": "Your keychain is locked: until you unlock it, requests and answers are not kept.",
    "missing": "There is no keychain here to seal them with, so requests and answers are not kept.",
}
_REFUSED = "Your keychain keeps no key for Pointsman to seal them with, so requests and answers are not kept."


class Terms(Struct, frozen=True, kw_only=True):
    """Where the key comes from, what [keep] says now, whether this one may be kept, and a clock that never jumps."""

    key: Callable[[], bytes]
    keep: Callable[[], Keep]
    allowed: Callable[[KeptBody], bool]
    clock: Callable[[], float] = time.monotonic


class Bodies:
    """Everything with files and keys happens in one thread, in order. Trouble is a notice, never a request's harm."""

    def __init__(self, folder: Path, terms: Terms) -> None:
        self._folder = folder
        self._terms = terms
        self._shelf = Shelf(folder)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bodies")
        self._lock = threading.Lock()
        self._waiting = 0
        self._trouble: str | None = None
        self._ask_at = 0.0
        self._age_at = 0.0
        self.dropped = 0

    async def keep(self, kept: KeptBody) -> None:
        """Keep it if it may be kept. Returns at once: it is written later, or dropped where the disk is too slow."""
        size = len(kept.body) + len(kept.answer)
        if not self._terms.allowed(kept) or self._terms.clock() < self._ask_at or not self._enter(size):
            return
        try:
            self._thread.submit(self._put, kept, size)
        except RuntimeError:  # closed meanwhile
            self._leave(size)

    async def read(self, request: str) -> KeptBody:
        """What was kept of a request. Raises `NotFound` or `BadRequest` with the sentence for the person."""
        return await asyncio.wrap_future(self._thread.submit(self._read, request))

    async def forget(self, *, before: float | None = None, agent: str | None = None) -> int:
        """Remove what came before a moment, of one agent or of all; how many. Needs no key."""
        return await asyncio.wrap_future(self._thread.submit(self._forget, before, agent))

    async def sweep(self, now: float) -> None:
        """Remove what is too old or too much by what [keep] says now."""
        await asyncio.wrap_future(self._thread.submit(self._went_well, self._evict, now))

    async def close(self) -> None:
        """Write what waits, then end."""
        await asyncio.to_thread(self._thread.shutdown)

    def notices(self) -> list[str]:
        """One sentence, if something is wrong with keeping."""
        if self._trouble is not None:
            return [self._trouble]
        many = "1 request was" if self.dropped == 1 else f"{self.dropped} requests were"
        return [f"{many} not kept with the answer: the disk was too slow for them."] if self.dropped else []

    def _enter(self, size: int) -> bool:
        with self._lock:
            fits = self._waiting + size <= _MOST_WAITING
            self._waiting += size if fits else 0
            self.dropped += not fits
        return fits

    def _leave(self, size: int) -> None:
        with self._lock:
            self._waiting -= size

    def _put(self, kept: KeptBody, size: int) -> None:
        if self._terms.clock() >= self._ask_at and self._went_well(self._write, kept):
            self._trouble = None
        self._leave(size)

    def _went_well(self, work: Callable[..., None], *given: object) -> bool:
        """Do it; what was wrong, if anything was, becomes the notice."""
        try:
            work(*given)
            return True
        except KeychainProblem as problem:
            self._trouble = _NO_KEY.get(problem.state, _REFUSED)
            self._ask_at = self._terms.clock() + _ASK_AGAIN.get(problem.state, _LATER)
        except OSError as error:
            why = error.strerror or type(error).__name__
            self._trouble = (
                f"Requests and answers are not kept: {self._folder} cannot be written ({why}). Make room there."
            )
        except Exception as error:  # noqa: BLE001 nobody waits for this thread: the notice is where it shows
            self._trouble = f"Requests and answers are not kept: an error of Pointsman's own ({type(error).__name__})."
        return False

    def _write(self, kept: KeptBody) -> None:
        data = sealed.seal(kept, self._terms.key())
        keep = self._terms.keep()
        if len(data) <= keep.max_mb * _MEGABYTE:
            self._shelf.put(kept.request, kept.at, data)
        if self._shelf.total() > keep.max_mb * _MEGABYTE or self._terms.clock() >= self._age_at:
            self._evict(kept.at)

    def _evict(self, now: float) -> None:
        keep = self._terms.keep()
        self._age_at = self._terms.clock() + _AGED
        self._shelf.evict(keep.max_mb * _MEGABYTE, now - keep.days * _DAY)

    def _read(self, request: str) -> KeptBody:
        try:
            path = self._shelf.find(request)
            if path is None:
                raise NotFound(f"Nothing is kept of request {request[:80]!r}: it was not kept, or it is gone by now.")
            return sealed.unseal(path.read_bytes(), self._terms.key(), request)
        except KeychainProblem as problem:
            raise BadRequest(f"What is kept of {request} cannot be opened: {problem.sentence}") from None
        except OSError as error:
            raise self._unusable(error) from None
        except Unreadable:
            raise BadRequest(
                f"What is kept of {request} cannot be opened: the key in the keychain is another, or the file was changed."
            ) from None

    def _forget(self, before: float | None, agent: str | None) -> int:
        def wanted(file: File) -> bool:
            return (before is None or file.at < before) and (agent is None or _agent(file) == agent)

        try:
            return self._shelf.forget(wanted)
        except OSError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: OSError) -> BadRequest:
        return BadRequest(
            f"What is kept in {self._folder} cannot be used ({error.strerror}). Mend that, then try again."
        )


def _agent(file: File) -> str | None:
    """Whose it is, by its label."""
    try:
        return sealed.label(file.path.read_bytes()).agent
    except (Unreadable, OSError):
        return None
