"""Why a body does not fit what it should be, as a person says it: which field, what it must be, and what it was."""

from __future__ import annotations

import re

import msgspec

_WRONG = re.compile(r"Expected `([^`]*)`(.*?)(?:, got `([^`]*)`)?(?: - at `(.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `([^`]*)`(?: - at `(.*)`)?$", re.DOTALL)
_EXTRA = re.compile(r"Object contains unknown field `([^`]*)`(?: - at `(.*)`)?$", re.DOTALL)
_AT = re.compile(r" - at `(.*)`$", re.DOTALL)
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "text in quotes",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_PLACE = re.compile(r"[\w.\-\[\]]{1,120}")


def sentence(error: msgspec.ValidationError) -> str:
    """Such as `'max_tokens' must be a whole number or null, and it is text in quotes.` It never holds a value."""
    said = str(error)
    if found := _WRONG.match(said):
        wanted, more, got, at = found.groups()
        what = f"{_place(at)} must be {_types(wanted)}{_more(more)}"
        return f"{what}, and it is {_types(got)}." if got else f"{what}."
    if found := _MISSING.match(said):
        return f"{_inside(found[2], found[1])} is missing: add it."
    if found := _EXTRA.match(said):
        return f"{_inside(found[2], found[1])} is not known there: leave it out."
    place = _AT.search(said)
    return f"{_place(place[1] if place else None)} has a value that is not one of those allowed there."


def _types(text: str) -> str:
    known = [_TYPES.get(part.strip(), "something else") for part in text.split("|")]
    return known[0] if len(known) == 1 else f"{', '.join(known[:-1])} or {known[-1]}"


def _more(text: str) -> str:
    """A bound, such as ` >= 1` or ` of length <= 64`."""
    words = {">=": "of at least", "<=": "of at most", ">": "above", "<": "below"}
    found = re.match(r"( of length)? (>=|<=|>|<) ([\d.]+)$", text)
    if found is None:
        return ""
    return f" {'with a length ' if found[1] else ''}{words[found[2]]} {found[3]}"


def _place(path: str | None) -> str:
    inner = (path or "").removeprefix("$").lstrip(".").replace("[...]", "[]")
    return f"'{inner}'" if _PLACE.fullmatch(inner) else "one of its fields" if inner else "the whole"


def _inside(path: str | None, field: str) -> str:
    where = _place(path)
    name = f"'{field}'" if _PLACE.fullmatch(field) else "a field"
    return f"{name} in {where}" if where.startswith("'") else name
