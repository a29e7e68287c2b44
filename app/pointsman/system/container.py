"""What a container, or another control group of Linux, lets its processes have: memory and processors."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

_ROOT, _MEMBER = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_NO_LIMIT = 1 << 60  # the older kind writes a number that no machine has


class Memory(Struct, frozen=True, kw_only=True):
    """Bytes that the group may have, and that are left of them; pages of files that it can drop count as left."""

    limit: int
    left: int


def memory(root: Path = _ROOT, member: Path = _MEMBER) -> Memory | None:
    """Of the group with the least left, of ours and those around it; None without a limit."""
    found = [
        one
        for folder in _folders(root, member, "memory")
        if (one := _memory(folder, "memory.max", "memory.current"))
        or (one := _memory(folder, "memory.limit_in_bytes", "memory.usage_in_bytes"))
    ]
    return min(found, key=lambda one: one.left, default=None)


def processors(root: Path = _ROOT, member: Path = _MEMBER) -> float | None:
    """How many may be busy at once on average; None without a limit."""
    found = [
        share
        for folder in _folders(root, member, "cpu")
        if (share := _share(*_text(folder / "cpu.max").split()[:2])) is not None
        or (share := _share(_text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us"))) is not None
    ]
    return min(found, default=None)


def _folders(root: Path, member: Path, controller: str) -> Iterator[Path]:
    """Of our group and of those around it, of both kinds of control groups."""
    if sys.platform != "linux":
        return
    for line in _text(member).splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and controller not in controllers.split(","):
            continue
        # A container often sees its own group as the root, whatever the path says.
        begin = root / controllers if controllers else root
        inner = begin / path.lstrip("/")
        if ".." in inner.parts or not os.path.isdir(inner):  # noqa: PTH112 False, too, where a folder around it is closed
            inner = begin
        yield inner
        yield from (one for one in inner.parents if one == begin or begin in one.parents)


def _memory(folder: Path, limit: str, used: str) -> Memory | None:
    most, held = _number(folder / limit), _number(folder / used)
    if most is None or held is None or most >= _NO_LIMIT:
        return None
    facts = dict(line.split()[:2] for line in _text(folder / "memory.stat").splitlines() if " " in line)
    begin = "total_" if "total_inactive_file" in facts else ""
    files = sum(int(facts.get(f"{begin}{kind}_file", 0)) for kind in ("inactive", "active"))
    return Memory(limit=most, left=max(0, min(most, most - held + files)))


def _share(quota: str = "", period: str = "") -> float | None:
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return None
    return int(quota) / int(period)


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _text(path: Path) -> str:
    """Empty where it cannot be read."""
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return ""
