"""What sense found in each message, remembered by the message's hash: a long conversation is scanned once."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict

import msgspec

from pointsman.core.request import Finding, Verdict, digest
from pointsman.sense import detect

_KEPT = 20_000


class Verdicts:
    """Verdicts of raw JSON messages. Only hashes are kept, never text; any thread may ask."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._most = kept
        self._known: OrderedDict[str, Verdict] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, raw: bytes | msgspec.Raw) -> Verdict:
        """The verdict on one message, from memory where the same bytes were seen before."""
        raw = bytes(raw)
        key = digest(raw)
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return known
        return self._remember(Verdict(scan(raw), key))

    def _remember(self, verdict: Verdict) -> Verdict:
        with self._lock:
            self._known[verdict.digest] = verdict
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        return verdict


def scan(raw: bytes) -> tuple[Finding, ...]:
    """What is in one message. What is no JSON is looked through as it stands."""
    try:
        value = msgspec.json.decode(raw)
        texts = detect.read_text(value)
        if _may_be_doubled(raw, value):
            texts += _doubled(raw)
        return detect.find("\n".join(texts))
    except (msgspec.DecodeError, ValueError, RecursionError):
        return detect.find(raw.decode("utf-8", "replace"))


def _may_be_doubled(raw: bytes, value: object) -> bool:
    """Whether a key may stand twice in one object.

    Each key brings a colon, so what was decoded has fewer of them then, unless one in a text was written as an escape.
    """
    colons = raw.count(b":")
    if colons == 0 or (isinstance(value, dict) and colons == len(value)):
        return False
    return colons != msgspec.json.encode(value).count(b":") or b"\\u003" in raw


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
