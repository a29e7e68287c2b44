"""`pointsman models fit`: which models run on this machine, how and how fast."""

from __future__ import annotations

from pointsman.cli import progress, show, words
from pointsman.cli.client import send
from pointsman.wire import admin

_HEADS = ["Model", "For", "Runs", "Memory", "Context", "Tokens/s", "Download", "Licence", "What to do"]
_WHERE = {"gpu": "on the graphics device", "both": "on both memories", "main": "on the processor", "": "no"}


def fit(json: show.Json = False) -> None:
    """Look at this machine and list the models that run on it; it takes a second or two."""
    found = send(admin.FitModels(), admin.Fitted)
    if json:
        show.as_json(found)
        return
    show.line(found.machine)
    rows = [_cells(one) for one in sorted(found.models, key=lambda one: (not one.here, not one.where))]
    show.table(
        _HEADS, rows, right=["Memory", "Context", "Tokens/s", "Download"], none="models.toml names no local models."
    )
    if found.proposal:
        show.line(found.proposal)


def _cells(one: admin.FitRow) -> list[str]:
    runs = bool(one.where)
    speed = f"{one.tokens_per_second:.{_digits(one.tokens_per_second)}f}" if one.tokens_per_second else words.UNKNOWN
    context = f"{one.context:,}{' (8 bits)' if one.kv == 'q8_0' else ''}" if runs else words.UNKNOWN
    return [
        one.name,
        one.use or words.UNKNOWN,
        _WHERE.get(one.where, one.where),
        progress.size(one.memory),
        context,
        speed,
        words.UNKNOWN if one.here else progress.size(one.size),
        one.licence or words.UNKNOWN,
        _advice(one),
    ]


def _digits(rate: float) -> int:
    return 0 if rate >= 10 else 1


def _advice(one: admin.FitRow) -> str:
    if not one.where:
        return "needs more memory than is free"
    return "is here" if one.here else f"pointsman models pull {one.name}"
