"""What the tests of the engines share: the starter model, and requests in few words."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pointsman.engines import protocol

Loops = dict[str, Callable[[], asyncio.AbstractEventLoop]]
ROOT = Path(__file__).resolve().parents[2]
_ids = itertools.count()


@pytest.fixture(scope="session")
def starter() -> Path:
    """The model in the repository; without it these tests fail."""
    path = ROOT / "resources" / "starter" / "starter.gguf"
    assert path.is_file(), "resources/starter/starter.gguf is missing"
    return path


@pytest.fixture(scope="session")
def fake_engine() -> Path:
    """The worker program that has no model."""
    return ROOT / "tests" / "fakes" / "fake_engine.py"


@pytest.fixture(scope="session")
def ask() -> Callable[..., protocol.Chat]:
    """A greedy request with one user message and an id of its own."""

    def make(text: str, **fields: Any) -> protocol.Chat:
        usual: dict[str, Any] = {"temperature": 0.0, "max_tokens": 48}
        return protocol.Chat(id=f"t{next(_ids)}", messages=[{"role": "user", "content": text}], **{**usual, **fields})

    return make


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Loops:
    """The supervisor runs on uvloop, and on Windows on asyncio's own loop: its tests run on what is there."""
    loops: Loops = {"asyncio": asyncio.new_event_loop}
    if item.path.name == "test_supervisor.py" and sys.platform != "win32":
        import uvloop

        loops["uvloop"] = uvloop.new_event_loop
    return loops
