"""The audit's rows of kind "rule": what changed in models.toml, also while no gateway ran."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from pointsman.core.catalog import Catalog
from pointsman.core.catalog_changes import changes
from pointsman.gateway.house import House
from pointsman.store.audit import Row


def noted(house: House, reload: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """The same reload, with a row for what it changed."""

    async def reread() -> None:
        before = house.catalog
        await reload()
        await note(house, before)

    return reread


async def note(house: House, before: Catalog) -> None:
    """One row, if the catalog in force is not what it was."""
    found = changes(before, house.catalog)
    if found:
        await _write(house, f"changed in models.toml: {', '.join(found)}", found)


async def note_at_start(house: House) -> None:
    """One row, if models.toml is not what it was when the last such row was written."""
    last = await house.audit.latest("rule")
    known = _digest_in(last.detail) if last else ""
    if known != digest(house.catalog):
        await _write(house, "models.toml is another than before" if known else "models.toml is in force", {})


def digest(catalog: Catalog) -> str:
    """A short name for everything that the catalog says."""
    everything = {name: entry["after"] for name, entry in changes(Catalog(), catalog).items()}
    return hashlib.sha256(msgspec.json.encode(everything, order="sorted")).hexdigest()[:16]


async def _write(house: House, reason: str, found: dict[str, Any]) -> None:
    detail = msgspec.json.encode({"digest": digest(house.catalog), "changes": found}).decode()
    await house.audit.append(Row(at=time.time(), kind="rule", reason=reason[:500], detail=detail))


def _digest_in(detail: str) -> str:
    try:
        return str(msgspec.json.decode(detail)["digest"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return ""
