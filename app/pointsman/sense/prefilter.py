"""Which key formats a text may hold: a few plain searches, so that most texts never meet a pattern.

Nothing is decided here: a format that is left out has no match in the text that would count.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

from pointsman.sense.rules import KEY_FORMATS, LOGIN, LONGEST_LOGIN, SHORT_FORMATS

_WORD = (string.ascii_letters + string.digits).encode()
# Every key of KEY_FORMATS has so many signs of this kind in a row, and begins at most so far before them.
_RUN = b"a" * 20
_BEFORE = 64
_RUNS = bytes(97 if sign in _WORD + b"_-/+=" else 32 for sign in range(256))
_WORDS = bytes(sign if sign in _WORD else 32 for sign in range(256))

_WORD_FIRST = re.compile(rb"([a-z0-9]+)[^a-z0-9]")

_Literal = tuple[bytes, re.Pattern[str]]
_LITERALS: list[_Literal] = [(text.encode(), kind.pattern) for kind in KEY_FORMATS for text in kind.literals]
_ANYWHERE = [(literal, pattern) for literal, pattern in _LITERALS if _WORD_FIRST.match(literal) is None]
_BY_WORD: dict[bytes, list[_Literal]] = {}
for _literal, _pattern in _LITERALS:
    if _begins := _WORD_FIRST.match(_literal):
        _BY_WORD.setdefault(_begins[1], []).append((_literal, _pattern))
_RARE = "~JKx"
# A search for one rare sign is many times as quick as a search for a word.
_SHORT = [
    (next(sign for sign in _RARE if sign in text), text, kind.pattern)
    for kind in SHORT_FORMATS
    for text in kind.literals
]


def patterns(text: str, raw: bytes) -> set[re.Pattern[str]]:
    """The patterns worth a try; `raw` is the text in Latin-1, a question mark for any other sign."""
    found = set()
    for rare, literal, pattern in _SHORT:
        if rare in text and literal in text:
            found.add(pattern)
    if "@" in text and _may_hold_login(text):
        found.add(LOGIN.pattern)
    runs = raw.translate(_RUNS)
    if runs.find(_RUN) >= 0:
        found.update(_in_runs(b" ".join(_long(raw, runs)).lower()))
    return found


def _long(raw: bytes, runs: bytes) -> Iterator[bytes]:
    """Each long run, with what is before it."""
    at = runs.find(_RUN)
    while at >= 0:
        end = runs.find(b" ", at)
        end = len(raw) if end < 0 else end
        yield raw[max(0, at - _BEFORE) : end]
        at = runs.find(_RUN, end)


def _in_runs(runs: bytes) -> Iterator[re.Pattern[str]]:
    """A key counts where no letter or digit is before it, so its first word is a word of the text."""
    for word in _BY_WORD.keys() & set(runs.translate(_WORDS).split()):
        yield from (pattern for literal, pattern in _BY_WORD[word] if literal in runs)
    yield from (pattern for literal, pattern in _ANYWHERE if literal in runs)


def _may_hold_login(text: str) -> bool:
    """Whether an address begins shortly before an @, with no other @ between."""
    start, at = 0, text.find("@")
    while at >= 0:
        if text.find("://", max(start, at - LONGEST_LOGIN), at) >= 0:
            return True
        start, at = at, text.find("@", at + 1)
    return False
