"""A look at the machine and at model files, taken by a process that is thrown away after it.

Drivers of graphics devices crash, keep memory and print; a file's header may be hostile. None of it reaches us.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from typing import Literal

import msgspec
import psutil
from msgspec import Struct

from pointsman.core.model_shape import Shape
from pointsman.engines import worker_process
from pointsman.system import container, together

_LIMIT = 60.0  # seconds


class Device(Struct, frozen=True, kw_only=True):
    """A device that can compute; bytes of its memory."""

    name: str
    description: str
    kind: Literal["cpu", "gpu", "igpu", "other"]
    free: int
    total: int


class File(Struct, frozen=True, kw_only=True):
    """A model file: its shape, or the end of a sentence on why it has none."""

    path: str
    shape: Shape | None = None
    problem: str = ""


class Look(Struct, frozen=True, kw_only=True):
    """What was seen. `bandwidth` of main memory in bytes a second, None when it was not asked for."""

    devices: tuple[Device, ...] = ()
    files: tuple[File, ...] = ()
    bandwidth: float | None = None

    @property
    def gpus(self) -> tuple[Device, ...]:
        """Those that models can be moved to."""
        return tuple(one for one in self.devices if one.kind in ("gpu", "igpu"))


class MainMemory(Struct, frozen=True, kw_only=True):
    """Of the machine, or of the container that this process is in, in bytes."""

    total: int
    available: int


def main_memory() -> MainMemory:
    """Now."""
    found, ours = psutil.virtual_memory(), container.memory()
    total, available = int(found.total), int(found.available)
    if ours is None:
        return MainMemory(total=total, available=available)
    return MainMemory(total=min(total, ours.limit), available=min(available, ours.left))


def program() -> list[str]:
    """How this installation starts the process that looks."""
    if getattr(sys, "frozen", False):
        return [sys.executable, "worker", "look"]
    return [sys.executable, "-P", "-m", "pointsman.engines.llama_look"]


async def look(paths: Sequence[str] = (), *, bandwidth: bool = False, limit: float = _LIMIT) -> Look:
    """What the process saw; where it crashed or hung, no devices, and a problem for each file."""
    argv = [*program(), *(["--bandwidth"] if bandwidth else []), *paths]
    said = b""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=worker_process.environment(),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        together.bind(process.pid)
        said = await _heard(process, limit)
        return msgspec.json.decode(said, type=Look)
    except (OSError, TimeoutError, msgspec.DecodeError):
        return Look(files=tuple(File(path=path, problem="its header could not be read") for path in paths))


async def _heard(process: asyncio.subprocess.Process, limit: float) -> bytes:
    try:
        said, _ = await asyncio.wait_for(process.communicate(), limit)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return said
