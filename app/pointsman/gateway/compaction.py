"""Summaries that stand for a conversation, as agents keep them: sealed for one agent, and opened when they come back.

What comes back is looked at like any other text, so that nothing private leaves inside a seal. Where the keychain keeps
no key, a summary is packed in the open: its agent has the whole conversation anyway, and it can be read after a restart.
"""

from __future__ import annotations

import asyncio
import base64
import os
import zlib
from collections.abc import Callable

import msgspec

from pointsman.core.errors import BadRequest
from pointsman.core.facts import raised
from pointsman.gateway.run import Run
from pointsman.system.keychain import KeychainProblem
from pointsman.wire import compacting

_SEALED, _OPEN = "pointsman-sealed:", "pointsman-open:"
_NONCE = 12
_MOST = 8 * 2**20  # bytes of a summary: no model writes as much


class _Summary(msgspec.Struct, frozen=True):
    """`sensitivity` is what was ruled of the conversation; whatever continues from it is no less."""

    text: str
    sensitivity: str


class Opened(msgspec.Struct, frozen=True):
    """Items with our summaries in words, and what was ruled of these."""

    items: list[msgspec.Raw]
    found: bool = False
    sensitivity: str | None = None


_summaries = msgspec.msgpack.Decoder(_Summary)


class Compactions:
    """Seals and opens with the key that seals kept bodies."""

    def __init__(self, key: Callable[[], bytes]) -> None:
        self._key = key

    async def sealer(self, run: Run) -> Callable[[str], str]:
        """What seals this request's summary. The key is fetched now, for a keychain may wait for a person."""
        key = await self._known()
        return lambda text: _pack(_Summary(text, _ruled(run)), run.agent, key) if text else ""

    async def opened(self, agent: str, items: list[msgspec.Raw]) -> Opened:
        """The items, ours in words. Raises `BadRequest` for one that cannot be opened."""
        held = [compacting.sealed(item) or "" for item in items]
        if not any(text.startswith((_SEALED, _OPEN)) for text in held):
            return Opened(items)
        key = await self._known() if any(text.startswith(_SEALED) for text in held) else None
        sensitivity, rows = None, list[msgspec.Raw]()
        for item, text in zip(items, held, strict=True):
            if not text.startswith((_SEALED, _OPEN)):
                rows.append(item)
                continue
            summary = _unpack(text, agent, key)
            sensitivity = raised(summary.sensitivity, sensitivity)
            rows.append(compacting.opened(summary.text))
        return Opened(rows, found=True, sensitivity=sensitivity)

    async def _known(self) -> bytes | None:
        try:
            return await asyncio.to_thread(self._key)
        except KeychainProblem:
            return None


def _ruled(run: Run) -> str:
    return run.decision.ruling.sensitivity if run.decision is not None else "personal"


def _pack(summary: _Summary, agent: str, key: bytes | None) -> str:
    inside = zlib.compress(msgspec.msgpack.encode(summary))
    if key is None:
        return _OPEN + base64.urlsafe_b64encode(inside).decode()
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # 6 MB, for what many never need

    nonce = os.urandom(_NONCE)
    return _SEALED + base64.urlsafe_b64encode(nonce + AESGCM(key).encrypt(nonce, inside, agent.encode())).decode()


def _unpack(text: str, agent: str, key: bytes | None) -> _Summary:
    mark, _, packed = text.partition(":")
    try:
        inside = base64.urlsafe_b64decode(packed.encode("ascii"))
        if f"{mark}:" == _SEALED:
            inside = _unsealed(inside, agent, key)
        return _summaries.decode(zlib.decompressobj().decompress(inside, _MOST))
    except (ValueError, zlib.error, msgspec.DecodeError):
        raise BadRequest(
            "The compaction in this conversation cannot be opened: another agent's, another key's, or changed on its "
            "way. Send the conversation without it."
        ) from None


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
