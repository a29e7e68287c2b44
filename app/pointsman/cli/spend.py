"""`pointsman spend`: what it cost, by whom, by what and by day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Annotated

import typer

from pointsman.cli import answers, show, words
from pointsman.cli.answers import SpendRow
from pointsman.cli.client import plain, send
from pointsman.core.errors import SetupError
from pointsman.wire import admin

Since = Annotated[
    float | None,
    typer.Option(parser=words.moment, metavar="DATE", help="From this local date or time, or for a span such as 7d."),
]
Until = Annotated[
    float | None,
    typer.Option(parser=words.end_moment, metavar="DATE", help="Up to and with this date, or up to this time."),
]
_LATELY = timedelta(days=29)


def _count(field: str) -> Callable[[SpendRow], str]:
    return lambda row: f"{getattr(row, field):,}"


def _money(field: str) -> Callable[[SpendRow], str]:
    return lambda row: words.money(getattr(row, field)) if getattr(row, field) else ""


def _share(row: SpendRow) -> str:
    """How much of the money is an estimate; what is little is not nothing."""
    if not row.estimated:
        return ""
    percent = 100 * row.estimated // row.amount
    return f"{percent}%" if percent else "<1%"


_COLUMNS: dict[str, tuple[str, Callable[[SpendRow], str]]] = {
    "Requests": ("", _count("requests")),
    "Input": ("", _count("fresh_input")),
    "Cache read": ("cache_read", _count("cache_read")),
    "Cache write 5m": ("cache_write_short", _count("cache_write_short")),
    "Cache write 1h": ("cache_write_long", _count("cache_write_long")),
    "Output": ("", _count("output")),
    "Saved": ("saved", _money("saved")),
    "Estimated": ("estimated", _share),
    "Held": ("held", _money("held")),
    "Spent": ("", lambda row: words.money(row.amount)),
}
"""What stands under each head; a column with a field is left out where that field is nothing everywhere."""


def spend(
    by: Annotated[
        str, typer.Option(help="person, project, label, agent, session, task, model, tier or day.")
    ] = "agent",
    since: Since = None,
    until: Until = None,
    json: show.Json = False,
) -> None:
    """Show what was spent: today where no date is given, or by day in the last 30 days."""
    if since is None and until is None:
        since = _begins(by)
    command = admin.Spend(by, *span(since, until))
    if json:
        show.as_json(plain(command))
        return
    _print(send(command, answers.SpendTable))


def span(since: float | None, until: float | None) -> tuple[float | None, float | None]:
    """Both ends, in order. Raises `SetupError` where nothing lies between them."""
    if since is not None and until is not None and since >= until:
        raise SetupError("--since comes after --until, so nothing lies between them: put the earlier one in --since.")
    return since, until


def _begins(by: str) -> float:
    today = datetime.combine(datetime.now().astimezone().date(), time.min)
    return (today - _LATELY if by == "day" else today).astimezone().timestamp()


def _print(found: answers.SpendTable) -> None:
    shown = {head: told for head, (field, told) in _COLUMNS.items() if not field or getattr(found.total, field)}
    rows = [[row.name or words.UNKNOWN, *(told(row) for told in shown.values())] for row in found.rows]
    total = ["Total", *(told(found.total) for told in shown.values())]
    heads = [found.by.capitalize(), *shown]
    show.table(heads, [*rows, total] if rows else [], right=heads[1:], none="Nothing was spent.")
    if found.more:
        show.line(f"Only the {len(rows):,} dearest are shown; the total is that of all.")
    if found.savings is not None:
        show.line(found.savings.sentence)
