"""How much memory a process holds, and held at most."""

from __future__ import annotations

import sys

import psutil


def resident_bytes(pid: int) -> int:
    """0 when there is no such process."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def private_bytes(pid: int) -> int:
    """What would be free without this process, 0 when there is none; on Linux pages of files count as free anyway."""
    try:
        found = psutil.Process(pid).memory_info()
    except psutil.Error:
        return 0
    return max(0, int(found.rss) - int(getattr(found, "shared", 0)))


def peak_bytes() -> int | None:
    """The most memory that this process ever held; None where the system does not tell."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
