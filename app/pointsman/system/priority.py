"""How far a process stands back for others."""

from __future__ import annotations

import contextlib
import sys

import psutil


def stand_back(pid: int, niceness: int) -> None:
    """Give a process this niceness, as far as the system lets us: most let it only be raised."""
    with contextlib.suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        if sys.platform == "win32":
            process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if niceness else psutil.NORMAL_PRIORITY_CLASS)
        elif process.nice() != niceness:
            process.nice(niceness)
