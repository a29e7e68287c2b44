"""Fetching the price list, when the person opted in or asks for it once; and telling which prices are in use."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from pointsman.core.catalog import Catalog, Prices
from pointsman.core.errors import NotFound, Unavailable
from pointsman.core.pricing import Rates
from pointsman.store import price_list
from pointsman.store.prices import PriceBook

_LOOK = 60.0  # seconds until models.toml is looked at again for whether the person wants this
_SOON = 3600.0  # seconds until a fetch that failed is tried again
_RATES = ("input", "cache_read", "cache_write_short", "cache_write_long", "output", "per_request", "per_hour")


class Refresher:
    """Keeps a price book fresh. `changed` is called after each new list; a failure is one notice until it works again."""

    def __init__(self, book: PriceBook, path: Path, notices: list[str], changed: Callable[[], None]) -> None:
        self._book = book
        self._path = path
        self._notices = notices
        self._changed = changed
        self._notice: str | None = None
        self.address = price_list.ADDRESS

    async def once(self) -> dict[str, Any]:
        """Fetch now. Raises `Unavailable`; then the list in use stays."""
        newer = await asyncio.to_thread(price_list.fetch, self._path, time.time(), self.address)
        self._book.use(newer)
        self._changed()
        self._say(None)
        return {"price_list": _named(self._book), "models": len(newer.models())}

    async def keep(self, wanted: Callable[[], Prices]) -> None:
        """Fetch as often as the person wants; for as long as the gateway runs."""
        while True:
            seconds = await self.look(wanted(), time.time())
            await asyncio.sleep(seconds)

    async def look(self, wanted: Prices, now: float) -> float:
        """Fetch if it is wanted and time; the seconds until the next look."""
        if not wanted.refresh:
            return _LOOK
        due = self._fetched() + wanted.interval - now
        if due > 0:
            return min(due, _LOOK)
        try:
            await self.once()
        except Unavailable as problem:
            self._say(problem.sentence)
            return _SOON
        return min(wanted.interval, _LOOK)

    def _fetched(self) -> float:
        try:
            return self._path.stat().st_mtime
        except OSError:
            return 0.0

    def _say(self, sentence: str | None) -> None:
        if self._notice in self._notices:
            self._notices.remove(self._notice)
        self._notice = sentence
        if sentence is not None:
            self._notices.append(sentence)


def table(catalog: Catalog, book: PriceBook, model: str | None, now: float) -> dict[str, Any]:
    """The rates of one target, or of all. Raises `NotFound`."""
    if model is not None and model not in catalog.targets:
        raise NotFound(f"No model is called {model[:80]!r}. 'pointsman prices' lists those there are.")
    names = catalog.targets if model is None else [model]
    return {"rows": [_row(catalog, book, name, now) for name in names], "price_list": _named(book)}


def _row(catalog: Catalog, book: PriceBook, name: str, now: float) -> dict[str, Any]:
    target = catalog.targets[name]
    rates = book.rates(catalog.providers.get(target.provider or ""), target, now)
    row: dict[str, Any] = {"target": name, "tier": target.tier, "known": rates is not None, "source": "", "dated": ""}
    return row if rates is None else row | _told(rates)


def _told(rates: Rates) -> dict[str, Any]:
    amounts = {rate: getattr(rates, rate) for rate in _RATES}
    above = [{"above": start, **msgspec.to_builtins(higher)} for start, higher in rates.above]
    starts = [start for start, _ in rates.above]
    return amounts | {"source": rates.source, "dated": rates.dated, "above": starts, "long": above}


def _named(book: PriceBook) -> str:
    newest = book.list.dated or max((day for day in book.list.days), default="")
    return f"{book.list.source} {newest}".strip()
