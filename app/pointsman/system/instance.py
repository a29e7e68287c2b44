"""One gateway for each home: a lock that dies with its process, and a file that says where it listens."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import psutil
from filelock import FileLock, Timeout

from pointsman.core.errors import SetupError


class Runtime(msgspec.Struct, frozen=True, kw_only=True):
    """What the running gateway says of itself; the token opens the admin door."""

    pid: int
    port: int
    admin_port: int
    token: str
    version: str
    started: float

    @property
    def address(self) -> str:
        """Where agents point."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def admin(self) -> str:
        """Where tray and command line ask."""
        return f"http://127.0.0.1:{self.admin_port}"


def hold(lock: Path) -> FileLock:
    """Take the lock of this home, or say that another gateway has it."""
    held = FileLock(lock)
    try:
        held.acquire(timeout=0)
    except Timeout:
        raise SetupError(
            "Pointsman is already running for this home. Use it, or end it with 'pointsman gateway --stop'."
        ) from None
    return held


def publish(path: Path, runtime: Runtime) -> None:
    """Write the runtime file in one step, readable by its owner alone."""
    partial = path.with_suffix(".part")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(runtime))
    partial.replace(path)


def read(path: Path) -> Runtime | None:
    """The gateway that runs, or None: no file, an unreadable one, or one whose process is gone."""
    try:
        runtime = msgspec.json.decode(path.read_bytes(), type=Runtime)
    except (OSError, msgspec.DecodeError):
        return None
    return runtime if psutil.pid_exists(runtime.pid) else None
