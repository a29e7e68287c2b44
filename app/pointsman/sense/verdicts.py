"""What sense found in each message, remembered by the message's hash: a long conversation is scanned once."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict

import msgspec

from pointsman.core.request import Verdict
from pointsman.sense import detect

_KEPT = 20_000


class Verdicts:
    """Verdicts of raw JSON messages. Only hashes are kept, never text; any thread may ask."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._most = kept
        self._known: OrderedDict[bytes, Verdict] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, raw: bytes | msgspec.Raw) -> Verdict:
        """The verdict on one message, from memory where the same bytes were seen before."""
        key = hashlib.blake2b(raw, digest_size=16).digest()
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return known
        return self._remember(key, scan(raw))

    def _remember(self, key: bytes, verdict: Verdict) -> Verdict:
        with self._lock:
            self._known[key] = verdict
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        return verdict


def scan(raw: bytes | msgspec.Raw) -> Verdict:
    """The verdict on one message. What is no JSON is looked through as it stands."""
    raw = bytes(raw)
    try:
        value = msgspec.json.decode(raw)
        texts = [*detect.read_text(value)]
        if _may_be_doubled(raw, value):
            texts += _doubled(raw)
        return Verdict(detect.find("\n".join(texts)))
    except (msgspec.DecodeError, ValueError, RecursionError):
        return Verdict(detect.find(raw.decode("utf-8", "replace")))


def _may_be_doubled(raw: bytes, value: object) -> bool:
    """Whether a key may stand twice in one object.

    Each key brings a colon, so what was decoded has fewer of them then, unless one in a text was written as an escape.
    """
    colons = raw.count(b":")
    return colons > 0 and (colons != msgspec.json.encode(value).count(b":") or b"\\u003" in raw)


def _doubled(raw: bytes) -> list[str]:
    """Strings under a key that stands twice in one object: decoding keeps the last alone, but all of them travel."""
    hidden: list[str] = []

    def pairs(found: list[tuple[str, object]]) -> dict[str, object]:
        whole = dict(found)
        if len(whole) != len(found):
            hidden.append(json.dumps([value for _, value in found], ensure_ascii=False))
        return whole

    json.loads(raw, object_pairs_hook=pairs)
    return hidden
