"""Micro-dollars in words, for the sentences that Pointsman says."""

from __future__ import annotations

_CENT = 10_000
_DIME = 100_000
_FINE = 100  # a hundredth of a cent: four decimals


def dollars(amount: int, *, up: bool = False, down: bool = False) -> str:
    """`$1.10`, `$0.0034`: to the cent; under ten cents to four decimals, and to six where those say nothing.

    `up` is for bounds, `down` for what is left: neither says anything better than it is.
    """
    if amount < 0:
        return f"-{dollars(-amount, up=down, down=up)}"
    one = _CENT if amount >= _DIME or amount == 0 else _FINE if amount >= _FINE else 1
    added = one - 1 if up else 0 if down else one // 2
    rounded = (amount + added) // one * one
    whole, rest = divmod(rounded, 1_000_000)
    decimals = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"${whole:,}.{decimals}"
