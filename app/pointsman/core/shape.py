"""What a message comes to once clocks, ids and counters are taken out of it: equal for near-equal messages.

Only digests leave this file, never text. Two strengths: `near` forgets what changes by itself (times of day,
durations, ids, numbers called attempt or retry), `far` forgets every number.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from itertools import compress

import msgspec

_MOST = 1_024  # characters kept at each end of a long text
_HEAD = 160  # characters at each end in which an error shows itself
_HASH = 7  # characters that a hash has at least
_PLAIN = 120  # characters under which a text may be what a person types again and again: continue, yes, go on
_FADED = "~"
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
_DIGITS = "0123456789"
_NEITHER = bytes(sign for sign in range(256) if chr(sign) not in f" {_DIGITS}")
_NUMBER = re.compile(r"[0-9][0-9.,]*")
_EDGES = "([{<#:=,.;!?)]}>\"'"
_UNITS = frozenset(("ms", "s", "sec", "secs", "second", "seconds", "min", "minute", "minutes", "hour", "hours", "ago"))
_TROUBLES = (
    *("error", "exception", "traceback", "fail", "fatal", "invalid", "denied", "refused", "forbidden", "unauthori"),
    *("could not", "unable"),
)
_LONG_TROUBLES = (  # those with a part in common, after that part
    ("can", ("cannot", "can't")),
    (" found", ("not found", "nothing found")),
    ("time", ("timed out", "timeout")),
    ("no ", ("no such", "no matches", "no results", "no files")),
    ("0 ", ("0 matches", "0 results")),
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
    words = text.split()
    numbered = _numbered(text, words)
    settled = _settled(words, numbered) if numbered else words
    near = tuple(dict.fromkeys(settled))
    close = _quick(near)
    if not numbered:
        return Shape(close, close, trouble=trouble, plain=len(text) < _PLAIN)
    return Shape(close, _quick(_without_numbers(near, [settled[at] for at in numbered])), trouble=trouble)


def called(calls: Sequence[tuple[str, str]]) -> Shape:
    """The shape of calls of tools: names and arguments, without the ids, in their order. Their numbers count."""
    parts = []
    for name, arguments in calls:
        if len(arguments) > 2 * _MOST:
            parts.append(digest(name, arguments))
            continue
        text = _unquoted(arguments.replace("\\n", " "))
        words = text.split()
        parts.append(digest(name, *_settled(words, _numbered(text, words))))
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


def _quick(words: tuple[str, ...]) -> str:
    """A digest that only holds within this process, as all shapes do: words keep their hashes, so it costs next to nothing."""
    return f"{hash(words):x}"


def _without_numbers(words: tuple[str, ...], numbered: list[str]) -> tuple[str, ...]:
    """Different words without the numbers in `numbered`, the first of those that come to the same."""
    bare: dict[str, str] = {}
    taken: set[str] = set()
    for word in numbered:
        if word not in bare:
            other = _unnumbered(word)
            bare[word] = "" if other in taken else other
            taken.add(other)
    return tuple(filter(None, map(bare.get, words, words)))


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
    if any(map(ends.__contains__, _TROUBLES)) or ends.strip() in _NOTHING:
        return True
    worth = [words for stem, words in _LONG_TROUBLES if stem in ends]
    return any([any(map(ends.__contains__, words)) for words in worth])  # noqa: C419 generators cost more


def _numbered(text: str, words: list[str]) -> list[int]:
    """Which words of a text have a digit in them."""
    if not any(map(text.__contains__, _DIGITS)):
        return []
    # Of the text only digits are kept, and one blank for each end of a word.
    kept = " ".join(words).encode("latin-1", "replace").translate(None, _NEITHER)
    return [*compress(range(len(words)), kept.split(b" "))]


def _settled(words: list[str], numbered: list[int]) -> list[str]:
    """The words without what changes by itself."""
    near, known, last = words.copy(), dict[str, str](), -1
    words.append("")
    for at in numbered:
        word = words[at]
        if last != at - 1 and words[at - 1].strip(_EDGES).lower() in _COUNTED:
            near[at] = _FADED
        elif len(word) < _HASH and (word.isdecimal() or word.strip(_EDGES).replace(".", "").isdecimal()):
            if words[at + 1].strip(_EDGES) in _UNITS:
                near[at] = _FADED
        else:
            if word not in known:
                known[word] = _faded(word)
            near[at] = known[word]
        last = at
    words.pop()
    return near


def _faded(word: str) -> str:
    """A word without its times and ids."""
    if word[0] not in _DIGITS and _NAMED.match(word):
        return _FADED
    if "s" in word or ":" in word or "-" in word or "/" in word or "min" in word:  # one is in whatever _TIME finds
        word = _TIME.sub(_FADED, word)
    return _ID.sub(_FADED, word) if len(word) > _HASH else word


def _unnumbered(word: str) -> str:
    return "0" if word.isdecimal() else _NUMBER.sub("0", word)
