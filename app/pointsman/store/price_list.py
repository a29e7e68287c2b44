"""The price list: bundled with genai-prices, or a newer one that was fetched because the person wanted that.

A list that cannot be read, or that knows far fewer models than the one in use, is not used.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pointsman.core.errors import Unavailable

if TYPE_CHECKING:
    import httpx
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo

ADDRESS = "https://raw.githubusercontent.com/pydantic/genai-prices/refs/heads/main/prices/new_data/v2/data.json"
"""Where the package itself gets its updates from."""
_LARGEST = 32 * 2**20
_SECONDS, _CONNECT = 30.0, 10.0
_UNUSABLE = "the list cannot be read"


class PriceList:
    """One list, where it comes from and of which day it is."""

    def __init__(self, snapshot: DataSnapshot, source: str, dated: str = "") -> None:
        self.source = source
        self.dated = dated
        self._snapshot = snapshot

    def find(self, base_url: str, name: str) -> ModelInfo | None:
        """The model that this address sells under this name."""
        try:
            return self._snapshot.find_provider_model(name, None, None, base_url)[1]
        except LookupError:
            return None

    def models(self) -> list[ModelInfo]:
        """All models of all providers."""
        return [model for provider in self._snapshot.providers for model in provider.models]

    @cached_property
    def days(self) -> tuple[str, ...]:
        """All days on which one of its prices began to hold."""
        return tuple(sorted({day for model in self.models() for day in starts(model.prices)}))


def starts(prices: Any) -> list[str]:
    """The days on which a model's prices begin to hold."""
    conditions = prices if isinstance(prices, list) else []
    days = (getattr(condition.constraint, "start_date", None) for condition in conditions)
    return [day.isoformat() for day in days if day is not None]


def bundled() -> PriceList:
    """The list of the package (0.2 s at first)."""
    from genai_prices.data_snapshot import get_snapshot

    return PriceList(get_snapshot(), f"genai-prices {version('genai-prices')}")


def kept(path: Path) -> PriceList | None:
    """The list that was fetched last, unless it is older than the package's or cannot be read."""
    try:
        raw = path.read_bytes()
        found = _read(raw, datetime.fromtimestamp(path.stat().st_mtime, UTC))
    except (OSError, Unavailable):
        return None
    ours = bundled()
    return None if max(found.days, default="") < max(ours.days, default="") else found


def fetch(path: Path, now: float, address: str = ADDRESS) -> PriceList:
    """Fetch the list and keep it. Raises `Unavailable`; then the one in use stays as it is. Blocks."""
    raw = _get(address)
    found = _read(raw, datetime.fromtimestamp(now, UTC))
    known, ours = len(found.models()), len(bundled().models())
    if known * 2 < ours:
        raise Unavailable(f"The new price list was not used: it knows {known} models, and the one in use {ours}.")
    try:
        _write(path, raw, now)
    except OSError as error:
        raise Unavailable(f"The new price list cannot be written to {path} ({error.strerror}).") from None
    return found


def _get(address: str) -> bytes:
    import httpx

    limits = httpx.Timeout(_SECONDS, connect=_CONNECT)
    try:
        with httpx.stream("GET", address, timeout=limits, follow_redirects=True) as response:
            response.raise_for_status()
            return _bounded(response)
    except httpx.HTTPStatusError as error:
        raise _failed(f"the server answered {error.response.status_code}") from None
    except httpx.HTTPError as error:
        raise _failed(type(error).__name__) from None


def _bounded(response: httpx.Response) -> bytes:
    raw = b""
    for part in response.iter_bytes():
        raw += part
        if len(raw) > _LARGEST:
            raise _failed("the list is too large")
    return raw


def _read(raw: bytes, at: datetime) -> PriceList:
    from genai_prices.data_snapshot import DataSnapshot

    # WORKAROUND: https://github.com/pydantic/genai-prices, drop when the package reads a list that others fetched.
    from genai_prices.types import _providers_from_raw

    try:
        given = json.loads(raw)
        if not isinstance(given, list):
            raise _failed(_UNUSABLE)
        providers = _providers_from_raw(given)
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _failed(_UNUSABLE) from None
    day = at.date().isoformat()
    return PriceList(DataSnapshot(providers, from_auto_update=True), "genai-prices, refreshed", day)


def _write(path: Path, raw: bytes, now: float) -> None:
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(raw)
    new.chmod(0o600)
    os.utime(new, (now, now))
    new.replace(path)


def _failed(why: str) -> Unavailable:
    return Unavailable(f"The price list could not be refreshed ({why}). The prices in use stay as they are.")
