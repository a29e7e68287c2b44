"""A program in a process of its own, forked off one that has read in what it needs: reading in is most of a start.

The gateway's own modules are read in by each program itself: its requests' ids begin with what is drawn as they are.
Only Linux forks what has loaded its libraries without risk; elsewhere `subprocess` starts each program anew.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.reduction import DupFd
from typing import Any

_CONTEXT: Any = multiprocessing.get_context("forkserver")
_LIBRARIES = ["genai_prices", "keyring", "tomlkit", "uvloop"]
_OURS = ["cli.app", "engines.supervisor", "providers.upstream", "store.ledger", "store.tables"]
_CONTEXT.set_forkserver_preload([*_LIBRARIES, *(f"pointsman.{name}" for name in _OURS)])


class Forked:
    """As much of `subprocess.Popen` as these tests need: all that it prints is one stream, all that it is given is here."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], given: str = "") -> None:
        (inner, writer), (reader, outer) = os.pipe(), os.pipe()
        with os.fdopen(inner) as stdin, os.fdopen(writer, "w") as to, os.fdopen(outer) as stdout:
            ends = DupFd(stdin.fileno()), DupFd(stdout.fileno())
            self._process = _CONTEXT.Process(target=_run, args=(*ends, argv, dict(environment)), daemon=True)
            self._process.start()
            to.write(given)
        self.stdout = os.fdopen(reader)
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        """Its exit code, once it has ended."""
        code: int | None = self._process.exitcode
        return code

    def wait(self, timeout: float) -> int:
        """Its exit code, when it has ended."""
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired("pointsman", timeout)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """To it alone."""
        os.kill(self.pid, number)


def _run(stdin: Any, stdout: Any, argv: Sequence[str], environment: Mapping[str, str]) -> None:
    """What `python *argv` is, in here."""
    assert "pointsman.gateway" not in sys.modules
    os.dup2(stdin.detach(), 0)
    os.dup2(stdout.detach(), 1)
    os.dup2(1, 2)
    sys.stdin = os.fdopen(0, closefd=False)
    os.environ.clear()
    os.environ.update(environment)
    if argv[0] == "-m":
        sys.argv = list(argv[1:])
        runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = list(argv)
        runpy.run_path(argv[0], run_name="__main__")
