"""One local model: how its worker is started, what a person sees of it, and what outlives its workers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

import msgspec

from pointsman.core.engines import Held
from pointsman.engines import worker_process
from pointsman.engines.restart import GiveUp, next_restart
from pointsman.engines.worker_process import WorkerProcess


class WorkerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is started with; None leaves the choice to the worker. `engine` as in models.toml."""

    name: str
    path: str
    engine: str = "llama_cpp"
    context: int | None = None
    threads: int | None = None
    tool_format: str | None = None
    kv: str | None = None
    windowed: bool = False
    gpu_layers: int | None = None
    slots: int | None = None
    queue: int | None = None
    lookup: int = 0


class WorkerState(msgspec.Struct, frozen=True, kw_only=True):
    """What a person sees of one local model. `sentence` says why it is broken, else it is empty."""

    name: str
    state: Literal["unloaded", "loading", "ready", "broken"]
    pid: int | None = None
    active: int = 0
    waiting: int = 0
    resident_bytes: int = 0
    context: int | None = None
    restarts: int = 0
    sentence: str = ""
    tokens_per_second: float | None = None


def worker_command(spec: WorkerSpec) -> list[str]:
    """The argument list of a worker for this model."""
    argv = [*worker_process.program(spec.engine), "--model", spec.path, "--name", spec.name]
    chosen = {
        "--context": spec.context,
        "--threads": spec.threads,
        "--tool-format": spec.tool_format,
        "--kv": spec.kv,
        "--gpu-layers": spec.gpu_layers,
        "--slots": spec.slots,
        "--queue": spec.queue,
        "--lookup": spec.lookup or None,
    }
    for option, value in chosen.items():
        argv += [] if value is None else [option, str(value)]
    return [*argv, "--windowed"] if spec.windowed else argv


class LocalModel:
    """What outlives a worker: its crashes, why it will not load, who uses it, and the memory it has (by pool)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.worker: WorkerProcess | None = None
        self.loading: asyncio.Task[WorkerProcess] | None = None
        self.ending: asyncio.Task[None] | None = None
        self.crashes = 0
        self.crashed_at = 0.0
        self.starts = 0
        self.unloadable: tuple[float, object, str] | None = None
        self.takes: dict[str, int] = {}
        self.users = 0
        self.used = 0.0

    def held(self) -> Held:
        """As the rules see it. One that is being loaded or ended is in use as well."""
        busy = self.users > 0 or self.loading is not None or self.ending is not None
        return Held(name=self.name, takes=self.takes, used=self.used, busy=busy)

    def forgive(self) -> None:
        """Let it be tried again."""
        self.crashes = 0
        self.unloadable = None

    def note(self, path: str, sentence: str, until: float) -> None:
        """Why this file cannot be loaded, so that it is not tried again at once."""
        self.unloadable = (until, signature(path), sentence)

    def standing(self) -> tuple[Literal["unloaded", "loading", "ready", "broken"], str]:
        """How it stands, and why where it is broken."""
        if self.worker is not None and self.worker.serving:
            return "ready", ""
        if isinstance(next_restart(self.crashes, 0, 0), GiveUp):
            return "broken", self.broken_sentence
        if self.loading is not None:
            return "loading", ""
        if self.unloadable is not None:
            return "broken", self.unloadable[2]
        return "unloaded", ""

    @property
    def broken_sentence(self) -> str:
        """Why it stays off."""
        return f"{self.name} crashed {self.crashes} times in a row, so it stays off until you reset it."


def signature(path: str) -> object:
    """Changes when the person puts another file there."""
    try:
        facts = Path(path).stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size
