"""The loops on which the gateway's parts are tested."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import pytest

Loops = dict[str, Callable[[], asyncio.AbstractEventLoop]]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Loops:
    """Connections are served on uvloop, and on Windows on asyncio's own loop: their tests run on what is there."""
    loops: Loops = {"asyncio": asyncio.new_event_loop}
    if item.path.name.startswith("test_connection") and sys.platform != "win32":
        import uvloop

        loops["uvloop"] = uvloop.new_event_loop
    return loops
