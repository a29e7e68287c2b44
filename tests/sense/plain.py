"""The plain way to find what sense finds, slow and short: every pattern is tried everywhere. The tests compare with it."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator

from pointsman.core.request import Finding
from pointsman.sense import detect, numbers
from pointsman.sense.rules import KEY_FORMATS, LOGIN, SHORT_FORMATS

_ESCAPE = re.compile(r"(?<!\\)\\++(?:u([0-9A-Fa-f]{4})|([nrtbf])|([/\"'@._-]))")
_DIGITS = re.compile(r"\d++(?:[ -]\d++)*+", re.ASCII)


def find(text: str) -> tuple[Finding, ...]:
    """What is in this text, by kind."""
    text = plain(text)
    spans = list(keys(text))
    rest = detect._without(text, spans)
    found = {
        "bank_account": set(accounts(rest)),
        "card_number": set(cards(rest)),
        "mail_address": set(detect._mails(rest)),
        "secret_key": {text[start:end] for start, end in spans},
    }
    return tuple(Finding(kind, len(values)) for kind, values in found.items() if values)


def plain(text: str) -> str:
    """The text as a reader would see it, all of it worked on at once."""
    text = _ESCAPE.sub(_unescaped, text)
    text = unicodedata.normalize("NFKC", detect._UNSEEN.sub("", text))
    return detect._DASHES.sub("-", text).replace("%40", "@")


def _unescaped(match: re.Match[str]) -> str:
    code, blank, sign = match.groups()
    return chr(int(code, 16)) if code else " " if blank else str(sign)


def keys(text: str) -> Iterator[tuple[int, int]]:
    """Where each key stands; every pattern is tried."""
    for kind in (*KEY_FORMATS, *SHORT_FORMATS, LOGIN):
        for match in kind.pattern.finditer(text):
            in_word = match[0][0].isalnum() and text[max(0, match.start() - 1) : match.start()].isalnum()
            if not in_word and not detect._FILLER.issuperset(match[0][-12:]):
                yield match.span()


def cards(text: str) -> Iterator[str]:
    """The digits of each card number; every run of digits is looked at."""
    for run in _DIGITS.finditer(text):
        start, end = run.span()
        if end - start >= numbers._SHORTEST:
            groups = re.split("[ -]", run[0])
            if numbers._WITHIN.match(text[max(0, start - 2) : start]):
                groups = groups[1:]
            if numbers._GOES_ON.match(text, end):
                groups = groups[:-1]
            yield from numbers._cards_in(groups)


def accounts(text: str) -> Iterator[str]:
    """Each IBAN; the pattern is tried everywhere."""
    at = 0
    while found := numbers._IBAN.search(text, at):
        at = found.start() + 2
        written = text[found.start() - 2 : found.end()]
        length = numbers._IBAN_LENGTHS.get(written[:2].upper())
        if length and numbers._ends_there(written, length):
            account = re.sub("[ -]", "", written).upper()[:length]
            if numbers._right_iban(account):
                at = found.end()
                yield account


def doubled(raw: bytes) -> bool:
    """Whether a key stands twice in one object."""
    twice: list[bool] = []

    def pairs(found: list[tuple[str, object]]) -> dict[str, object]:
        twice.append(len(dict(found)) != len(found))
        return dict(found)

    json.loads(raw, object_pairs_hook=pairs)
    return any(twice)
