"""What a message comes to once clocks, ids and counters are taken out of it: equal for near-equal messages.

Only digests leave this file, never text. Two strengths: `near` forgets what changes by itself (times of day,
durations, ids, numbers called attempt or retry), `far` forgets every number.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import msgspec

_MOST = 1_024  # characters kept at each end of a long text
_HEAD = 160  # characters at each end in which an error shows itself
_HASH = 7  # characters that a hash has at least
_PLAIN = 120  # characters under which a text may be what a person types again and again: continue, yes, go on
_ZEROS = str.maketrans("123456789", "000000000")
_LETTERS = str.maketrans("0123456789", "ghijklmnop")
# Each pattern begins with a set of signs, which the engine looks for at the speed of a plain search.
_TIME = re.compile(
    r"[0-9](?:\d{3}[-/]\d\d[-/]\d\d(?:T[0-9:.,]+(?:Z|[+-]\d\d:?\d\d)?)?"  # a date, perhaps with a time
    r"|\d?:\d\d:\d\d(?:[.,]\d+)?Z?"  # a time of day
    r"|\d*(?:\.\d+)?(?:ms|µs|s|sec|min)(?![0-9a-zA-Z]))"  # how long it took
)
_ID = re.compile(r"[0-9a-fA-F](?:[0-9a-fA-F]{7}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|[0-9a-fA-F]{6,})(?![0-9a-zA-Z])")
_NAMED = re.compile(  # an id with its kind in front, or a number called attempt, pid and the like
    r"[([{<]?(?:(?:req|call|msg|run|job|trace|toolu)_\w+|(?:attempt|retry|try|iteration|round|poll|pid|seq)[:#=\[-]\d+)",
    re.IGNORECASE,
)
_COUNTED = frozenset(
    (
        "attempt",
        "retry",
        "retries",
        "try",
        "tries",
        "iteration",
        "round",
        "poll",
        "request",
        "nonce",
        "seq",
        "pid",
        "again",
    )
)
_NUMBER = re.compile(r"[0-9][0-9.,]*")
_UNITS = frozenset(("ms", "s", "sec", "secs", "second", "seconds", "min", "minute", "minutes", "hour", "hours", "ago"))
_EDGES = "([{<#:=,.;!?)]}>\"'"
_TROUBLES = (
    *("error", "exception", "traceback", "fail", "fatal", "invalid", "denied", "refused", "forbidden", "unauthori"),
    *("cannot", "can't", "could not", "unable", "no such", "not found", "nothing found", "timed out", "timeout"),
    *("no matches", "no results", "no files", "0 matches", "0 results"),
)
_NOTHING = frozenset(("[]", "{}", "null", "none"))


class Shape(msgspec.Struct, frozen=True):
    """Digests of a message without what changes by itself (`near`) and without any number (`far`).

    `call`: it is a call of tools, and only names and arguments count. `trouble`: it tells of an error, or that
    nothing was found. `plain`: it is short and without a number, as what a person types again and again.
    """

    near: str = ""
    far: str = ""
    call: bool = False
    trouble: bool = False
    plain: bool = False


def said(text: str, *, turn: bool = False) -> Shape:
    """The shape of what somebody said, or of a tool's result. What comes again and again in it counts once.

    Of a long result its two ends count; of a long turn the middle counts as well, byte by byte: that is where a
    template has what it is about.
    """
    if len(text) > 2 * _MOST:
        middle = digest(text[_MOST:-_MOST]) if turn else ""
        text = f"{_ends(text)}\n{_spelt(middle)}"
    trouble = _tells_of_trouble(text)
    text = _unquoted(text).replace("=", " ")
    near, far = _forgotten(text.split(), text)
    folded = digest(*dict.fromkeys(near))
    other = folded if near is far else digest(*dict.fromkeys(far))
    return Shape(folded, other, trouble=trouble, plain=near is far and len(text) < _PLAIN)


def called(calls: Sequence[tuple[str, str]]) -> Shape:
    """The shape of calls of tools: names and arguments, without the ids, in their order. Their numbers count."""
    parts = []
    for name, arguments in calls:
        if len(arguments) > 2 * _MOST:
            parts.append(digest(name, arguments))
            continue
        text = _unquoted(arguments.replace("\\n", " "))
        parts.append(digest(name, *_forgotten(text.split(), text)[0]))
    whole = digest(*parts)
    return Shape(whole, whole, call=True)


def newest(roles: Sequence[str]) -> range:
    """The newest step: all that the model said last, and what came back. Only these messages need a shape.

    What a client puts into the model's mouth at the very end is no step of the model's.
    """
    end = len(roles)
    while end and roles[end - 1] == "assistant":
        end -= 1
    start = end
    while start and roles[start - 1] != "assistant":
        start -= 1
    while start and roles[start - 1] == "assistant":
        start -= 1
    return range(start, end)


def digest(*parts: str) -> str:
    """One short digest of some texts."""
    return hashlib.blake2b("\x1f".join(parts).encode("utf-8", "replace"), digest_size=8).hexdigest()


def _spelt(digits: str) -> str:
    """A digest in letters alone, which nothing here forgets."""
    return digits.translate(_LETTERS)


def _ends(text: str) -> str:
    """Both ends of a long text, in whole lines where it has any: a line that was cut is like no other."""
    start, end = text[:_MOST], text[-_MOST:]
    start, end = start.rpartition("\n")[0] or start, end.partition("\n")[2] or end
    return f"{start}\n{end}"


def _unquoted(text: str) -> str:
    """JSON with its keys and values as words, however it was spaced."""
    return text.replace('":', " ").replace('"', " ")


def _tells_of_trouble(text: str) -> bool:
    ends = (text if len(text) <= 2 * _HEAD else f"{text[:_HEAD]} {text[-_HEAD:]}").lower()
    return any(word in ends for word in _TROUBLES) or ends.strip() in _NOTHING


def _forgotten(words: list[str], text: str) -> tuple[list[str], list[str]]:
    """The words without what changes by itself, and those without any number."""
    zeroed = text.translate(_ZEROS)
    if "0" not in zeroed:
        return words, words
    near, far = words.copy(), words.copy()
    known: dict[str, str] = {}
    for at in [at for at, word in enumerate(zeroed.split()) if "0" in word]:
        near[at] = _settled(words, at, known)
        far[at] = "0" if near[at].isdecimal() else _NUMBER.sub("0", near[at])
    return near, far


def _settled(words: list[str], at: int, known: dict[str, str]) -> str:
    """A word with a digit in it: nothing but a sign where it only counts or tells the time."""
    word = words[at]
    if at and words[at - 1].strip(_EDGES).lower() in _COUNTED:
        return "~"
    if len(word) < _HASH and (word.isdecimal() or word.strip(_EDGES).replace(".", "").isdecimal()):
        timed = at + 1 < len(words) and words[at + 1].strip(_EDGES) in _UNITS
        return "~" if timed else word
    if word not in known:
        known[word] = _faded(word)
    return known[word]


def _faded(word: str) -> str:
    """A word without its times and ids."""
    if _NAMED.match(word):
        return "~"
    word = _TIME.sub("~", word)
    return _ID.sub("~", word) if len(word) > _HASH else word
