"""How a worker is started: the engine of models.toml decides which program runs."""

from __future__ import annotations

import sys

import pytest

from pointsman.engines.supervisor import WorkerSpec, worker_command


@pytest.mark.parametrize(("engine", "module"), [("llama_cpp", "llama_worker"), ("mlx", "mlx_worker")])
def test_program(engine: str, module: str) -> None:
    """Each engine has a worker of its own."""
    argv = worker_command(WorkerSpec(name="m", path="here", engine=engine))
    assert argv == [sys.executable, "-P", "-m", f"pointsman.engines.{module}", "--model", "here", "--name", "m"]


@pytest.mark.parametrize(("engine", "words"), [("llama_cpp", ["worker"]), ("mlx", ["worker", "mlx"])])
def test_frozen(monkeypatch: pytest.MonkeyPatch, engine: str, words: list[str]) -> None:
    """A frozen application is asked by a word."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert worker_command(WorkerSpec(name="m", path="here", engine=engine))[1:3] == [*words, "--model"][:2]
