"""`pointsman prices`: what each model costs, from where and of which day that is known."""

from __future__ import annotations

from typing import Annotated

import typer

from pointsman.cli import answers, show, words
from pointsman.cli.client import plain, send
from pointsman.wire import admin

REFRESH = "refresh"


def prices(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL|refresh]", help="One target; 'refresh' fetches the list, this once.")
    ] = None,
    json: show.Json = False,
) -> None:
    """Show what each model costs, in dollars per million tokens, or fetch the price list now."""
    if model == REFRESH:
        _refresh(json=json)
    elif json:
        show.as_json(plain(admin.Prices(model)))
    else:
        _print(send(admin.Prices(model), answers.PriceTable))


def _refresh(*, json: bool) -> None:
    if json:
        show.as_json(plain(admin.RefreshPrices()))
        return
    found = send(admin.RefreshPrices(), answers.Refreshed)
    show.line(f"{found.price_list} is in use, with {found.models:,} models. Prices in your models.toml still win.")


def _print(found: answers.PriceTable) -> None:
    heads = ["Model", "Tier", "Input", "Cache read", "Cache write", "1 hour", "Output", "Also", "Source"]
    show.table(heads, [_row(row) for row in found.rows], right=heads[2:7], none="There are no models.")
    show.line(f"The list: {found.price_list}. 'pointsman prices refresh' fetches it anew.")


def _row(row: answers.PriceRow) -> list[str]:
    rates = (row.input, row.cache_read, row.cache_write_short, row.cache_write_long, row.output)
    told = [words.rate(rate) if row.known else words.UNKNOWN for rate in rates]
    source = ", ".join(part for part in (row.source, row.dated) if part)
    return [row.target, row.tier, *told, _also(row), source if row.known else "unknown: you are asked"]


def _also(row: answers.PriceRow) -> str:
    parts = [f"{words.rate(row.per_request)} a request"] if row.per_request else []
    parts += [f"{words.rate(row.per_hour)} an hour"] if row.per_hour else []
    parts += [f"more above {tokens:,} tokens" for tokens in row.above[:1]]
    return ", ".join(parts)
