"""What is measured: systems that answer, each in processes of its own, and what they use of the machine."""

from __future__ import annotations

import contextlib
import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import msgspec
import psutil

from pointsman.core.errors import SetupError

KEY = "sk-bench"
START = 180.0  # seconds that a system may take to its first answer
POLL = 0.002  # seconds between two tries


class System(msgspec.Struct, frozen=True):
    """One way to the upstream. `cold` is seconds from its start to its first answer; `tls` the port for the case of TLS."""

    name: str
    port: int
    pid: int
    key: str = KEY
    cold: float = 0.0
    tls: int | None = None


class Upstream(msgspec.Struct, frozen=True):
    """Where the upstream listens, and for TLS, if it does, whom to trust."""

    port: int
    tls_port: int | None = None
    ca_file: Path | None = None


class Place:
    """Where systems run: a scratch folder, and all processes that were started, to be ended together."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(
        self, name: str, command: Sequence[str], port: int, environment: Mapping[str, str] | None = None
    ) -> tuple[System, Callable[[], None]]:
        """A system that answers, and how to end it before the others."""
        log = (self.folder / f"{name.replace(' ', '-')}.log").open("ab")
        began = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        end = self._stack.enter_context(contextlib.ExitStack())
        end.callback(_end, process)
        _answers(name, process, port, Path(log.name))
        return System(name, port, process.pid, KEY, time.perf_counter() - began), end.close


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _answers(name: str, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + START
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            _probe(port)
            return
        time.sleep(POLL)
    said = log.read_text("utf-8", "replace").strip().splitlines()
    raise SetupError(f"{name} did not start: {said[-1].rstrip('.') if said else 'it said nothing'}.")


def _probe(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        connection.getresponse().read()
    finally:
        connection.close()


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def mock(place: Place, chunks: int = 32) -> System:
    """The upstream; a paced answer starts after 50 ms and has an event each 5 ms."""
    port = free_port()
    started, _ = place.start("direct", [str(place.folder / "mock"), str(port), str(chunks), "50", "5"], port)
    return msgspec.structs.replace(started, tls=port)


def bare(place: Place, upstream: Upstream) -> System:
    """A server and a client that many use, with nothing between."""
    port = free_port()
    command = [sys.executable, "-m", "pointsman.bench.bare_proxy", str(port), str(upstream.port)]
    return place.start("uvicorn + aiohttp", command, port)[0]


def tree(pid: int) -> list[psutil.Process]:
    """A process and all below it."""
    top = psutil.Process(pid)
    return [top, *top.children(recursive=True)]


def cpu_seconds(pid: int) -> float:
    """What a process and those below it have used of the processor."""
    times = [one.cpu_times() for one in tree(pid)]
    return float(sum(one.user + one.system for one in times))


def resident(pid: int) -> float:
    """Megabytes that a process and those below it hold."""
    return float(sum(one.memory_info().rss for one in tree(pid)) / 2**20)
