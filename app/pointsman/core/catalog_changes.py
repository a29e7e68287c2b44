"""What is different between two catalogs, as the audit tells it."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.catalog_parts import Catalog

Change = dict[str, Any]


def changes(before: Catalog, after: Catalog) -> dict[str, Change]:
    """Each entry that is not what it was: "targets.small", "rules.reviews go up", "limits" to before and after.

    None stands for an entry that was not there, or is no more. models.toml holds no keys, so neither does this.
    """
    old, new = _entries(before), _entries(after)
    different = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return {name: {"before": _plain(old.get(name)), "after": _plain(new.get(name))} for name in sorted(different)}


def _entries(catalog: Catalog) -> dict[str, Any]:
    """Every part of the catalog by its name; what has names of its own, entry by entry."""
    found: dict[str, Any] = {}
    for table in catalog.__struct_fields__:
        part = getattr(catalog, table)
        if table == "found":
            continue
        if isinstance(part, dict):
            here = catalog.found if table in ("providers", "targets") else ()
            found |= {f"{table}.{name}": entry for name, entry in part.items() if name not in here}
        elif isinstance(part, tuple):  # the order of rules counts: the first that matches wins
            for at, entry in enumerate(part, 1):
                name = f"{table}.{entry.name}"
                found[f"{name} ({at})" if name in found else name] = (at, _unplaced(entry))
        else:
            found[table] = part
    return found


def _unplaced(entry: Any) -> Any:
    """A rule that only moved to another line of its file is the same rule."""
    return msgspec.structs.replace(entry, where="") if hasattr(entry, "where") else entry


def _plain(entry: Any) -> Any:
    return msgspec.to_builtins(entry, order="sorted")
