"""Card numbers and bank accounts: what looks like one counts only where its check digits are right."""

from __future__ import annotations

import re
from collections.abc import Iterator


def _kind(sign: str) -> str:
    if sign.isascii() and sign.isalnum():
        return "0" if sign.isdigit() else "a"
    return "-" if sign in " -" else " "


# Digits in groups with one space or dash between them. The pattern begins with a digit, not with a look at what
# is before it: so the search skips quickly through text without digits.
_DIGITS = re.compile(r"[0-9]++(?:[ -][0-9]++)*+")
_WITHIN = re.compile(r"(?:.?[A-Za-z]|\d\.)\Z", re.ASCII | re.DOTALL)
_GOES_ON = re.compile(r"[A-Za-z]|\.\d", re.ASCII)
_DIGIT_SIGNS = tuple(b"0123456789")
_DOUBLED = {str(digit): sum(divmod(2 * digit, 10)) for digit in range(10)}
# How cards print their numbers: Visa and most, American Express, Diners, 19 digits, old 13 digits.
_PRINTED = {(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 3, 3, 3), (6, 13), (8, 8)}
_LAYOUTS = {first: {len(layout) for layout in _PRINTED if layout[0] == first} for first in (4, 6, 8)}
_SHORTEST, _LONGEST = 12, 19
_ROW = b"0" * _SHORTEST
_ROW_END = re.compile(b"[^0]")
_COUNTRY = b"aa00"
_KINDS = bytes(ord(_kind(chr(sign))) for sign in range(256))
_DINERS, _DISCOVER, _MAESTRO = (14, 16, 19), (16, 17, 18, 19), tuple(range(12, 20))
# First digits (from, to) and the lengths which that issuer uses.
_ISSUERS: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("4", "4", (13, 16, 19)),  # Visa
    ("51", "55", (16,)),  # Mastercard
    ("2221", "2720", (16,)),
    ("34", "34", (15,)),  # American Express
    ("37", "37", (15,)),
    ("300", "305", _DINERS),
    ("3095", "3095", _DINERS),
    ("36", "36", _DINERS),
    ("38", "39", _DINERS),
    ("35", "35", _DISCOVER),  # JCB
    ("1800", "1800", (15,)),
    ("2131", "2131", (15,)),
    ("6011", "6011", _DISCOVER),
    ("62", "62", _DISCOVER),  # UnionPay
    ("644", "659", _DISCOVER),
    ("2200", "2204", _DISCOVER),  # Mir
    ("5018", "5018", _MAESTRO),
    ("5020", "5020", _MAESTRO),
    ("5038", "5038", _MAESTRO),
    ("5893", "5893", _MAESTRO),
    ("6304", "6304", _MAESTRO),
    ("6759", "6763", _MAESTRO),
)
_BY_FIRST = {first: [one for one in _ISSUERS if one[0][0] <= first <= one[1][0]] for first in "123456"}
_IBAN = re.compile(r"\d\d(?<=[A-Za-z]{2}\d\d)(?<![A-Za-z0-9][A-Za-z]{2}\d\d)(?:[ -]?[A-Za-z0-9]){11,30}", re.ASCII)
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FO GL NL SD FK",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM TL SO",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}


def has_digits(raw: bytes) -> bool:
    """Whether a text has any; without one it has no number to look for."""
    return any(map(raw.__contains__, _DIGIT_SIGNS))


def kinds(raw: bytes) -> bytes:
    """What kind each sign of a Latin-1 text is: a letter, a digit, what may stand between digits, or another."""
    return raw.translate(_KINDS)


def cards(text: str, kinds: bytes) -> Iterator[str]:
    """The digits of each card number. `kinds` are those of the text's signs."""
    for start in _rows(kinds):
        run = _DIGITS.match(text, start)
        if run is not None:
            groups = run[0].replace("-", " ").split(" ")
            if _WITHIN.match(text[max(0, start - 2) : start]):
                groups = groups[1:]
            if _GOES_ON.match(text, run.end()):
                groups = groups[:-1]
            yield from _cards_in(groups) if len(groups) > 1 else filter(_is_card, groups)


def _rows(kinds: bytes) -> Iterator[int]:
    """Where digits in groups begin that are long enough for a card, with what is between the groups."""
    if kinds.find(_ROW) < 0 and (kinds.count(b"0") < _SHORTEST or kinds.translate(None, b"-").find(_ROW) < 0):
        return
    joined = kinds if kinds.find(b"0-0") < 0 else kinds.replace(b"0-0", b"000").replace(b"0-0", b"000")
    at = joined.find(_ROW)
    while at >= 0:
        yield at
        end = _ROW_END.search(joined, at)
        at = joined.find(_ROW, end.start()) if end else -1


def accounts(text: str, kinds: bytes) -> Iterator[str]:
    """Each IBAN, without spaces, in capitals. `kinds` are those of the text's signs."""
    at = kinds.find(_COUNTRY)
    while at >= 0:
        after = at + len(_COUNTRY)
        if text[at : at + 2].upper() in _IBAN_LENGTHS and (found := _IBAN.match(text, at + 2)):
            account = _account(text[at : found.end()])
            if account and _right_iban(account):
                after = found.end() - 2
                yield account
        at = kinds.find(_COUNTRY, after)


def _account(written: str) -> str:
    """What may be an IBAN, by its country and its length; empty where it can be none."""
    length = _IBAN_LENGTHS[written[:2].upper()]
    if _ends_there(written, length):
        return re.sub("[ -]", "", written).upper()[:length]
    return ""


def _cards_in(groups: list[str]) -> Iterator[str]:
    """The whole run, or each stretch of groups within it that is laid out as on a card."""
    lengths = [len(group) for group in groups]
    if _SHORTEST <= sum(lengths) <= _LONGEST and min(lengths) > 1 and _is_card("".join(groups)):
        yield "".join(groups)
        return
    for start, first in enumerate(lengths):
        for count in (1, *_LAYOUTS.get(first, ())):
            digits = "".join(groups[start : start + count])
            laid_out = count == 1 or tuple(lengths[start : start + count]) in _PRINTED
            if laid_out and _SHORTEST <= len(digits) <= _LONGEST and _is_card(digits):
                yield digits


def _is_card(digits: str) -> bool:
    for low, high, lengths in _BY_FIRST.get(digits[:1], ()):
        if low <= digits[: len(low)] <= high and len(digits) in lengths:
            return _luhn(digits)
    return False


def _luhn(digits: str) -> bool:
    total = sum(map(int, digits[-1::-2])) + sum(map(_DOUBLED.__getitem__, digits[-2::-2]))
    return total % 10 == 0


def _ends_there(text: str, length: int) -> bool:
    """The account ends where a word or a group ends, not in the middle of a longer one."""
    seen = 0
    for position, char in enumerate(text):
        seen += char not in " -"
        if seen == length:
            return position + 1 == len(text) or text[position + 1] in " -"
    return False


def _right_iban(account: str) -> bool:
    return int("".join(str(int(char, 36)) for char in account[4:] + account[:4])) % 97 == 1
