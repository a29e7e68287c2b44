"""`/v1/models`: what an agent may ask for, in both vendors' shapes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from pointsman.core.catalog import Catalog
from pointsman.core.errors import NotFound


class Listed(msgspec.Struct, frozen=True):
    """A name and whose it is; `one` when it was asked for by itself."""

    names: list[tuple[str, str]]
    one: bool = False


def of(catalog: Catalog, name: str = "") -> Listed:
    """All names, or the one asked for. Raises `NotFound`."""
    names = _all(catalog)
    if not name:
        return Listed(names)
    found = [one for one in names if one[0] == name]
    if not found:
        raise NotFound(f"No model is called '{name[:80]}'. GET /v1/models lists those there are.")
    return Listed(found, one=True)


def _all(catalog: Catalog) -> list[tuple[str, str]]:
    tiers = [name for name in ("local", "private", "cloud") if catalog.by_tier(name)]
    targets = [(target.name, target.provider or "local") for target in catalog.targets.values()]
    return [
        *((name, "pointsman") for name in ("auto", *tiers)),
        *((name, "alias") for name in catalog.aliases),
        *targets,
    ]


def told(listed: Listed, dialect: str, created: int) -> bytes:
    """The list, or the one model, as the caller's vendor writes it."""
    rows = [(_anthropic if dialect == "messages" else _openai)(name, owner, created) for name, owner in listed.names]
    if listed.one:
        return msgspec.json.encode(rows[0])
    if dialect == "messages":
        ends = {"first_id": rows[0]["id"], "last_id": rows[-1]["id"]}
        return msgspec.json.encode({"data": rows, "has_more": False, **ends})
    return msgspec.json.encode({"object": "list", "data": rows})


def _openai(name: str, owner: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": owner}


def _anthropic(name: str, _owner: str, created: int) -> dict[str, Any]:
    at = datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "model", "id": name, "display_name": name, "created_at": at}
