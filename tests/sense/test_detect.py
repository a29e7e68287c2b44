"""What sense finds in a text, what it leaves alone, and that no text takes it long."""

from __future__ import annotations

import re
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.sense import detect, numbers
from pointsman.sense.rules import KEY_FORMATS, LOGIN, SHORT_FORMATS

LETTERS = "aB3dE6gH9jK2mN5pQ8rS1tU4vW7xY0zAbCdEfGhIjKlMnOpQrStUvWxYz0123456789aB3dE6gH9jK2"


def found(text: str) -> dict[str, int]:
    """The finds of a text as kind -> count."""
    return {finding.kind: finding.count for finding in detect.find(text)}


@pytest.mark.parametrize(
    "text",
    [
        "Write to jane.doe@example.org today.",
        "<o.smith+list@mail.example.co.uk>",
        "mailto:jörg@müller.example",
        "Send it to JANE@EXAMPLE.COM.",
        "'a@b.example'",
        "https://x.example/?to=jane%40example.com",
        "jane\\u0040example.com",
        'a tool said {\\"to\\": \\"jane\\\\u0040example.com\\"}',
        "jane\u200b@exam\u00adple.com",
        "jane@example.com".translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)}),
        "jane\\@example.com",
    ],
)
def test_mail_addresses_are_found(text: str) -> None:
    """Plain, in other letters, and behind escapes, zero-width and full-width characters."""
    assert found(text) == {"mail_address": 1}


@pytest.mark.parametrize(
    "text",
    [
        "git clone git@github.com:acme/tool.git",
        "Co-Authored-By: Bot <noreply@example.com>",
        "logo@2x.png and @app.route",
        "a @ b and x@y and me@localhost",
        "@scope/name@1.2.3",
        "ssh://deploy@build.example.com/srv",
    ],
)
def test_what_is_no_persons_address_is_left_alone(text: str) -> None:
    """Machines' senders, decorators, packages, files and users in web addresses are no find."""
    assert found(text) == {}


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111111",
        "Card: 4111 1111 1111 1111, thanks",
        "5500-0000-0000-0004",
        "American 3782 822463 10005.",
        "3056 930902 5904",
        "6011000990139424",
        '{"card":4111111111111111}',
        "order 12 4111 1111 1111 1111 of 2026",
        "x 4111 1111 1111 1111 1234567890123456789012",
        "id 1,4111111111111111,2029",
        "4111\u00a01111\u00a01111\u00a01111",
        "4111\u20111111\u20111111\u20111111",
        "\uff14111 1111 1111 1111",
        "nn\\n4111111111111111",
    ],
)
def test_card_numbers_are_found(text: str) -> None:
    """With spaces, dashes and none, amid other numbers, as JSON numbers, in wide digits."""
    assert found(text) == {"card_number": 1}


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",
        "9111111111111111",
        "0.4111111111111111",
        "4111111111111111.25",
        "a4111111111111111",
        "41111111111111114",
        "1700000000000000000",
        "550e8400-e29b-41d4-a716-446655440000",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "2026-11-20 21:58:48.123456",
    ],
)
def test_other_long_numbers_are_no_cards(text: str) -> None:
    """A wrong check digit, no issuer, a fraction, part of a word, times and matrices are no find."""
    assert found(text) == {}


def test_no_issuer_of_cards_is_passed_over() -> None:
    """They are looked for by the first digit of a number alone."""
    assert {issuer for those in numbers._BY_FIRST.values() for issuer in those} == set(numbers._ISSUERS)
    assert all(low[0] == high[0] for low, high, _ in numbers._ISSUERS)


@pytest.mark.parametrize(
    "text",
    [
        "DE89 3704 0044 0532 0130 00",
        "pay GB82WEST12345698765432 now",
        "nl91-abna-0417-1643-00",
        "IBAN:FR1420041010050500013M02606",
    ],
)
def test_bank_accounts_are_found(text: str) -> None:
    """IBANs with spaces, dashes and none, in any case."""
    assert found(text) == {"bank_account": 1}


