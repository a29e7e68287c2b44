"""Responses that agents may continue from: on this machine alone, sealed, each with all that went before it.

A file of its own: the ledger may be on a server that several machines share, and no conversation goes there. What must
not outlive the gateway is sealed with a key that dies with it; so is everything where the keychain keeps no key.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from pointsman.system.keychain import KeychainProblem

_DAY = 86_400.0
_NONCE = 12
_FAST = 1  # zlib's fastest: conversations repeat themselves, so it makes a third of them at once
_ASK_AGAIN = 300.0  # seconds until a keychain that said no is asked again
_MOST_WAITING = 64 * 2**20  # bytes that may wait for the disk; an answer beyond cannot be continued from
_PART = 16  # of what may be kept, that may come between two looks for what is too much
_TABLE = """
CREATE TABLE IF NOT EXISTS responses (
    agent TEXT NOT NULL, id TEXT NOT NULL, at REAL NOT NULL, size INTEGER NOT NULL, sealed BLOB NOT NULL,
    PRIMARY KEY (agent, id)
) STRICT;
CREATE INDEX IF NOT EXISTS responses_newest ON responses (agent, at, size);
CREATE TABLE IF NOT EXISTS items (
    agent TEXT NOT NULL, item TEXT NOT NULL, response TEXT NOT NULL, PRIMARY KEY (agent, item)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS items_of ON items (agent, response);
CREATE TRIGGER IF NOT EXISTS items_go AFTER DELETE ON responses BEGIN
    DELETE FROM items WHERE agent = old.agent AND response = old.id;
END;
"""
_TOO_MANY = """
DELETE FROM responses WHERE at < :before OR rowid IN (
    SELECT rowid FROM (
        SELECT rowid, row_number() OVER newest AS place, sum(size) OVER newest AS total
        FROM responses WINDOW newest AS (PARTITION BY agent ORDER BY at DESC)
    ) WHERE place > :count OR total > :size
)
"""
T = TypeVar("T")


class KeptResponse(Struct, frozen=True, kw_only=True):
    """A response of an agent's: `items` is JSON of all that went in, `response` JSON of what came out.

    `sensitivity` is what was ruled of it; whatever continues from it is no less. `lasting`: it may outlive the gateway.
    `named` are the ids of its items that a request may refer to.
    """

    agent: str
    id: str
    at: float
    items: bytes
    response: bytes
    sensitivity: str = "personal"
    lasting: bool = True
    named: tuple[str, ...] = ()


class Bounds(Struct, frozen=True, kw_only=True):
    """What is kept of each agent: for how long, how many, how many bytes."""

    days: float = 30
    count: int = 1_000
    size: int = 128 * 2**20


class Responses:
    """Everything with the file and the key happens in one thread, in order; what waits for it can be read already."""

    def __init__(self, path: Path, key: Callable[[], bytes], bounds: Bounds = Bounds()) -> None:  # noqa: B008 frozen
        self._path = path
        self._key = key
        self._bounds = bounds
        self._own = os.urandom(32)
        self._known: bytes | None = None
        self._ask_at = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="responses")
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, str], KeptResponse] = {}
        self._size = 0
        self._come = (0, 0)
        self._file: sqlite3.Connection | None = None
        self.trouble: str | None = None

    def keep(self, kept: KeptResponse) -> None:
        """Keep it; it can be read at once and is written later. Too much at a time is not kept."""
        size = len(kept.items) + len(kept.response)
        with self._lock:
            if self._size + size > _MOST_WAITING:
                return
            self._size += size
            self._waiting[kept.agent, kept.id] = kept
        with contextlib.suppress(RuntimeError):  # closed meanwhile
            self._thread.submit(self._put, kept, size)

    async def get(self, agent: str, id_: str) -> KeptResponse | None:
        """What is kept under this id for this agent, and for no other."""
        with self._lock:
            waiting = self._waiting.get((agent, id_))
        return waiting or await self._do(lambda: self._read(agent, id_))

    async def holder(self, agent: str, item: str) -> str | None:
        """The id of this agent's newest that an item of this id belongs to."""
        with self._lock:
            waiting = [id_ for (owner, id_), one in self._waiting.items() if owner == agent and item in one.named]
        return waiting[-1] if waiting else await self._do(lambda: self._holder(agent, item))

    async def delete(self, agent: str, id_: str) -> bool:
        """Forget one; whether there was one."""
        return await self._do(lambda: self._remove("agent = ? AND id = ?", (agent, id_))) > 0

    async def forget(self, *, before: float | None = None, agent: str | None = None) -> int:
        """Forget what came before a moment, of one agent or of all; how many."""
        where = "(:before IS NULL OR at < :before) AND (:agent IS NULL OR agent = :agent)"
        return await self._do(lambda: self._remove(where, {"before": before, "agent": agent}))

    async def close(self) -> None:
        """Write what waits, then end."""
        await self._do(self._close)
        await asyncio.to_thread(self._thread.shutdown)

    def _do(self, work: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.wrap_future(self._thread.submit(work))

    def _put(self, kept: KeptResponse, size: int) -> None:
        with self._no_harm():
            sealed = self._sealed(kept)
            with self._opened() as file:
                row = (kept.agent, kept.id, kept.at, len(sealed), sealed)
                file.execute("INSERT OR REPLACE INTO responses VALUES (?, ?, ?, ?, ?)", row)
                items = [(kept.agent, item, kept.id) for item in kept.named]
                file.executemany("INSERT OR REPLACE INTO items VALUES (?, ?, ?)", items)
                self._evict(file, kept.at, len(sealed))
            self.trouble = None
        with self._lock:
            self._size -= size
            if self._waiting.get((kept.agent, kept.id)) is kept:
                del self._waiting[kept.agent, kept.id]

    def _evict(self, file: sqlite3.Connection, now: float, size: int) -> None:
        """What is too much goes, once a good part of what may be kept has come: it takes as long as hundreds of rows."""
        bounds = self._bounds
        self._come = (self._come[0] + 1, self._come[1] + size)
        if self._come[0] > bounds.count // _PART or self._come[1] > bounds.size // _PART:
            self._come = (0, 0)
            before = now - bounds.days * _DAY
            file.execute(_TOO_MANY, {"before": before, "count": bounds.count, "size": bounds.size})

    def _read(self, agent: str, id_: str) -> KeptResponse | None:
        with self._no_harm(), self._opened() as file:
            row = file.execute("SELECT at, sealed FROM responses WHERE agent = ? AND id = ?", (agent, id_)).fetchone()
            if row is not None and row[0] >= time.time() - self._bounds.days * _DAY:
                return self._unsealed(agent, id_, *row)
        return None

    def _holder(self, agent: str, item: str) -> str | None:
        with self._no_harm(), self._opened() as file:
            row = file.execute("SELECT response FROM items WHERE agent = ? AND item = ?", (agent, item)).fetchone()
            return None if row is None else str(row[0])
        return None

    def _remove(self, where: str, values: tuple[str, ...] | dict[str, object]) -> int:
        with self._no_harm(), self._opened() as file:
            return file.execute(f"DELETE FROM responses WHERE {where}", values).rowcount  # noqa: S608 our own words
        return 0

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """A transaction on the file, made at its first use, readable by its owner alone."""
        if self._file is None:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            file = sqlite3.connect(self._path, check_same_thread=False)
            file.executescript(
                f"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON; {_TABLE}"
            )
            self._file = file
        with self._file:
            yield self._file

    @contextlib.contextmanager
    def _no_harm(self) -> Iterator[None]:
        """A file that cannot be used is a sentence, never a request's harm."""
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            self.trouble = f"Answers cannot be continued from: {self._path} cannot be used ({type(error).__name__})."

    def _sealed(self, kept: KeptResponse) -> bytes:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # 6 MB, for what many never keep

        key = (self._lasting_key() if kept.lasting else None) or self._own
        said = msgspec.msgpack.encode((kept.items, kept.response, kept.sensitivity))
        inside, nonce = zlib.compress(said, _FAST), os.urandom(_NONCE)
        return nonce + AESGCM(key).encrypt(nonce, inside, _bound(kept.agent, kept.id))

    def _unsealed(self, agent: str, id_: str, at: float, sealed: bytes) -> KeptResponse | None:
        """None where its key died with an earlier gateway, or the file was changed."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        for key in (self._own, self._lasting_key()):
            if key is not None:
                with contextlib.suppress(InvalidTag, ValueError, zlib.error):
                    inside = AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound(agent, id_))
                    said = msgspec.msgpack.decode(zlib.decompress(inside), type=tuple[bytes, bytes, str])
                    items, response, sensitivity = said
                    return KeptResponse(
                        agent=agent, id=id_, at=at, items=items, response=response, sensitivity=sensitivity
                    )
        return None

    def _lasting_key(self) -> bytes | None:
        if self._known is None and time.monotonic() >= self._ask_at:
            try:
                self._known = self._key()
            except KeychainProblem:
                self._ask_at = time.monotonic() + _ASK_AGAIN
        return self._known


def _bound(agent: str, id_: str) -> bytes:
    """What a seal is bound to, so that no row can stand in for another."""
    return f"{len(agent)} {agent} {id_}".encode()
