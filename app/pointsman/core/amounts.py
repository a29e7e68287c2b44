"""Micro-dollars in words, for the sentences that Pointsman says."""

from __future__ import annotations

_CENT = 10_000


def dollars(amount: int, *, up: bool = False) -> str:
    """`$1.10`. Rounded to the cent, `up` for bounds; over nothing but under a cent it says so."""
    if 0 < amount < _CENT:
        return "less than $0.01"
    cents = -(-amount // _CENT) if up else (amount + _CENT // 2) // _CENT
    return f"${cents // 100:,}.{cents % 100:02d}"
