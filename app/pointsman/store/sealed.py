"""A kept request with its answer, sealed: AES-256-GCM, with the label outside that says whose it is.

The file: a mark, the label's length, the label (JSON), a nonce, and what is sealed. Mark and label are bound to the
seal, so that no file can stand in for another.
"""

from __future__ import annotations

import os
import zlib

import msgspec
from msgspec import Struct

_MARK = b"PMB1"
_NONCE = 12
_START = len(_MARK) + 2
_FAST = 1  # zlib's fastest: conversations repeat themselves, so it makes a third of them at once


class KeptBody(Struct, frozen=True):
    """A request's body as it came and the answer as it went, with what is known of them."""

    request: str
    agent: str
    session: str
    at: float
    sensitivity: str
    dialect: str
    body: bytes
    answer: bytes


class Label(Struct, frozen=True):
    """What can be read without the key: nothing that the audit does not say too."""

    request: str
    agent: str
    at: float


class Unreadable(Exception):
    """The key is another, or the file was changed."""


def seal(kept: KeptBody, key: bytes) -> bytes:
    """The file's bytes; a fresh nonce each time."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # 6 MB, for what many never keep

    label = msgspec.json.encode(Label(kept.request, kept.agent, kept.at))
    outside, nonce = _MARK + len(label).to_bytes(2, "big") + label, os.urandom(_NONCE)
    inside = zlib.compress(msgspec.msgpack.encode(kept), _FAST)
    return outside + nonce + AESGCM(key).encrypt(nonce, inside, outside)


def label(data: bytes) -> Label:
    """Whose it is, as the file says. Raises `Unreadable`."""
    try:
        return msgspec.json.decode(_outside(data)[_START:], type=Label)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreadable from None


def unseal(data: bytes, key: bytes, request: str) -> KeptBody:
    """What was kept of this request. Raises `Unreadable`, also for another request's file."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if label(data).request != request:
        raise Unreadable
    outside = _outside(data)
    at = len(outside) + _NONCE
    try:
        inside = AESGCM(key).decrypt(data[len(outside) : at], data[at:], outside)
        return msgspec.msgpack.decode(zlib.decompress(inside), type=KeptBody)
    except (InvalidTag, ValueError, zlib.error, msgspec.DecodeError):  # ValueError: too short for a nonce
        raise Unreadable from None


def _outside(data: bytes) -> bytes:
    end = _START + int.from_bytes(data[len(_MARK) : _START], "big")
    if data[: len(_MARK)] != _MARK or len(data) < end + _NONCE:
        raise Unreadable
    return data[:end]
