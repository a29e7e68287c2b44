"""Reading models.toml with care: each value is checked, and each mistake is told with file, line and remedy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, NoReturn
from urllib.parse import SplitResult, urlsplit

from pointsman.core.errors import SetupError
from pointsman.core.pricing import Rates
from pointsman.core.toml_lines import Path

_DURATION = re.compile(r"(\d{1,6})(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DATE = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])")
_DEAREST = Decimal(1_000_000)
_NO_DATABASE = "'database' must be an address such as \"postgresql://host/name\""


class Spot(NamedTuple):
    """A place in a file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}"


class CatalogError(SetupError):
    """models.toml cannot be used; the sentence names file, line and what to write instead."""

    code = "catalog"

    def __init__(self, spot: Spot, problem: str) -> None:
        super().__init__(f"{spot}: {problem}")
        self.spot = spot


class Value(NamedTuple):
    """One value of the merged files: what it is, what it is called, and where each part of it stands."""

    raw: Any
    path: Path
    spots: Mapping[Path, Spot]

    @property
    def name(self) -> str:
        """The last name of its path."""
        return str(self.path[-1])

    @property
    def spot(self) -> Spot:
        """Where it stands."""
        path = self.path
        while path and path not in self.spots:
            path = path[:-1]
        return self.spots[path]

    def part(self, key: str | int) -> Value:
        """One entry of this table or list."""
        return Value(self.raw[key], (*self.path, key), self.spots)

    def parts(self) -> Iterable[tuple[str, Value]]:
        """The entries of this table; an error where it is none."""
        if not isinstance(self.raw, dict):
            self.refuse(f"'{self.name}' must be a table")
        return [(key, self.part(key)) for key in self.raw]

    def refuse(self, problem: str) -> NoReturn:
        """Raise the error for this place."""
        raise CatalogError(self.spot, f"{problem}.")


Check = Callable[[Value], Any]


def struct(value: Value, what: str, checks: Mapping[str, Check]) -> dict[str, Any]:
    """The settings of one table, checked; `what` ("a target") names it in errors."""
    found = {}
    for key, part in value.parts():
        if key not in checks:
            part.refuse(f"'{key}' is not a setting of {what}. {write(key, checks)}")
        found[key] = checks[key](part)
    return found


def whole_struct(value: Value, what: str, checks: Mapping[str, Check]) -> dict[str, Any]:
    """The settings of a table in which none can be left out."""
    given = struct(value, what, checks)
    for needed in checks:
        if needed not in given:
            value.refuse(f"{what} needs '{needed}'")
    return given


def write(wrong: str, known: Iterable[str]) -> str:
    """What to write instead: the closest spelling, or all there are."""
    names = sorted(known)
    close = difflib.get_close_matches(wrong, names, n=1) or [name for name in names if wrong and wrong in name]
    return f"Write '{close[0]}'" if close else f"Known are {', '.join(names)}" if names else "None is known"


def text(value: Value) -> str:
    """Some text."""
    if not isinstance(value.raw, str) or not value.raw.strip():
        value.refuse(f"'{value.name}' must be text in quotes, and not empty")
    return value.raw


def texts(value: Value) -> tuple[str, ...]:
    """One text, or a list of at least one."""
    if isinstance(value.raw, str):
        return (text(value),)
    if not isinstance(value.raw, list) or not value.raw:
        value.refuse(f"'{value.name}' must be a list of texts in quotes, and not empty")
    return tuple(text(value.part(position)._replace(path=value.path)) for position in range(len(value.raw)))


def flag(value: Value) -> bool:
    """Yes or no."""
    if not isinstance(value.raw, bool):
        value.refuse(f"'{value.name}' must be true or false")
    return value.raw


def whole(value: Value) -> int:
    """A whole number, zero or more."""
    return _number(value, 0)


def counted(value: Value) -> int:
    """A whole number of at least one."""
    return _number(value, 1)


def _number(value: Value, least: int) -> int:
    if isinstance(value.raw, bool) or not isinstance(value.raw, int) or value.raw < least:
        value.refuse(f"'{value.name}' must be a whole number of at least {least}")
    return value.raw


def percent(value: Value) -> int:
    """A whole number from 1 to 100."""
    if counted(value) > 100:
        value.refuse(f"'{value.name}' must be a whole number from 1 to 100")
    return int(value.raw)


def ratio(value: Value) -> float:
    """A number from 0 to 1."""
    if isinstance(value.raw, bool) or not isinstance(value.raw, int | Decimal) or not 0 <= value.raw <= 1:
        value.refuse(f"'{value.name}' must be a number from 0 to 1")
    return float(value.raw)


def seconds(value: Value) -> float:
    """A length of time such as "30s", "10m", "2h", "1d"."""
    match = _DURATION.fullmatch(value.raw) if isinstance(value.raw, str) else None
    if match is None or not int(match[1]):
        value.refuse(f'\'{value.name}\' must be a time such as "30s", "10m" or "2h"')
    return float(int(match[1]) * _SECONDS[match[2]])


