"""How many files and connections this process may have open. macOS starts programs with 256, Linux with 1,024."""

from __future__ import annotations

import contextlib
import sys

_WANTED = (16_384, 10_240, 4_096)  # macOS takes no more than its kernel's own limit, which is the second
_WINDOWS = 8_192  # there is no such limit on sockets there


def raised() -> int:
    """Ask for more, where there are fewer than are wanted; what there is now."""
    if sys.platform == "win32":
        return _WINDOWS
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in _WANTED:
        more = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if soft == resource.RLIM_INFINITY or soft >= more:
            break
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
            return more
    return _WANTED[0] if soft == resource.RLIM_INFINITY else soft
