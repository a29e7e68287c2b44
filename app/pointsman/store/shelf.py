"""The folder of sealed files: one for each request, in a folder for each day (UTC), named by time and request."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

_NAME = re.compile(r"(\d{15})-([A-Za-z0-9_.-]{1,100})\.sealed")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_PART = ".part"
_BLOCK = 4096  # the least that a file takes on the usual disks
_ROOM = 0.95  # eviction makes this much room, so that it does not look at every file again at once


class File(Struct, frozen=True):
    """One sealed file; `at` is when its request came, `size` what it takes of the disk."""

    path: Path
    request: str
    at: float
    size: int


class Shelf:
    """Plain files, for one thread. What is not ours in the folder is neither counted nor touched."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._total: int | None = None

    def put(self, request: str, at: float, data: bytes) -> None:
        """Write a file whole or not at all. Raises `OSError`."""
        name = f"{int(at * 1000):015}-{request}.sealed"
        if not _NAME.fullmatch(name):
            raise ValueError("this request's id cannot be a file's name")
        total = self.total()
        day = self._folder / f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"
        day.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = day / (name + _PART)
        try:
            _write(part, data)
            part.replace(day / name)  # no fsync: a file torn by a power cut is found out by its seal
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink()
            raise
        self._total = total + _room(len(data))

    def total(self) -> int:
        """What all files take; counted once, then kept."""
        if self._total is None:
            self._clear_parts()
            self._total = sum(file.size for file in self.files())
        return self._total

    def find(self, request: str) -> Path | None:
        """The file of a request."""
        return next((file.path for file in self.files() if file.request == request), None)

    def files(self) -> Iterator[File]:
        """Every file, the oldest first."""
        for day in self._days():
            with contextlib.suppress(FileNotFoundError), os.scandir(day) as entries:
                for entry in sorted(entries, key=lambda one: one.name):
                    if (named := _NAME.fullmatch(entry.name)) and entry.is_file(follow_symlinks=False):
                        yield File(Path(entry.path), named[2], int(named[1]) / 1000, _room(entry.stat().st_size))

    def evict(self, most: int, before: float) -> None:
        """Remove what is older than `before`, and the oldest of the rest until all take less than `most` bytes."""
        files = list(self.files())
        self._total = sum(file.size for file in files)
        enough = most if self._total <= most else int(most * _ROOM)
        for file in files:
            if file.at >= before and self._total <= enough:
                break
            self._remove(file)
        self._clear_days()

    def forget(self, wanted: Callable[[File], bool]) -> int:
        """Remove the files that are wanted gone; how many."""
        gone = [file for file in self.files() if wanted(file)]
        for file in gone:
            self._remove(file)
        self._clear_days()
        return len(gone)

    def _remove(self, file: File) -> None:
        file.path.unlink(missing_ok=True)
        self._total = self.total() - file.size

    def _days(self) -> list[Path]:
        with contextlib.suppress(FileNotFoundError):
            return sorted(day for day in self._folder.iterdir() if _DAY.fullmatch(day.name))
        return []

    def _clear_days(self) -> None:
        for day in self._days():
            with contextlib.suppress(OSError):  # only empty folders go
                day.rmdir()

    def _clear_parts(self) -> None:
        """What a crash left half written."""
        for day in self._days():
            for part in day.glob("*" + _PART):
                part.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(file, "wb") as sink:
        sink.write(data)


def _room(size: int) -> int:
    return -(-max(size, 1) // _BLOCK) * _BLOCK
