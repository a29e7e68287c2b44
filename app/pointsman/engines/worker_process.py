"""One life of one worker: its process, the two pipes, and the requests under way in it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import IO

import msgspec

from pointsman.engines import protocol
from pointsman.engines.failures import ModelUnloadable, WorkerDied
from pointsman.system import together

_log = logging.getLogger(__name__)

_LINE_LIMIT = 16 << 20
_LOG_LIMIT = 5 << 20
_LAST_BREATH = 1.0  # seconds from the end of its output to its exit
_RATED_ANSWERS = 8
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
_DIED = None  # what a request's queue holds when no more will come


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for a worker, in seconds."""

    ping_every: float = 5.0
    hang_after: float = 30.0
    load_limit: float = 600.0
    quit_limit: float = 2.0
    first_restart_wait: float = 0.5
    unloadable_for: float = 30.0
    room_wait: float = 30.0


class Call:
    """One request under way: the events that came for it, whether it has a slot, and when its text began."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[protocol.Answer | None] = asyncio.Queue()
        self.started = False
        self.ended = False
        self.text_since: float | None = None


class WorkerProcess:
    """Started once, never again. `on_death` is called once when the process is gone."""

    def __init__(self, name: str, timing: Timing, on_death: Callable[[WorkerProcess], None]) -> None:
        self.name = name
        self.calls: dict[str, Call] = {}
        self.ready: protocol.Ready | None = None
        self.pong: protocol.Pong | None = None
        self.dead = False
        self.asked_to_stop = False
        self.hung = False
        self._counted = False
        self._timing = timing
        self._on_death = on_death
        self._heard = False
        self._said: asyncio.Future[protocol.Ready | protocol.Unloadable | None]
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None]
        self._heart: asyncio.Task[None] | None = None
        self._rates: deque[tuple[int, float]] = deque(maxlen=_RATED_ANSWERS)

    @property
    def pid(self) -> int | None:
        """None before the process is there and after it is gone."""
        return None if self._process is None or self.dead else self._process.pid

    @property
    def serving(self) -> bool:
        """Loaded, and not known to be dead."""
        return self.ready is not None and not self.dead

    @property
    def tokens_per_second(self) -> float | None:
        """Of one answer, over the last few; without the time for their prompts."""
        seconds = sum(seconds for _, seconds in self._rates)
        return sum(tokens for tokens, _ in self._rates) / seconds if seconds else None

    async def start(self, argv: Sequence[str], log: Path) -> protocol.Ready:
        """Return when the model is loaded. Raises `ModelUnloadable`, or `WorkerDied` on a crash while loading."""
        self._said = asyncio.get_running_loop().create_future()
        with _open_log(log) as stderr:
            process = await _spawn(argv, stderr)
        self._process = process
        self._reader = asyncio.create_task(self._read(process), name=f"worker {self.name}")
        try:
            said = await asyncio.wait_for(self._said, self._timing.load_limit)
        except TimeoutError:
            limit = self._timing.load_limit
            raise ModelUnloadable(f"{self.name} was not loaded within {limit:.0f} seconds.") from None
        finally:
            if self.ready is None:
                self._stop_now()
                await self._gone()
        if isinstance(said, protocol.Unloadable):
            raise ModelUnloadable(said.message)
        if said is None:
            raise WorkerDied(f"The engine for {self.name} crashed while it loaded the model.")
        return said

    async def chat(self, command: protocol.Asked) -> AsyncGenerator[protocol.Answer, None]:
        """The events of one answer; closing the iterator early cancels the request in the worker."""
        if self.dead:
            raise self._death()
        if command.id in self.calls:
            raise ValueError("a request with this id is under way")
        call = self.calls[command.id] = Call()
        try:
            self._send(command)
            self._start_heart()
            while True:
                event = await call.events.get()
                if event is _DIED:
                    raise self._death()
                yield event
                if isinstance(event, protocol.End | protocol.Failed):
                    return
        finally:
            del self.calls[command.id]
            if not call.ended and not self.dead:
                self._send(protocol.Cancel(command.id))

    async def quit(self) -> None:
        """Ask it to exit, kill it when it does not; returns within two `quit_limit`."""
        if self._process is None:
            return
        self.asked_to_stop = True
        self._send(protocol.Quit())
        await self._gone()
        self._kill()
        await self._gone()

    async def _gone(self) -> None:
        await asyncio.wait({self._reader}, timeout=self._timing.quit_limit)

    def _stop_now(self) -> None:
        # A worker that already died by itself keeps its crash.
        self.asked_to_stop = self.asked_to_stop or not self.dead
        self._kill()

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def _send(self, command: protocol.Command) -> None:
        stdin = self._process.stdin if self._process else None
        if stdin is not None and not stdin.is_closing():
            stdin.write(protocol.encode(command))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        try:
            while line := await process.stdout.readline():
                self._heard = True
                self._take(protocol.decode_event(line))
        except (ValueError, OSError):
            self._kill()  # what it says can no longer be trusted (a decode error is a ValueError)
        finally:
            await self._bury(process)

    async def _bury(self, process: asyncio.subprocess.Process) -> None:
        try:
            await asyncio.wait_for(process.wait(), _LAST_BREATH)
        except TimeoutError:
            self._kill()
            await process.wait()
        self.dead = True
        if not self.asked_to_stop:
            _log.warning("the worker of %s ended by itself with code %s", self.name, process.returncode)
        if process.stdin is not None:
            process.stdin.close()
        if self._heart is not None:
            self._heart.cancel()
        self._first(None)
        for call in self.calls.values():
            call.events.put_nowait(_DIED)
        self._on_death(self)

    def _take(self, event: protocol.Event) -> None:
        match event:
            case protocol.Ready():
                self.ready = event
                self._first(event)
            case protocol.Unloadable():
                self.asked_to_stop = True
                self._first(event)
            case protocol.Pong():
                self.pong = event
            case _:
                self._deliver(event)

    def _first(self, event: protocol.Ready | protocol.Unloadable | None) -> None:
        if not self._said.done():
            self._said.set_result(event)

    def _deliver(self, event: protocol.Answer) -> None:
        call = self.calls.get(event.id)
        if call is None:
            return  # its consumer left; the worker is ending it
        call.started = True
        call.ended = isinstance(event, protocol.End | protocol.Failed)
        self._time(call, event)
        call.events.put_nowait(event)

    def _time(self, call: Call, event: protocol.Answer) -> None:
        if isinstance(event, protocol.Text | protocol.Calls) and call.text_since is None:
            call.text_since = time.monotonic()
        elif isinstance(event, protocol.End) and call.text_since is not None and event.completion_tokens > 1:
            self._rates.append((event.completion_tokens - 1, time.monotonic() - call.text_since))

    def _start_heart(self) -> None:
        if self._heart is None or self._heart.done():
            self._heart = asyncio.create_task(self._beat(), name=f"heartbeat {self.name}")

    async def _beat(self) -> None:
        """Counts silent intervals rather than seconds: a laptop that slept must not look like a hang."""
        silent = 0
        while self.calls:
            self._heard = False
            self._send(protocol.Ping())
            await asyncio.sleep(self._timing.ping_every)
            silent = 0 if self._heard else silent + 1
            if self.calls and silent * self._timing.ping_every >= self._timing.hang_after:
                self.hung = True
                self._kill()
                return

    def _death(self) -> WorkerDied:
        """For one more of its requests; the first of them counts."""
        first, self._counted = not self._counted, True
        return WorkerDied(self._obituary(), fault=first and not self.asked_to_stop)

    def _obituary(self) -> str:
        if self.hung:
            return f"The engine for {self.name} hung and was ended."
        if self.asked_to_stop:
            return f"{self.name} was unloaded before the answer was complete."
        return f"The engine for {self.name} crashed before the answer was complete."


async def _spawn(argv: Sequence[str], stderr: IO[bytes]) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        limit=_LINE_LIMIT,
        env=environment(),
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    together.bind(process.pid)
    return process


def environment() -> dict[str, str]:
    """Ours without anything that looks like a secret: a worker needs none."""
    kept = {name: value for name, value in os.environ.items() if not _SECRET.search(name)}
    return {**kept, "OMP_WAIT_POLICY": "passive"}


def _open_log(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = "wb" if path.exists() and path.stat().st_size > _LOG_LIMIT else "ab"
    return path.open(mode)


def program(engine: str) -> list[str]:
    """How this installation starts a worker; a frozen application has no `-m`."""
    if getattr(sys, "frozen", False):
        return [sys.executable, "worker", *(["mlx"] if engine == "mlx" else [])]
    return [sys.executable, "-P", "-m", f"pointsman.engines.{'mlx' if engine == 'mlx' else 'llama'}_worker"]
