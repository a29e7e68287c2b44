"""The loops on which connections to upstreams are tested."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

Loops = dict[str, Callable[[], asyncio.AbstractEventLoop]]


def pytest_asyncio_loop_factories() -> Loops:
    """The gateway's own, uvloop, and asyncio's, which it has on Windows."""
    loops: Loops = {"asyncio": asyncio.new_event_loop}
    if sys.platform != "win32":
        import uvloop

        loops["uvloop"] = uvloop.new_event_loop
    return loops
