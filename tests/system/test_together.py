"""Processes that end with ours: what Windows is asked, by a kernel that writes it down, and what Linux really does."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from pointsman.system import together

JOB, PROCESS = 0x1_0000_0004, 0x1_0000_0008  # beyond 32 bits, as handles may be


class Kernel:
    """Keeps what it is asked; `fails` names the calls that fail."""

    def __init__(self, *fails: str) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.CreateJobObjectW = self._said("create", 0 if "create" in fails else JOB)
        self.SetInformationJobObject = self._said("set", "set" not in fails)
        self.OpenProcess = self._said("open", 0 if "open" in fails else PROCESS)
        self.AssignProcessToJobObject = self._said("assign", "assign" not in fails)
        self.CloseHandle = self._said("close", True)

    def _said(self, name: str, result: Any) -> Any:
        def call(*given: Any) -> Any:
            if name == "set":
                given = (*given[:2], bytes(given[2]._obj), given[3])
            self.calls.append((name, *given))
            return result

        return call


def test_a_process_joins_the_job() -> None:
    """One job that kills what is in it when its last handle goes; ours is never closed, that of the process is."""
    kernel = Kernel()
    job = together.Job(kernel)
    assert job.take(77) and job.take(78)
    names = [name for name, *_ in kernel.calls]
    assert names == ["create", "set", *["open", "assign", "close"] * 2]
    _, handle, kind, limits, size = kernel.calls[1]
    assert (handle, kind) == (JOB, 9) and size == len(limits)
    assert kernel.calls[2:5] == [("open", 0x101, False, 77), ("assign", JOB, PROCESS), ("close", PROCESS)]


def test_the_limits_lie_where_windows_looks() -> None:
    """The structure has its documented size, and the one flag its place."""
    kernel = Kernel()
    together.Job(kernel)
    limits = kernel.calls[1][3]
    assert len(limits) == 144
    assert int.from_bytes(limits[16:20], "little") == 0x2000 and not any(limits[:16] + limits[20:])


def test_handles_are_not_cut() -> None:
    """Each function is told that handles are as wide as pointers."""
    kernel = Kernel()
    together.Job(kernel)
    for function in (kernel.CreateJobObjectW, kernel.OpenProcess):
        assert ctypes.sizeof(function.restype) == ctypes.sizeof(ctypes.c_void_p)
    for function in (kernel.SetInformationJobObject, kernel.AssignProcessToJobObject, kernel.CloseHandle):
        assert ctypes.sizeof(function.argtypes[0]) == ctypes.sizeof(ctypes.c_void_p)


@pytest.mark.parametrize("fails", ["create", "set", "open", "assign"])
def test_what_does_not_work_is_said(fails: str) -> None:
    """A process that is not in the job is not called bound, and no handle of it stays open."""
    kernel = Kernel(fails)
    assert not together.Job(kernel).take(77)
    names = [name for name, *_ in kernel.calls]
    assert names.count("close") == (fails == "assign")


def test_bind_on_windows(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Where a process cannot be bound the log says so, and it is started all the same."""
    made = [together.Job(Kernel()), together.Job(Kernel("assign"))]
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(together, "_job", lambda: made[0])
    together.bind(77)
    assert not caplog.records
    monkeypatch.setattr(together, "_job", lambda: made[1])
    together.bind(77)
    assert "77 cannot be bound" in caplog.text


def test_elsewhere_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no job."""
    if sys.platform != "win32":
        monkeypatch.setattr(together, "_job", None)
        together.bind(os.getpid())


def test_a_worker_that_cannot_listen_ends_with_its_gateway() -> None:
    """Killed without a word, a gateway takes even a worker along that is stopped and so never sees the end of its input."""
    starter = Path(__file__).resolve().parents[2] / "resources" / "starter" / "starter.gguf"
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from pointsman.engines.supervisor import Supervisor, WorkerSpec\n"
        "async def main():\n"
        "    house = Supervisor({'m': WorkerSpec(name='m', path=sys.argv[1], threads=1)}, Path(sys.argv[2]))\n"
        "    await house.ensure('m'); print(house.states()[0].pid, flush=True); await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    argv = [sys.executable, "-P", "-c", code, str(starter), os.environ["POINTSMAN_HOME"]]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as gateway:
        assert gateway.stdout is not None
        worker = psutil.Process(int(gateway.stdout.readline()))
        if sys.platform != "win32":
            os.kill(worker.pid, signal.SIGSTOP)
        gateway.kill()
        gateway.wait()
        psutil.wait_procs([worker], timeout=20)
        assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
