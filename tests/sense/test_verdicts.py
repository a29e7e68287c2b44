"""Verdicts on raw messages, and what is remembered of them."""

from __future__ import annotations

import threading

import msgspec
import pytest

from pointsman.core.request import Finding, digest
from pointsman.sense.verdicts import Verdicts

MAIL = (Finding("mail_address", 1),)
CARD = (Finding("card_number", 1),)


@pytest.mark.parametrize(
    ("raw", "findings"),
    [
        (b'{"role":"user","content":"hello"}', ()),
        (b'{"role":"user","content":"I am jane@example.com"}', MAIL),
        (b'{"role":"user","content":"I am jane\\u0040example.com"}', MAIL),
        (b'{"role":"user","content":[{"type":"text","text":"jane@example.com"}]}', MAIL),
        (b'{"role":"assistant","tool_calls":[{"function":{"arguments":"{\\"to\\":\\"jane@example.com\\"}"}}]}', MAIL),
        (b'{"role":"assistant","tool_calls":[{"function":{"arguments":"{\\"n\\":4111111111111111}"}}]}', CARD),
        (b'{"role":"tool","content":"{\\"to\\":\\"jane\\\\u0040example.com\\"}"}', MAIL),
        (b'{"role":"user","jane@example.com":1}', MAIL),
        (b'{"role":"user","content":[{"image_url":{"url":"data:image/png;base64,QUJDREVG"}}]}', ()),
        (b'{"role":"user","content":"jane@example.com', MAIL),
        (b"\xff jane@example.com", MAIL),
        (b"[" * 5000 + b'"jane@example.com"' + b"]" * 5000, MAIL),
    ],
)
def test_every_part_of_a_message_counts(raw: bytes, findings: tuple[Finding, ...]) -> None:
    """Text, parts, arguments and results of tools, names, escapes, broken and deep JSON."""
    assert Verdicts().of(raw).findings == findings


def test_raw_json_is_taken_as_it_is() -> None:
    """What msgspec left undecoded needs no copy."""
    assert Verdicts().of(msgspec.Raw(b'{"content":"jane@example.com"}')).findings == MAIL


def test_the_same_bytes_are_scanned_once() -> None:
    """The second answer is the very same verdict."""
    verdicts = Verdicts()
    assert verdicts.of(b'"jane@example.com"') is verdicts.of(b'"jane@example.com"')


@pytest.mark.parametrize("times", [1, 2])
def test_a_verdict_names_its_bytes(times: int) -> None:
    """Looked through or remembered, it has the digest of just these bytes."""
    verdicts = Verdicts()
    assert [verdicts.of(b'"hello"').digest for _ in range(times)] == [digest(b'"hello"')] * times


def test_the_memory_is_bounded() -> None:
    """The message that was asked for longest ago is forgotten first."""
    verdicts = Verdicts(kept=2)
    first = verdicts.of(b'"a@b.example"')
    second = verdicts.of(b'"c@d.example"')
    assert verdicts.of(b'"a@b.example"') is first
    verdicts.of(b'"e@f.example"')
    assert verdicts.of(b'"a@b.example"') is first
    assert verdicts.of(b'"c@d.example"') is not second


def test_threads_may_ask_together() -> None:
    """Four threads with few places to keep verdicts get right answers."""
    verdicts = Verdicts(kept=3)
    wrong: list[int] = []

    def ask() -> None:
        wrong.extend(n for n in range(200) if verdicts.of(b'"m%d@example.com"' % (n % 7)).findings != MAIL)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_doubled_key_hides_nothing() -> None:
    """Of two values under one key both travel, so both are looked at."""
    raw = b'{"role": "user", "content": "4111 1111 1111 1111", "content": "hi"}'
    assert [found.kind for found in Verdicts().of(raw).findings] == ["card_number"]


def test_a_data_address_hides_no_text() -> None:
    """Only what can be a picture's bytes is passed over."""
    raw = b'{"role": "user", "content": "data:a;base64,4111 1111 1111 1111 "}'
    assert [found.kind for found in Verdicts().of(raw).findings] == ["card_number"]
