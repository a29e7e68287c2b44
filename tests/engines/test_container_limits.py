"""In a container a model gets what the container has, not what the machine has."""

from __future__ import annotations

import psutil
import pytest

from pointsman.engines import looking, worker
from pointsman.system import container
from pointsman.system.container import Memory


@pytest.mark.parametrize(("limit", "left"), [(1 << 20, 1 << 19), (1 << 20, 0), (1 << 50, 1 << 50), (1 << 50, 1 << 20)])
def test_memory(monkeypatch: pytest.MonkeyPatch, limit: int, left: int) -> None:
    """The less of both, in all and at this moment."""
    machine = looking.main_memory().total
    monkeypatch.setattr(container, "memory", lambda: Memory(limit=limit, left=left))
    found = looking.main_memory()
    assert found.total == min(limit, psutil.virtual_memory().total) and found.total <= machine
    assert found.available <= left


def test_without_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's."""
    monkeypatch.setattr(container, "memory", lambda: None)
    assert looking.main_memory().total == psutil.virtual_memory().total


@pytest.mark.parametrize(("share", "threads"), [(None, 7), (0.5, 1), (1.0, 1), (1.5, 1), (2.0, 1), (4.0, 3), (64.0, 7)])
def test_threads(monkeypatch: pytest.MonkeyPatch, share: float | None, threads: int) -> None:
    """No more than may be busy at once: those beyond would only wait for one another. One is left to others."""
    monkeypatch.setattr(container, "processors", lambda: share)
    monkeypatch.setattr(psutil, "cpu_count", lambda logical: 8)
    monkeypatch.setattr(worker.os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)
    wanted = worker._wanted(worker._options(["--model", "m.gguf"]))
    assert wanted.threads == threads
