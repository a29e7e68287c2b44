"""The quick way finds what the plain way finds: the same, in any text."""

from __future__ import annotations

import json
import os
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.sense import detect, prefilter, verdicts
from pointsman.sense.rules import KEY_FORMATS, LOGIN, LONGEST_LOGIN, SHORT_FORMATS
from tests.sense import plain

SOAK = os.environ.get("POINTSMAN_SOAK") == "1"
MANY = settings(
    max_examples=20_000 if SOAK else 80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=not SOAK,
)
FORMATS = (*KEY_FORMATS, *SHORT_FORMATS, LOGIN)
KEYS = st.one_of(*(st.from_regex(kind.pattern, alphabet=st.characters(codec="ascii")) for kind in FORMATS))
PARTS = [
    *(
        "4111",
        "4111 1111 1111 1111",
        "4111111111111111",
        "5500-0000-0000-0004",
        "3782 822463 10005",
        "12",
        "1-2 3",
        " - ",
    ),
    *(
        "DE89 3704 0044 0532 0130 00",
        "GB29NWBK60161331926819",
        "NO9386011117947",
        "de89-3704",
        "sha256",
        "py311",
        "XDE89",
    ),
    *(
        "jane@example.com",
        "me%40b.example",
        "@",
        "://u:p@h",
        "https://",
        ":",
        "a@b.png",
        "\\u0040",
        "\\\\u0040",
        "\\n",
        "\\",
    ),
    *(
        "\\\\",
        '\\"',
        "\\u12",
        "\\u0034",
        "\\ud800",
        "aws_secret_access_key = ",
        "SecretAccessKey: '",
        "secret",
        "eyJ",
        ".eyJ",
    ),
    *(
        "sk-",
        "xoxb-",
        "xapp-1-",
        "Q~",
        "PRIVATE KEY",
        "-----BEGIN ",
        "k_live_",
        "key-",
        "SG.",
        "AKIA",
        "ghp_",
        ":AA",
        "api",
    ),
    *(
        "a" * 20,
        "A1b2C3d4E5" * 4,
        "0" * 16,
        "/" * 24,
        "-" * 30,
        "x" * 40,
        "=",
        "_",
        "+",
        ".",
        " ",
        "\n",
        "é",
        "\u200b",
        "\u2014",
    ),
    *(
        "\uff14",
        "\u0664",
        "\ufb01",
        "e\u0301",
        "\u2026",
        "\u2011",
        "\u00a0",
        "\u0301",
        "\u1100\u1161",
        "\u212a",
        "\u017f",
        "\ufdfa",
    ),
]
TEXTS = st.lists(st.one_of(st.sampled_from(PARTS), KEYS, st.text(max_size=6)), max_size=12).map("".join)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(':\\u003ab"', max_size=5))


@MANY
@given(TEXTS)
def test_the_same_is_found_in_any_text(text: str) -> None:
    """Samples of keys, digits, escapes and signs of all kinds, one behind the other."""
    assert detect.find(text) == plain.find(text)


@MANY
@given(TEXTS)
def test_a_text_reads_the_same(text: str) -> None:
    """Escapes, invisible signs, wide letters, dashes."""
    assert detect._plain(text) == plain.plain(text)


@pytest.mark.parametrize("kind", FORMATS, ids=[kind.name for kind in FORMATS])
def test_no_key_is_passed_over(kind: Any) -> None:
    """Whatever its pattern takes leads to its pattern, also in the middle of a text."""

    @settings(parent=MANY, max_examples=1_000 if SOAK else 10)
    @given(st.from_regex(kind.pattern, fullmatch=True), st.sampled_from(["", " ", "\n", "=", '"', "_", "\u00e9 "]))
    def reaches(key: str, around: str) -> None:
        text = f"{around}{key}{around}"
        assert kind.pattern in prefilter.patterns(text, text.encode("latin-1", "replace"))

    reaches()


def test_the_longest_login_is_seen() -> None:
    """The furthest that an @ can stand behind the beginning of its address."""
    text = f"://{'u' * 100}:{'p' * 200}@h"
    assert text.index("@") == LONGEST_LOGIN
    assert LOGIN.pattern in prefilter.patterns(text, text.encode())


@MANY
@given(
    st.recursive(
        LEAVES,
        lambda inner: (
            st.lists(inner, max_size=3) | st.lists(st.tuples(st.text("ab:", max_size=2), inner), max_size=3).map(tuple)
        ),
        max_leaves=8,
    ),
    st.booleans(),
)
def test_a_key_that_stands_twice_is_never_passed_over(value: Any, escaped: bool) -> None:
    """Objects with keys that come again, colons in their texts, and colons written as escapes."""
    raw = _written(value, "\\u003a" if escaped else ":").encode()
    if plain.doubled(raw):
        assert verdicts._may_be_doubled(raw, msgspec.json.decode(raw))


def _written(value: Any, colon: str) -> str:
    """JSON of a value in which a tuple of pairs stands for an object, with every colon of a text written so."""
    if isinstance(value, tuple):
        return "{" + ",".join(f"{_written(key, colon)}:{_written(inner, colon)}" for key, inner in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_written(inner, colon) for inner in value) + "]"
    return json.dumps(value).replace(":", colon)


def test_an_ordinary_message_is_read_once() -> None:
    """Colons in a text are no second key."""
    raw = b'{"role": "user", "content": "a: b: c"}'
    assert not verdicts._may_be_doubled(raw, msgspec.json.decode(raw))