@pytest.mark.parametrize(
    "text",
    ["DE88370400440532013000", "DE893704004405320130001", "XX89370400440532013000", "be71096123456769ab12cd34"],
)
def test_what_fails_length_or_checksum_is_no_account(text: str) -> None:
    """A wrong check digit, a longer word, no such country, and the start of a hash are no find."""
    assert found(text) == {}


KEYS = [
    "sk-ant-api03-" + LETTERS,
    "sk-proj-" + LETTERS[:64],
    "sk-" + LETTERS[:48],
    "sk-or-v1-" + "0123456789abcdef" * 4,
    "AKIA" + "ABCDEFGH23456789",
    'aws_secret_access_key = "' + LETTERS[:40] + '"',
    "ghp_" + LETTERS[:36],
    "github_pat_" + LETTERS[:60],
    "glpat-" + LETTERS[:20],
    "AIza" + LETTERS[:35],
    "GOCSPX-" + LETTERS[:28],
    "ya29." + LETTERS[:40],
    "xoxb-1234567890-" + LETTERS[:24],
    "xapp-1-" + LETTERS[:30],
    "https://hooks.slack.com/services/T0123456/B0123456/" + LETTERS[:24],
    "sk_live_" + LETTERS[:24],
    "rk_test_" + LETTERS[:24],
    "whsec_" + LETTERS[:32],
    "shpat_" + "0123456789abcdef" * 2,
    "npm_" + LETTERS[:36],
    "pypi-" + LETTERS[:60],
    "hf_" + LETTERS[:34],
    "gsk_" + LETTERS[:52],
    "xai-" + LETTERS,
    "pplx-" + LETTERS[:48],
    "r8_" + LETTERS[:37],
    "dapi" + "0123456789abcdef" * 2,
    "SG." + LETTERS[:22] + "." + LETTERS[:43],
    "key-" + "0123456789abcdef" * 2,
    "123456789:AA" + LETTERS[:33],
    "dop_v1_" + "0123456789abcdef" * 4,
    "dckr_pat_" + LETTERS[:27],
    "hvs." + LETTERS[:30],
    "AccountKey=" + (LETTERS * 2)[:86] + "==",
    "a1b8Q~" + LETTERS[:34],
    "lin_api_" + LETTERS[:40],
    "ntn_" + LETTERS[:46],
    "figd_" + LETTERS[:40],
    "glsa_" + LETTERS[:32],
    "PMAK-" + "0123456789abcdef01234567" + "-" + "0123456789abcdef0123456789abcdef01",
    "sbp_" + "0123456789abcdef" * 2,
    "tskey-auth-" + LETTERS[:30],
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + LETTERS[:43],
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----",
    "postgres://app:tr0ub4dor@db.example.com/x",
    "redis://:tr0ub4dor@cache:6379",
]


@pytest.mark.parametrize("key", KEYS, ids=[key[:14] for key in KEYS])
def test_keys_are_found(key: str) -> None:
    """Each in a sentence, as the value of a variable, and after an escaped line feed."""
    for text in (f"use {key} here", f'KEY="{key}"', f"one\\n{key}\\n"):
        assert found(text) == {"secret_key": 1}


@pytest.mark.parametrize(
    "text",
    [
        "sk-" + "x" * 48,
        "task-" + LETTERS[:48],
        "class sk-cube-grid-animation-of-some-kind",
        "postgres://user:${PASSWORD}@db",
        "https://<user>:<password>@host",
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----",
        "https://api.example.com:8443/v1@beta",
        "AKIA is how such ids begin",
    ],
)
def test_placeholders_and_public_things_are_no_keys(text: str) -> None:
    """Rows of x, parts of words, templates, public keys and ports are no find."""
    assert found(text) == {}


def test_the_same_value_twice_counts_once() -> None:
    """Two mentions of one address and one of another are two finds."""
    assert found("a@b.example, A@B.example; c@d.example") == {"mail_address": 2}


def test_kinds_are_told_apart() -> None:
    """One of each kind in one text."""
    text = f"a@b.example 4111111111111111 DE89370400440532013000 ghp_{LETTERS[:36]}"
    assert found(text) == {"bank_account": 1, "card_number": 1, "mail_address": 1, "secret_key": 1}


