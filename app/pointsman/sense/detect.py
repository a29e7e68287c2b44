"""What is in a text: mail addresses, card numbers, bank accounts, keys. Literal first, then pattern, then checksum.

Nothing hides behind JSON escapes, zero-width characters, full-width letters or percent signs. Names, places
and street addresses need a model and are not found here.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from pointsman.core.request import Finding
from pointsman.sense import numbers, prefilter

_ESCAPED = {**dict.fromkeys("nrtbf", " "), **{sign: sign for sign in "/\"'@._-"}}
_HEX = frozenset("0123456789abcdefABCDEF")
_UNSEEN = re.compile("[\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]")
_DASHES = re.compile("[\u2010-\u2015\u2212]")
_LOCAL = re.compile(r"[\w.%+-]{1,64}+")
_DOMAIN = re.compile(r"(?:\w[\w-]{0,62}\.){1,8}([^\W\d_]{2,24})(?!\w)")
# Senders that are no person, and endings of files such as logo@2x.png.
_MACHINES = {"git", "hg", "svn", "noreply", "no-reply", "donotreply", "do-not-reply"}
_FILES = {
    "png",
    "jpg",
    "jpeg",
    "gif",
    "svg",
    "webp",
    "ico",
    "js",
    "mjs",
    "cjs",
    "jsx",
    "ts",
    "tsx",
    "css",
    "scss",
    "json",
    "html",
    "yaml",
    "yml",
    "toml",
    "txt",
    "xml",
}
_FILLER = set("xX*.\u2026_-")
_DATA_URL = re.compile(r"data:(?:image|audio|video)/[\w+.-]{1,80};base64,[A-Za-z0-9+/]*+={0,2}\Z")
_LONGEST_NUMBER = 10**20
_ASCII = bytes(range(128))
_FEW = 12  # signs that are quicker replaced one after the other than all together
_SIGNS = 4_096  # signs whose meaning is kept
_CODE = 4  # hex digits of an escaped character


def find(text: str) -> tuple[Finding, ...]:
    """What is in this text, by kind; the same value twice counts once."""
    plain = _plain(text)
    raw = plain.encode("latin-1", "replace")
    keys = [span for pattern in prefilter.patterns(plain, raw) for span in _keys(plain, pattern)]
    rest = _without(plain, keys) if keys else plain
    found: list[tuple[str, set[str]]] = []
    if numbers.has_digits(raw):
        kinds = numbers.kinds(rest.encode("latin-1", "replace") if keys else raw)
        found.append(("bank_account", set(numbers.accounts(rest, kinds))))
        found.append(("card_number", set(numbers.cards(rest, kinds))))
    if "@" in rest:
        found.append(("mail_address", set(_mails(rest))))
    if keys:
        found.append(("secret_key", {plain[start:end] for start, end in keys}))
    return tuple([Finding(kind, len(values)) for kind, values in found if values])


def read_text(value: Any) -> list[str]:
    """Every text inside a decoded JSON value: names, texts, whole numbers; not the base64 of a data: address."""
    texts, pending = [], [value]
    while pending:
        part = pending.pop()
        if isinstance(part, str):
            if not (part.startswith("data:") and _DATA_URL.match(part)):
                texts.append(part)
        elif isinstance(part, dict):
            pending += part
            pending += part.values()
        elif isinstance(part, list):
            pending += part
        elif _whole(part):
            texts.append(str(int(part)))
    return texts


def _whole(value: Any) -> bool:
    """Whether it is a whole number, also where it is written with a point or an exponent."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) < _LONGEST_NUMBER and value == int(value)


def _plain(text: str) -> str:
    """The text as a reader would see it: escapes undone, invisible signs gone, wide letters narrow."""
    if "\\" in text:
        text = _unescaped(text)
    if not text.isascii():
        text = _narrow(text)
    return text.replace("%40", "@") if "%" in text else text


def _narrow(text: str) -> str:
    """The text without invisible signs, with narrow letters and plain dashes: sign by sign where few differ."""
    others = text.encode("utf-8", "surrogatepass").translate(None, _ASCII).decode("utf-8", "surrogatepass")
    meant = [(sign, _meant(sign)) for sign in set(others)]
    changed = [(sign, plain) for sign, plain in meant if plain != sign]
    if len(changed) > _FEW or any(plain is None for _, plain in changed):
        return _DASHES.sub("-", unicodedata.normalize("NFKC", _UNSEEN.sub("", text)))
    for sign, plain in changed:
        text = text.replace(sign, plain or "")
    return text


@functools.lru_cache(_SIGNS)
def _meant(sign: str) -> str | None:
    """What one sign comes to wherever it stands; None for one that may join with its neighbours."""
    if _UNSEEN.match(sign):
        return ""
    plain = _DASHES.sub("-", unicodedata.normalize("NFKC", sign))
    joins = unicodedata.category(sign)[0] == "M" or "\u1100" <= sign <= "\u11ff"
    return plain if not joins and (plain == sign or plain.isascii()) else None


def _unescaped(text: str) -> str:
    """The text with what its escapes stand for, however many backslashes each has; a blank for the end of a line."""
    first, *parts = text.split("\\")
    pieces, slashes = [first], 0
    for part in parts:
        slashes += 1
        if part:
            meant = _ESCAPED.get(part[0])
            if meant is not None:
                pieces.append(meant + part[1:])
            elif part[0] == "u" and len(part) > _CODE and _HEX.issuperset(part[1 : _CODE + 1]):
                pieces.append(chr(int(part[1 : _CODE + 1], 16)) + part[_CODE + 1 :])
            else:
                pieces.append("\\" * slashes + part)
            slashes = 0
    return "".join(pieces) + "\\" * slashes


def _keys(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Where each key of one format stands."""
    for match in pattern.finditer(text):
        in_word = match[0][0].isalnum() and text[max(0, match.start() - 1) : match.start()].isalnum()
        if not in_word and not _FILLER.issuperset(match[0][-12:]):
            yield match.span()


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    """The text with a blank for each span, so that nothing is found twice."""
    pieces, at = [], 0
    for start, end in sorted(spans):
        pieces.append(text[at : max(start, at)])
        at = max(end, at)
    return " ".join([*pieces, text[at:]])


def _mails(text: str) -> Iterator[str]:
    at = text.find("@")
    while at >= 0:
        domain = _DOMAIN.match(text, at + 1)
        if domain and domain[1].lower() not in _FILES:
            local = _before(text, at)
            if local and local not in _MACHINES:
                yield f"{local}@{domain[0].lower()}"
        at = text.find("@", at + 1)


def _before(text: str, at: int) -> str:
    """The part of an address before its @; empty where that is the user of a web address."""
    backwards = _LOCAL.match(text[max(0, at - 65) : at][::-1])
    if backwards is None or text.endswith(f"://{backwards[0][::-1]}", 0, at):
        return ""
    return backwards[0][::-1].strip(".%+-").lower()
