"""Which texts are near-equal is decided the quick way as the plain way decides it, though its digests are others."""

from __future__ import annotations

import os
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.core import shape
from pointsman.core.shape import called, said

SOAK = os.environ.get("POINTSMAN_SOAK") == "1"
MANY = settings(max_examples=20_000 if SOAK else 300, deadline=None, derandomize=not SOAK)
DIGIT = re.compile("[0-9]")
WORDS = [
    *(
        "retry",
        "attempt:",
        "tries",
        "3",
        "12",
        "(4)",
        "0",
        "00",
        "5s",
        "5",
        "ms",
        "seconds",
        "ago,",
        "min",
        "10:00:03",
        "x",
        "~",
    ),
    *(
        "2026-11-21T10:00:03Z",
        "2026-11-21",
        "req_12ab",
        "call_9",
        "job_x1",
        "3f2a9bc1d0",
        "3f2a9bc",
        "id42",
        "id0",
        "a1",
        "v1.2",
    ),
    *(
        "1,204.50",
        "pid=4711",
        "\u0663",
        "\u06635",
        "a\u00a05",
        "\x1c6",
        "7\u2003s",
        ".s.",
        ",,ms;;",
        "0.41s",
        "took12ms",
        "[7]",
        "\u00b55\u00b5s",
    ),
    *(
        "a=5s",
        '"n":5',
        "#8",
        "error",
        "not found",
        "cannot",
        "no files",
        "0 results",
        "timeout",
        "can",
        "time",
        "failed",
    ),
]


def texts(words: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """A few of these words, with one kind of blank between them."""
    return st.builds(str.join, st.sampled_from([" ", "  ", "\n"]), st.lists(words, max_size=6))


FEW = st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=3)), min_size=1, max_size=3)
TEXTS = texts(st.one_of(st.sampled_from(WORDS), st.text(max_size=3)))
PAIRS = FEW.flatmap(lambda few: st.tuples(texts(st.sampled_from(few)), texts(st.sampled_from(few))))


def plain_words(text: str) -> tuple[list[str], list[str]]:
    """All words without what changes by itself, and those without any number; every word is looked at."""
    words = text.split()
    near, far = words.copy(), words.copy()
    for at, word in enumerate(words):
        if DIGIT.search(word):
            near[at] = _settled(words, at)
            far[at] = "0" if near[at].isdecimal() else shape._NUMBER.sub("0", near[at])
    return near, far


def _settled(words: list[str], at: int) -> str:
    word = words[at]
    if at and words[at - 1].strip(shape._EDGES).lower() in shape._COUNTED:
        return "~"
    if len(word) < shape._HASH and (word.isdecimal() or word.strip(shape._EDGES).replace(".", "").isdecimal()):
        timed = at + 1 < len(words) and words[at + 1].strip(shape._EDGES) in shape._UNITS
        return "~" if timed else word
    if shape._NAMED.match(word):
        return "~"
    word = shape._TIME.sub("~", word)
    return shape._ID.sub("~", word) if len(word) > shape._HASH else word


@MANY
@given(PAIRS)
def test_the_same_texts_are_near_equal(pair: tuple[str, str]) -> None:
    """Texts of words that count, tell the time, are ids or numbers, in every order."""
    plain = [plain_words(shape._unquoted(text).replace("=", " ")) for text in pair]
    (near, far), (near_too, far_too) = ([list(dict.fromkeys(words)) for words in both] for both in plain)
    quick, quick_too = (said(text) for text in pair)
    assert (quick.near == quick_too.near) == (near == near_too)
    assert (quick.far == quick_too.far) == (far == far_too)
    assert quick.plain == (not DIGIT.search(pair[0]) and len(pair[0]) < shape._PLAIN)


@MANY
@given(PAIRS)
def test_the_same_calls_are_equal(pair: tuple[str, str]) -> None:
    """Of a call every word counts, in its order."""
    plain = [plain_words(shape._unquoted(text.replace("\\n", " ")))[0] for text in pair]
    quick = [called([("tool", text)]) for text in pair]
    assert (quick[0] == quick[1]) == (plain[0] == plain[1])


@MANY
@given(TEXTS)
def test_trouble_is_seen_as_by_the_plain_way(text: str) -> None:
    """Each sign of trouble by itself."""
    ends = text.lower()
    assert said(text).trouble == (any(word in ends for word in TROUBLES) or ends.strip() in shape._NOTHING)


TROUBLES = (
    *("error", "exception", "traceback", "fail", "fatal", "invalid", "denied", "refused", "forbidden", "unauthori"),
    *("cannot", "can't", "could not", "unable", "no such", "not found", "nothing found", "timed out", "timeout"),
    *("no matches", "no results", "no files", "0 matches", "0 results"),
)
