"""Starts the gateway as a process of its own, which outlives the tray."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from pointsman.core.errors import SetupError
from pointsman.system import paths

PATIENCE = 10.0


def gateway_command() -> list[str]:
    """How the gateway is started; a frozen app is its own interpreter."""
    own = [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-m", "pointsman"]
    return [*own, "gateway"]


class GatewayProcess:
    """One start at a time; `poll` also frees the process table of one that ended."""

    def __init__(self, home: paths.Paths, command: list[str] | None = None) -> None:
        self._home = home
        self._command = command or gateway_command()
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0.0

    @property
    def output(self) -> Path:
        """What the gateway printed since it was started from here."""
        return self._home.logs / "gateway-start.log"

    def start(self) -> str | None:
        """Start it; the sentence why not, where it cannot even be tried."""
        try:
            paths.make(self._home)
            with self.output.open("wb") as out:
                self._process = subprocess.Popen(
                    self._command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, **_detached()
                )
        except SetupError as error:
            return error.sentence
        except OSError as error:
            return f"The gateway could not be started ({error.strerror})."
        self._began = time.monotonic()
        return None

    def poll(self) -> str | None:
        """Why the start failed: it ended, or nothing answers after ten seconds; None while it may still come."""
        if self._process is None:
            return None
        code = self._process.poll()
        if code is not None:
            self._process = None
            return self._last_line() or f"It ended with code {code}."
        return "It did not answer within 10 seconds." if time.monotonic() - self._began > PATIENCE else None

    def _last_line(self) -> str:
        try:
            lines = self.output.read_text("utf-8", "replace").split("\n")
        except OSError:
            return ""
        return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "")


def _detached() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}
