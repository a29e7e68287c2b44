"""How much memory a process holds, and held at most."""

from __future__ import annotations

import sys
from pathlib import Path

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
    if sys.platform == "linux":
        return _high_water()
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def _high_water() -> int | None:
    """Linux' `ru_maxrss` begins with what the starter held, from before this program was loaded; this does not."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None
