"""The gateway's side of the local engines: which worker runs, and one answer from it."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from pathlib import Path

from pointsman.engines import protocol
from pointsman.engines.failures import ModelUnloadable, UnreadableModel, WorkerDied
from pointsman.engines.local_model import LocalModel, WorkerSpec, WorkerState, signature, worker_command
from pointsman.engines.memory import resident_bytes
from pointsman.engines.restart import GiveUp, next_restart
from pointsman.engines.rooms import Rooms
from pointsman.engines.steward import Steward
from pointsman.engines.worker_process import Timing, WorkerProcess

__all__ = ["ModelUnloadable", "Supervisor", "Timing", "WorkerDied", "WorkerSpec", "WorkerState", "worker_command"]

_USUAL = Timing()


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
        self._models: dict[str, LocalModel] = {}
        self._rooms = Rooms(self._models, self._changed)
        self._closed = False

    def ask(self, steward: Steward) -> None:
        """From now on models are loaded only where the steward finds room, and leave when they are idle."""
        self._rooms.steward = steward

    async def chat(self, name: str, command: protocol.Asked) -> AsyncGenerator[protocol.Answer, None]:
        """Events up to `End` or `Failed`. Raises `ModelUnloadable` before the first, `WorkerDied` at any time.

        Closing the iterator, or cancelling its task, cancels the request in the worker.
        """
        model = self._known(name)
        with self._using(model):
            worker = await self._ensure(name)
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

    @contextlib.contextmanager
    def _using(self, model: LocalModel) -> Iterator[None]:
        """A model is in use from before it is loaded until after its answer."""
        model.users += 1
        try:
            yield
        finally:
            model.users -= 1
            model.used = asyncio.get_running_loop().time()
            self._rooms.move()

    def use(self, specs: Mapping[str, WorkerSpec]) -> None:
        """Other models from now on. A loaded model keeps its worker until it is unloaded or restarted."""
        self._specs = specs

    def path(self, name: str) -> str | None:
        """Where a model lies, None where none is called that."""
        return self._specs[name].path if name in self._specs else None

    async def ensure(self, name: str) -> None:
        """Return when the model is loaded, or raise `ModelUnloadable`."""
        with self._using(self._known(name)):
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
            model.takes = {}
        self._changed(model)

    def reset(self, name: str) -> None:
        """Let a broken model be tried again."""
        if (model := self._models.get(name)) is not None:
            model.forgive()
            self._changed(model)

    async def close(self) -> None:
        """End every worker, within a few seconds; nothing starts after this."""
        self._closed = True
        await self._rooms.close()
        await asyncio.gather(*(self.unload(name) for name in list(self._models)))

    def states(self) -> tuple[WorkerState, ...]:
        """One for each model that is configured, in that order."""
        return tuple(self._state(self._model(name)) for name in self._specs)

    async def _ensure(self, name: str) -> WorkerProcess:
        model = self._known(name)
        while model.ending is not None:
            await asyncio.wait({model.ending})
        if model.worker is not None and model.worker.serving:
            return model.worker
        if model.loading is None:
            model.loading = asyncio.create_task(self._load(model), name=f"load {name}")
            model.loading.add_done_callback(_collect)
        return await _joined(model.loading)

    def _known(self, name: str) -> LocalModel:
        if name not in self._specs:
            raise ModelUnloadable(f"No local model is called {name}.")
        return self._model(name)

    async def _load(self, model: LocalModel) -> WorkerProcess:
        try:
            self._refuse_if_known_bad(model)
            await self._wait_after_crash(model)
            self._changed(model)
            worker = await self._start(model, await self._placed(model))
            self._rooms.keep()
            return worker
        finally:
            model.loading = None
            if model.worker is None:
                model.takes = {}
            self._changed(model)

    async def _placed(self, model: LocalModel) -> WorkerSpec:
        """How it is loaded into what is free."""
        spec = self._specs[model.name]
        if spec.engine == "mlx":
            await self._rooms.take_metal(model, self._timing.room_wait)
        try:
            return await self._rooms.make(model, spec, self._timing.room_wait)
        except UnreadableModel as error:
            self._note(model, spec.path, error.sentence)
            raise

    def _refuse_if_known_bad(self, model: LocalModel) -> None:
        if self._closed:
            raise ModelUnloadable("Pointsman is shutting down.")
        if model.unloadable is None:
            return
        until, known, sentence = model.unloadable
        if asyncio.get_running_loop().time() < until and known == signature(self._specs[model.name].path):
            raise ModelUnloadable(sentence)
        model.unloadable = None

    async def _wait_after_crash(self, model: LocalModel) -> None:
        now = asyncio.get_running_loop().time()
        match next_restart(model.crashes, model.crashed_at, now, self._timing.first_restart_wait):
            case GiveUp():
                raise ModelUnloadable(model.broken_sentence)
            case wait:
                await asyncio.sleep(wait.seconds)

    async def _start(self, model: LocalModel, spec: WorkerSpec) -> WorkerProcess:
        log = self._log_dir / f"worker-{re.sub(r'[^A-Za-z0-9._-]', '_', spec.name)}.log"
        worker = WorkerProcess(spec.name, self._timing, lambda gone: self._died(model, gone))
        model.worker = worker
        model.starts += 1
        try:
            await worker.start(self._command(spec), log)
        except ModelUnloadable as error:
            self._note(model, spec.path, error.sentence)
            raise
        except WorkerDied as error:
            raise ModelUnloadable(error.sentence) from None
        except OSError:
            raise ModelUnloadable(f"The engine for {spec.name} cannot be started.") from None
        finally:
            if not worker.serving:
                model.worker = None
        return worker

    def _note(self, model: LocalModel, path: str, sentence: str) -> None:
        """Why it cannot be loaded, so that it is not tried again at once."""
        until = asyncio.get_running_loop().time() + self._timing.unloadable_for
        model.note(path, sentence, until)

    def _died(self, model: LocalModel, worker: WorkerProcess) -> None:
        if not worker.asked_to_stop:
            model.crashes += 1
            model.crashed_at = asyncio.get_running_loop().time()
        if model.worker is worker:
            model.worker = None
            model.takes = {}
        self._changed(model)

    def _model(self, name: str) -> LocalModel:
        return self._models.setdefault(name, LocalModel(name))

    def _changed(self, model: LocalModel) -> None:
        self._on_change(model.name, self._state(model))
        self._rooms.move()

    def _state(self, model: LocalModel) -> WorkerState:
        worker = model.worker
        calls = list(worker.calls.values()) if worker else []
        state, sentence = model.standing()
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
