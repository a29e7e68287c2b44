"""The gateway's side of the local engines: which worker runs, and one answer from it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from pointsman.engines import protocol, worker_process
from pointsman.engines.failures import ModelUnloadable, WorkerDied
from pointsman.engines.memory import resident_bytes
from pointsman.engines.restart import GiveUp, next_restart
from pointsman.engines.worker_process import Timing, WorkerProcess

__all__ = ["ModelUnloadable", "Supervisor", "Timing", "WorkerDied", "WorkerSpec", "WorkerState", "worker_command"]

_USUAL = Timing()


class WorkerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is started with; None leaves the choice to the worker."""

    name: str
    path: str
    context: int | None = None
    threads: int | None = None
    tool_format: str | None = None


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
    argv = [*worker_process.program(), "--model", spec.path, "--name", spec.name]
    if spec.context is not None:
        argv += ["--context", str(spec.context)]
    if spec.threads is not None:
        argv += ["--threads", str(spec.threads)]
    if spec.tool_format is not None:
        argv += ["--tool-format", spec.tool_format]
    return argv


class _Model:
    """What outlives a worker: its crashes, and why it will not load."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.worker: WorkerProcess | None = None
        self.loading: asyncio.Task[WorkerProcess] | None = None
        self.crashes = 0
        self.crashed_at = 0.0
        self.starts = 0
        self.unloadable: tuple[float, object, str] | None = None

    def forgive(self) -> None:
        self.crashes = 0
        self.unloadable = None

    @property
    def broken_sentence(self) -> str:
        return f"{self.name} crashed {self.crashes} times in a row, so it stays off until you reset it."


def _nobody(_name: str, _state: WorkerState) -> None:
    pass


class Supervisor:
    """Starts workers when they are needed and passes answers on. Belongs to one event loop."""

    def __init__(
        self,
        specs: Mapping[str, WorkerSpec],
        log_dir: Path,
        on_change: Callable[[str, WorkerState], None] = _nobody,
        timing: Timing = _USUAL,
        command: Callable[[WorkerSpec], list[str]] = worker_command,
    ) -> None:
        self._specs = specs
        self._log_dir = log_dir
        self._on_change = on_change
        self._timing = timing
        self._command = command
        self._models: dict[str, _Model] = {}
        self._closed = False

    async def chat(self, name: str, command: protocol.Chat) -> AsyncGenerator[protocol.Answer, None]:
        """Events up to `End` or `Failed`. Raises `ModelUnloadable` before the first, `WorkerDied` at any time.

        Closing the iterator, or cancelling its task, cancels the request in the worker.
        """
        worker = await self._ensure(name)
        model = self._model(name)
        answer = worker.chat(command)
        try:
            async for event in answer:
                if isinstance(event, protocol.End):
                    model.crashes = 0
                elif isinstance(event, protocol.Started):
                    self._changed(model)
                yield event
        finally:
            await answer.aclose()
            self._changed(model)

    def use(self, specs: Mapping[str, WorkerSpec]) -> None:
        """Other models from now on. A loaded model keeps its worker until it is unloaded or restarted."""
        self._specs = specs

    async def ensure(self, name: str) -> None:
        """Return when the model is loaded, or raise `ModelUnloadable`."""
        await self._ensure(name)

    async def unload(self, name: str) -> None:
        """End the worker; answers under way end with `WorkerDied`."""
        model = self._models.get(name)
        if model is None:
            return
        if model.loading is not None:
            model.loading.cancel()
            await asyncio.wait({model.loading})
        if model.worker is not None:
            await model.worker.quit()
            model.worker = None
        self._changed(model)

    def reset(self, name: str) -> None:
        """Let a broken model be tried again."""
        if (model := self._models.get(name)) is not None:
            model.forgive()
            self._changed(model)

    async def close(self) -> None:
        """End every worker, within a few seconds; nothing starts after this."""
        self._closed = True
        await asyncio.gather(*(self.unload(name) for name in list(self._models)))

    def states(self) -> tuple[WorkerState, ...]:
        """One for each model that is configured, in that order."""
        return tuple(self._state(self._model(name)) for name in self._specs)

    async def _ensure(self, name: str) -> WorkerProcess:
        if name not in self._specs:
            raise ModelUnloadable(f"No local model is called {name}.")
        model = self._model(name)
        if model.worker is not None and model.worker.serving:
            return model.worker
        if model.loading is None:
            model.loading = asyncio.create_task(self._load(model), name=f"load {name}")
            model.loading.add_done_callback(_collect)
        return await _joined(model.loading)

    async def _load(self, model: _Model) -> WorkerProcess:
        try:
            self._refuse_if_known_bad(model)
            await self._wait_after_crash(model)
            self._changed(model)
            return await self._start(model)
        finally:
            model.loading = None
            self._changed(model)

    def _refuse_if_known_bad(self, model: _Model) -> None:
        if self._closed:
            raise ModelUnloadable("Pointsman is shutting down.")
        if model.unloadable is None:
            return
        until, signature, sentence = model.unloadable
        if asyncio.get_running_loop().time() < until and signature == _signature(self._specs[model.name].path):
            raise ModelUnloadable(sentence)
        model.unloadable = None

    async def _wait_after_crash(self, model: _Model) -> None:
        now = asyncio.get_running_loop().time()
        match next_restart(model.crashes, model.crashed_at, now, self._timing.first_restart_wait):
            case GiveUp():
                raise ModelUnloadable(model.broken_sentence)
            case wait:
                await asyncio.sleep(wait.seconds)

    async def _start(self, model: _Model) -> WorkerProcess:
        spec = self._specs[model.name]
        log = self._log_dir / f"worker-{re.sub(r'[^A-Za-z0-9._-]', '_', spec.name)}.log"
        worker = WorkerProcess(spec.name, self._timing, lambda gone: self._died(model, gone))
        model.worker = worker
        model.starts += 1
        try:
            await worker.start(self._command(spec), log)
        except ModelUnloadable as error:
            until = asyncio.get_running_loop().time() + self._timing.unloadable_for
            model.unloadable = (until, _signature(spec.path), error.sentence)
            raise
        except WorkerDied as error:
            raise ModelUnloadable(error.sentence) from None
        except OSError:
            raise ModelUnloadable(f"The engine for {spec.name} cannot be started.") from None
        finally:
            if not worker.serving:
                model.worker = None
        return worker

    def _died(self, model: _Model, worker: WorkerProcess) -> None:
        if not worker.asked_to_stop:
            model.crashes += 1
            model.crashed_at = asyncio.get_running_loop().time()
        if model.worker is worker:
            model.worker = None
        self._changed(model)

    def _model(self, name: str) -> _Model:
        return self._models.setdefault(name, _Model(name))

    def _changed(self, model: _Model) -> None:
        self._on_change(model.name, self._state(model))

    def _state(self, model: _Model) -> WorkerState:
        worker = model.worker
        calls = list(worker.calls.values()) if worker else []
        state, sentence = _standing(model)
        return WorkerState(
            name=model.name,
            state=state,
            pid=worker.pid if worker else None,
            active=sum(call.started for call in calls),
            waiting=sum(not call.started for call in calls),
            resident_bytes=resident_bytes(worker.pid) if worker and worker.pid else 0,
            context=worker.ready.context if worker and worker.ready else None,
            restarts=max(0, model.starts - 1),
            sentence=sentence,
            tokens_per_second=worker.tokens_per_second if worker else None,
        )


def _standing(model: _Model) -> tuple[Literal["unloaded", "loading", "ready", "broken"], str]:
    if model.worker is not None and model.worker.serving:
        return "ready", ""
    if isinstance(next_restart(model.crashes, 0, 0), GiveUp):
        return "broken", model.broken_sentence
    if model.loading is not None:
        return "loading", ""
    if model.unloadable is not None:
        return "broken", model.unloadable[2]
    return "unloaded", ""


def _signature(path: str) -> object:
    """Changes when the person puts another file there."""
    try:
        facts = Path(path).stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size


def _collect(task: asyncio.Task[WorkerProcess]) -> None:
    if not task.cancelled():
        task.exception()


# Shielded: a caller that leaves must not take the load away from the others.
async def _joined(loading: asyncio.Task[WorkerProcess]) -> WorkerProcess:
    try:
        return await asyncio.shield(loading)
    except asyncio.CancelledError:
        if loading.cancelled():
            raise ModelUnloadable("The model was unloaded while it loaded.") from None
        raise
