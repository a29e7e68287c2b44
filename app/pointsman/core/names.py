"""A name that nobody has, as one sentence: what it was, and which one was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LONGEST = 80  # characters of a name that are said back
_FEW = 6  # names that are listed where none is close


def unknown(kind: str, wrong: str, known: Iterable[str], see: str = "") -> str:
    """`No cap is called 'daly'. Did you mean 'daily'?` `see` is the command that lists them."""
    names = sorted(known)
    said = f"No {kind} is called '{wrong[:_LONGEST]}'."
    if close := nearest(wrong, names):
        return f"{said} Did you mean '{close}'?"
    if not names:
        return f"{said} There is none yet."
    if len(names) <= _FEW or not see:
        return f"{said} There {'is' if len(names) == 1 else 'are'} {', '.join(names)}."
    return f"{said} '{see}' names those there are."


def nearest(wrong: str, known: Iterable[str]) -> str | None:
    """The name that was probably meant, whatever its capitals; None where none is close."""
    names = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(wrong.casefold(), names, n=1)
    return names[found[0]] if found else None