def pattern(value: Value) -> str:
    """A regular expression."""
    try:
        re.compile(text(value))
    except re.error as error:
        value.refuse(f"'{value.name}' is not a regular expression ({error.msg})")
    return str(value.raw)


def one_of(*known: str) -> Check:
    """One of these words."""

    def check(value: Value) -> str:
        if value.raw not in known:
            value.refuse(f"'{value.name}' must be one of {', '.join(known)}")
        return str(value.raw)

    return check


def known(what: str, names: Sequence[str]) -> Check:
    """A name out of these; a wrong one is named, with the closest."""

    def check(value: Value) -> str:
        if text(value) not in names:
            value.refuse(f"'{value.raw}' is not {what}. {write(value.raw, names)}")
        return str(value.raw)

    return check


def some_of(*known: str) -> Check:
    """A list of these words; a wrong one is named, with the closest."""

    def check(value: Value) -> tuple[str, ...]:
        for word in texts(value):
            if word not in known:
                value.refuse(f"'{word}' cannot stand in '{value.name}'. {write(word, known)}")
        return texts(value)

    return check


def one_or_more(*known: str) -> Check:
    """One of these words, or a list of them in order of preference."""

    def check(value: Value) -> tuple[str, ...]:
        if isinstance(value.raw, str):
            return (one_of(*known)(value),)
        words: tuple[str, ...] = some_of(*known)(value)
        if not words:
            value.refuse(f"'{value.name}' must name at least one of {', '.join(known)}")
        return words

    return check


def web_address(value: Value) -> str:
    """An http or https address with a host, without a password in it."""
    parts = _address(text(value))
    if parts is None:
        value.refuse(f"'{value.name}' must be an address such as \"https://api.example.com/v1\"")
    if parts.username is not None or parts.password is not None:
        value.refuse(f"'{value.name}' must not hold a user name or password. Keep keys in the keychain")
    return str(value.raw)


def _address(raw: str) -> SplitResult | None:
    try:
        parts = urlsplit(raw)
        fine = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if fine and not re.search(r"\s", raw) else None


def base_url(value: Value) -> str:
    """A web address to which paths are added: no query, no trailing slash."""
    address = web_address(value)
    if "?" in address or "#" in address:
        value.refuse(f"'{value.name}' must end before any '?' or '#'")
    return address.rstrip("/")


def database(value: Value) -> str:
    """The address of a PostgreSQL database, without a password: this file is read by others, and copied."""
    try:
        parts = urlsplit(text(value))
        named = parts.scheme in {"postgresql", "postgres"} and parts.path.strip("/") and parts.port != 0
    except ValueError:
        value.refuse(_NO_DATABASE)
    if not named or re.search(r"\s", value.raw):
        value.refuse(_NO_DATABASE)
    if parts.password is not None or "password" in parts.query:
        value.refuse(f"'{value.name}' must not hold a password. Put it in PGPASSWORD or in ~/.pgpass")
    return str(value.raw)


def dollars(value: Value) -> int:
    """An amount in dollars, a number or a text, as micro-dollars rounded up."""
    amount = _decimal(value.raw)
    if amount is None or not 0 <= amount <= _DEAREST:
        value.refuse(f"'{value.name}' must be an amount in dollars such as 3.75")
    micro = amount * 1_000_000
    return int(micro) + (micro != int(micro))


def _decimal(raw: Any) -> Decimal | None:
    if isinstance(raw, bool) or not isinstance(raw, int | str | Decimal):
        return None
    try:
        amount = Decimal(raw)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def _date(value: Value) -> str:
    raw = str(value.raw)
    if not _DATE.fullmatch(raw):
        value.refuse(f"'{value.name}' must be a date such as \"2026-11-20\"")
    return raw


_PRICE: dict[str, Check] = {
    "input": dollars,
    "output": dollars,
    "cache_read": dollars,
    "cache_write": dollars,
    "cache_write_long": dollars,
    "per_request": dollars,
    "per_hour": dollars,
    "dated": _date,
}


def price(value: Value) -> str | Rates:
    """The word auto or free, or a table in dollars per million tokens; a cache rate left out is the input's.

    A server by the hour needs no price of tokens: its tokens cost nothing more.
    """
    if value.raw in ("auto", "free"):
        return str(value.raw)
    if not isinstance(value.raw, dict):
        value.refuse(f'\'{value.name}\' must be "auto", "free" or a table such as {{ input = 3.0, output = 15.0 }}')
    given = struct(value, "a price", _PRICE)
    if given.get("per_hour") and not {"input", "output"} & given.keys():
        given |= {"input": 0, "output": 0}
    for needed in ("input", "output"):
        if needed not in given:
            value.refuse(f"a price needs '{needed}', in dollars per million tokens")
    short = given.get("cache_write", given["input"])
    return Rates(
        input=given["input"],
        output=given["output"],
        cache_read=given.get("cache_read", given["input"]),
        cache_write_short=short,
        cache_write_long=given.get("cache_write_long", short),
        per_request=given.get("per_request", 0),
        per_hour=given.get("per_hour", 0),
        source=value.spot.file,
        dated=given.get("dated", ""),
    )
