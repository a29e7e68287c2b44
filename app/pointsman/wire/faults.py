"""What an upstream says of its own refusal: the words that its clients know, whichever vendor wraps them how.

Shapes: https://platform.openai.com/docs/guides/error-codes and https://docs.claude.com/en/api/errors.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from pointsman.core.errors import Fault
from pointsman.wire.scan import UNREADABLE

TOO_LONG = "context_length_exceeded"
"""The code at which agents shorten their conversation and go on."""

_WORD = re.compile(r"[A-Za-z0-9_.\[\]-]{1,80}")
_MOST = 500  # characters of a sentence
_SHORTEST_KEY = 8  # characters: what is shorter stands in any sentence by chance
# What keys look like, for an upstream may tell one that is not ours: its own, or the one before a change.
_KEYS = re.compile(
    r"\b(?:sk|rk|pk|gsk|csk|xai|fw|tgp|hf|ghp|pat)[-_][\w-]{12,}|\bAIza[\w-]{20,}|\bBearer\s+[\w.~+/-]{12,}", re.I
)
_HIDDEN = "[key]"
_LONG = re.compile(
    r"(?:prompt|input) is too long|context[ _](?:length|window|size)|(?:token count|tokens).{0,60}exceed|exceed.{0,60}tokens|too many tokens",
    re.I,
)
_TOO_LONG_STATUSES = (400, 413, 422)
# Fields whose value is too large by itself, whatever else the sentence speaks of: a shorter conversation mends nothing.
_OUTPUT_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens", "max_tokens_to_sample")
# Statuses of errors that come where no status can be told any more: inside a stream, or under one of success.
_STATUSES = {
    TOO_LONG: 400,
    "invalid_prompt": 400,
    "invalid_request_error": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "billing_error": 402,
    "usage_not_included": 402,
    "permission_error": 403,
    "model_not_found": 404,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "insufficient_quota": 429,
    "usage_limit_reached": 429,
    "server_is_overloaded": 503,
    "slow_down": 503,
    "overloaded_error": 529,
}
# invalid_image_url, image_too_large, cyber_policy, content_policy_violation: what was asked, and time does not mend it.
_MISTAKES = re.compile(r"(?:^|_)(?:image|policy)(?:_|$)|^content_filter")
_NUMBERS = (400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 529)


class Read(msgspec.Struct, frozen=True):
    """An upstream's sentence, empty where it has none, the words beside it, and the status they stand for."""

    sentence: str
    fault: Fault
    status: int


def read(body: bytes, dialect: str, status: int | None = None, key: str | None = None) -> Read:
    """What a body of this dialect says, without `key` and whatever looks like one. `status` None: none was told."""
    found = _error(body)
    sentence = _sentence(found, key)
    words = {name: _word(found, name, key) for name in ("code", "type", "param")}
    told = words["code"] or _word(found.get("details"), "error_code", key)
    if status is None:
        status = _status(told, words["type"], found.get("code"))
    if told is None and status in _TOO_LONG_STATUSES and _is_long(sentence, words):
        told = TOO_LONG
    kind = None if words["type"] == "error" else words["type"]
    return Read(sentence, Fault(dialect=dialect, code=told, type=kind, param=words["param"]), status)


def _error(body: bytes) -> dict[str, Any]:
    """The object that holds the words: vendors put a list, a response or an event round it, or nothing."""
    try:
        found: Any = msgspec.json.decode(body)
    except UNREADABLE:
        return {}
    for name in ("response", "error"):
        found = found[0] if isinstance(found, list) and found else found
        inner = found.get(name) if isinstance(found, dict) else None
        found = {"message": inner} if isinstance(inner, str) else inner if isinstance(inner, dict) else found
    return found if isinstance(found, dict) else {}


def _sentence(found: dict[str, Any], key: str | None) -> str:
    """Cut once its keys are hidden: half a key is known by nothing."""
    message = found.get("message")
    return _hidden(message, key)[:_MOST] if isinstance(message, str) else ""


def _is_long(sentence: str, words: dict[str, str | None]) -> bool:
    """Whether it is the prompt that is too long."""
    field = (words["param"] or "").rpartition(".")[2]
    return field not in _OUTPUT_LIMITS and _LONG.search(f"{sentence} {words['type']}") is not None


def _hidden(text: str, key: str | None) -> str:
    if key and len(key) >= _SHORTEST_KEY:
        text = text.replace(key, _HIDDEN)
    return _KEYS.sub(_HIDDEN, text)


def _word(found: Any, name: str, key: str | None) -> str | None:
    """A vendor's word, if it is one and no key."""
    value = found.get(name) if isinstance(found, dict) else None
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        return None
    return value if _hidden(value, key) == value else None


def _status(code: str | None, kind: str | None, number: Any) -> int:
    for word in (code, kind):
        if word in _STATUSES:
            return _STATUSES[word]
        if word and _MISTAKES.search(word):
            return 400
    return number if isinstance(number, int) and number in _NUMBERS else 502