@given(st.text())
def test_any_text_can_be_looked_through(text: str) -> None:
    """No text makes it fail."""
    detect.find(text)


@given(st.text(alphabet=" abc.,!\n", max_size=80), st.text(alphabet=" abc.,!\n", max_size=80))
def test_a_key_is_found_whatever_stands_around_it(before: str, after: str) -> None:
    """Text before and after does not hide a key."""
    assert "secret_key" in found(f"{before} ghp_{LETTERS[:36]} {after}")


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ({"role": "user", "content": "hello"}, {"role", "user", "content", "hello"}),
        ([{"text": "a"}, ["b", None, True, 12]], {"text", "a", "b", "12"}),
        ({"url": "data:image/png;base64,QUJD"}, {"url"}),
        ({"url": "data:image/png;base64,QUJD me@b.example"}, {"url", "data:image/png;base64,QUJD me@b.example"}),
    ],
)
def test_every_text_of_a_message_is_read(value: Any, texts: set[str]) -> None:
    """Names, texts and numbers at any depth; pure base64 is passed over, and nothing else that looks like it."""
    assert set(detect.read_text(value)) == texts


def test_depth_is_no_hiding_place() -> None:
    """A text under 10,000 lists is read, without recursion."""
    value: Any = "me@b.example"
    for _ in range(10_000):
        value = [value]
    assert list(detect.read_text(value)) == ["me@b.example"]


def _unbounded(parsed: Any) -> list[str]:
    """The repeats in a parsed pattern that have no bound and can be walked back."""
    wrong = []
    for op, argument in parsed:
        if str(op) in {"MAX_REPEAT", "MIN_REPEAT"} and argument[1] > 10_000:
            wrong.append(str(argument))
        for part in argument if isinstance(argument, (list, tuple)) else (argument,):
            for inner in part if isinstance(part, list) else (part,):
                if isinstance(inner, re._parser.SubPattern):  # type: ignore[attr-defined]
                    wrong += _unbounded(inner)
    return wrong


PATTERNS = [kind.pattern for kind in (*KEY_FORMATS, *SHORT_FORMATS, LOGIN)] + [
    value for module in (detect, numbers) for value in vars(module).values() if isinstance(value, re.Pattern)
]


@pytest.mark.parametrize("pattern", PATTERNS, ids=[pattern.pattern[:30] for pattern in PATTERNS])
def test_every_repeat_is_bounded_or_possessive(pattern: re.Pattern[str]) -> None:
    """No pattern can be walked back without end."""
    assert _unbounded(re._parser.parse(pattern.pattern, pattern.flags)) == []  # type: ignore[attr-defined]


HOSTILE = [
    "a@",
    "1",
    "1 ",
    "4111 ",
    "a.",
    "a@a.",
    "\\",
    "eyJ-",
    "sk-ant-",
    "://a:",
    "DE89 ",
    "DE89-1",
    "@a.b.",
    "\u200b",
    "x" * 64 + "@",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    """Eight times the text takes about eight times as long; squared, it would be sixty-four times."""
    small, large = (_seconds((unit * size)[:size]) for size in (25_000, 200_000))
    assert large < 24 * max(small, 0.001)


def _seconds(text: str) -> float:
    """The least CPU time of three runs."""
    times = []
    for _ in range(3):
        began = time.thread_time()
        detect.find(text)
        times.append(time.thread_time() - began)
    return min(times)


def test_a_message_of_json_numbers_is_read_as_text() -> None:
    """A card number sent as a number in a tool's answer is found."""
    message = msgspec.json.decode(b'{"role":"tool","content":[{"type":"text","text":"ok"}],"card":4111111111111111}')
    assert found("\n".join(detect.read_text(message))) == {"card_number": 1}


@pytest.mark.parametrize("number", [b"4111111111111111.0", b"4.111111111111111e15"])
def test_a_whole_number_may_be_written_otherwise(number: bytes) -> None:
    """With a point or an exponent it is the same card; a fraction is none."""
    assert found("\n".join(detect.read_text(msgspec.json.decode(number)))) == {"card_number": 1}
    assert list(detect.read_text([0.5, 1e300])) == []
