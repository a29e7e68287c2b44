"""Summaries that stand for a conversation, as agents keep them: sealed for one agent, and opened when they come back.

What comes back is looked at like any other text, so that nothing private leaves inside a seal. Where the keychain keeps
no key, a summary is packed in the open: its agent has the whole conversation anyway, and it can be read after a restart.
"""

from __future__ import annotations

import asyncio
import base64
import os
import zlib
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import msgspec

from pointsman.core.errors import BadRequest, TooLarge, Unavailable
from pointsman.core.facts import raised
from pointsman.gateway.run import Run
from pointsman.gateway.vendor_seals import VendorSeals
from pointsman.system.keychain import KeychainProblem
from pointsman.wire import compacting

_SEALED, _OPEN = "pointsman-sealed:", "pointsman-open:"
_NONCE = 12
_MOST = 8 * 2**20  # bytes of a summary: no model writes as much
_TOGETHER = 32 * 2**20  # bytes of all summaries of a request
_LARGE = 262_144  # bytes of items that are looked through in a thread, so that the others' streams go on

Level = Literal["public", "internal", "personal"]


class _Summary(msgspec.Struct, frozen=True):
    """`sensitivity` is what was ruled of the conversation; whatever continues from it is no less."""

    text: str
    sensitivity: Level


class Opened(msgspec.Struct, frozen=True):
    """Items with our summaries in words, and what was ruled of these, or of what a vendor sealed.

    `found` where there was one of ours. `sealed_by` is the provider of the vendor's, where that is known.
    """

    items: list[msgspec.Raw]
    found: bool = False
    sensitivity: str | None = None
    sealed_by: str | None = None


_summaries = msgspec.msgpack.Decoder(_Summary)


class Compactions:
    """Seals and opens with the key that seals kept bodies; `vendors` knows what vendors sealed by themselves."""

    def __init__(self, key: Callable[[], bytes], vendors: VendorSeals) -> None:
        self._key = key
        self.vendors = vendors

    async def sealer(self, run: Run) -> Callable[[str], str]:
        """What seals this request's summary. The key is fetched now, for a keychain may wait for a person."""
        self.vendors.watch(run)
        key = await self._known()
        return lambda text: _pack(_Summary(text, _ruled(run)), run.agent, key) if text else ""

    async def opened(self, agent: str, items: list[msgspec.Raw]) -> Opened:
        """The items, ours in words. Raises `BadRequest`, `TooLarge`, and `Unavailable` where the keychain is locked."""
        large = sum(map(len, items)) > _LARGE
        held = await asyncio.to_thread(_held, items) if large else _held(items)
        foreign = [text for text in held if text and not _ours(text)]
        maker = await self.vendors.of(agent, foreign) if foreign else None
        found = await asyncio.to_thread(self._unpacked, agent, items, held) if any(map(_ours, held)) else Opened(items)
        if maker is None:
            return found
        sensitivity = raised(maker.sensitivity, found.sensitivity)
        return msgspec.structs.replace(found, sensitivity=sensitivity, sealed_by=maker.provider)

    def _unpacked(self, agent: str, items: list[msgspec.Raw], held: Sequence[str]) -> Opened:
        """In a thread: a few bytes stand for many, and a keychain may wait for a person."""
        key = self._needed() if any(text.startswith(_SEALED) for text in held) else None
        sensitivity, rows, left = None, list[msgspec.Raw](), _TOGETHER
        for item, text in zip(items, held, strict=True):
            if not _ours(text):
                rows.append(item)
                continue
            summary = _unpack(text, agent, key, left)
            sensitivity = raised(summary.sensitivity, sensitivity)
            rows.append(compacting.opened(summary.text))
            if (left := left - len(rows[-1])) < 0:
                raise _too_large()
        return Opened(rows, found=True, sensitivity=sensitivity)

    def _needed(self) -> bytes:
        try:
            return self._key()
        except KeychainProblem as problem:
            raise Unavailable(f"The compaction in this conversation cannot be opened now: {problem.sentence}") from None

    async def _known(self) -> bytes | None:
        try:
            return await asyncio.to_thread(self._key)
        except KeychainProblem:
            return None


def _held(items: Sequence[msgspec.Raw]) -> list[str]:
    return [compacting.sealed(item) or "" for item in items]


def _ours(text: str) -> bool:
    return text.startswith((_SEALED, _OPEN))


def _ruled(run: Run) -> Level:
    ruled = run.decision.ruling.sensitivity if run.decision is not None else "personal"
    return next((level for level in get_args(Level) if level == ruled), "personal")


def _pack(summary: _Summary, agent: str, key: bytes | None) -> str:
    inside = zlib.compress(msgspec.msgpack.encode(summary))
    if key is None:
        return _OPEN + base64.urlsafe_b64encode(inside).decode()
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # 6 MB, for what many never need

    nonce = os.urandom(_NONCE)
    return _SEALED + base64.urlsafe_b64encode(nonce + AESGCM(key).encrypt(nonce, inside, agent.encode())).decode()


def _unpack(text: str, agent: str, key: bytes | None, left: int) -> _Summary:
    mark, _, packed = text.partition(":")
    try:
        inside = base64.urlsafe_b64decode(packed.encode("ascii"))
        if f"{mark}:" == _SEALED:
            inside = _unsealed(inside, agent, key)
        whole = zlib.decompressobj().decompress(inside, min(_MOST, left) + 1)
        if _MOST >= len(whole) > left:
            raise _too_large()
        return _summaries.decode(whole[:_MOST])
    except (ValueError, zlib.error, msgspec.DecodeError):
        raise BadRequest(
            "The compaction in this conversation cannot be opened: another agent's, another key's, or changed on its "
            "way. Send the conversation without it."
        ) from None


def _too_large() -> TooLarge:
    return TooLarge(f"The compactions in this conversation are over {_TOGETHER // 2**20} MB. Send the newest alone.")


def _unsealed(data: bytes, agent: str, key: bytes | None) -> bytes:
    """Raises `ValueError` where it is not this agent's, or the key another."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if key is None:
        raise ValueError("no key")
    try:
        return AESGCM(key).decrypt(data[:_NONCE], data[_NONCE:], agent.encode())
    except InvalidTag:
        raise ValueError("another key") from None
