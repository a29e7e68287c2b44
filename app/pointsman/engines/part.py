"""A file that is not all there yet: `NAME.part`, with what it will be in `NAME.part.json` beside it. Blocks; no network."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from pointsman.engines.hub import HubProblem
from pointsman.engines.hub_choice import Checksum

_BLOCK = 1 << 20


class WrongBytes(HubProblem):
    """The bytes are not those that the publisher promised; they are thrown away."""


class Promise(msgspec.Struct, frozen=True):
    """What a file's bytes must be."""

    size: int
    checksum: Checksum


class _Sidecar(msgspec.Struct, frozen=True):
    promise: Promise
    etag: str = ""


class Part:
    """Opened with what an earlier try left, as far as it belongs to the same bytes; the hash is worked out anew from it."""

    def __init__(self, target: Path, promise: Promise) -> None:
        self.target = target
        self.promise = promise
        self._part, self._sidecar = beside(target)
        self._hash = digest(promise)
        self._file: BinaryIO | None = None
        self.received = 0

    def open(self) -> None:
        """Read what is there. Raises `HubProblem` where the disk does not let us."""
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if _kept(self._sidecar) != self.promise:
                self._part.unlink(missing_ok=True)
                self.note("")
            self._file = self._part.open("a+b", buffering=0)
            self._file.seek(0)
            while self.received <= self.promise.size and (block := self._file.read(_BLOCK)):
                self._hash.update(block)
                self.received += len(block)
            if self.received > self.promise.size:
                self.restart()
        except OSError as error:
            raise disk_problem(error, self.target) from None

    def note(self, etag: str) -> None:
        """Write down which file the bytes belong to. Raises `HubProblem` for a full disk."""
        new = self._sidecar.with_name(f"{self._sidecar.name}.new")
        try:
            new.write_bytes(msgspec.json.encode(_Sidecar(self.promise, etag)))
            new.replace(self._sidecar)
        except OSError as error:
            raise disk_problem(error, self.target) from None

    def append(self, data: bytes | bytearray) -> None:
        """Write and hash. Raises `WrongBytes` for more than was promised, `HubProblem` for a full disk."""
        assert self._file is not None
        if self.received + len(data) > self.promise.size:
            self.discard()
            raise WrongBytes(f"{self.target.name} is longer than its publisher promised. It was thrown away.")
        view = memoryview(data)
        try:
            while view:
                written = self._file.write(view)
                self._hash.update(view[:written])
                self.received += written
                view = view[written:]
        except OSError as error:
            raise disk_problem(error, self.target) from None

    def restart(self) -> None:
        """Throw away the bytes and begin with the first."""
        assert self._file is not None
        self._file.truncate(0)
        self._hash = digest(self.promise)
        self.received = 0

    def finish(self) -> None:
        """Put the file in its place, whole and right. Raises `WrongBytes`; then nothing is left."""
        assert self._file is not None
        if self.received != self.promise.size or self._hash.hexdigest() != self.promise.checksum.hex:
            self.discard()
            raise WrongBytes(
                f"{self.target.name} is not what its publisher promised. It was thrown away; get it again."
            )
        try:
            os.fsync(self._file.fileno())
            self.close()
            self._part.replace(self.target)
            self._sidecar.unlink(missing_ok=True)
        except OSError as error:
            raise disk_problem(error, self.target) from None

    def close(self) -> None:
        """Keep what is there for another time."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def discard(self) -> None:
        """Leave nothing."""
        self.close()
        drop(self.target)


def beside(target: Path) -> tuple[Path, Path]:
    """Where the bytes are until they are all there, and what says which file they belong to."""
    return target.with_name(f"{target.name}.part"), target.with_name(f"{target.name}.part.json")


def drop(target: Path) -> None:
    """Remove what an unfinished download left."""
    for path in beside(target):
        path.unlink(missing_ok=True)


def there(target: Path) -> int:
    """How many bytes an unfinished download has."""
    try:
        return beside(target)[0].stat().st_size
    except OSError:
        return 0


def digest(promise: Promise) -> Any:
    """A hash that has seen nothing of the file yet."""
    if promise.checksum.kind == "sha256":
        return hashlib.sha256()
    return hashlib.sha1(b"blob %d\0" % promise.size, usedforsecurity=False)


def is_right(path: Path, promise: Promise, seen: Callable[[int], None] = lambda _count: None) -> bool:
    """Whether a file holds the promised bytes; `seen` is told how many were read, and may raise to stop it."""
    try:
        if path.stat().st_size != promise.size:
            return False
        total, found = 0, digest(promise)
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                found.update(block)
                total += len(block)
                seen(total)
    except OSError:
        return False
    return bool(found.hexdigest() == promise.checksum.hex)


def disk_problem(error: OSError, target: Path) -> HubProblem:
    """What the disk said, in one sentence."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return HubProblem(f"The disk is full, so {target.name} stops here. Free some space and resume it.")
    return HubProblem(f"{target.name} cannot be written to {target.parent} ({error.strerror}).")


def _kept(sidecar: Path) -> Promise | None:
    try:
        return msgspec.json.decode(sidecar.read_bytes(), type=_Sidecar).promise
    except (OSError, msgspec.DecodeError):
        return None
