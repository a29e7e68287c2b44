"""What was pulled: one record for each model, so that a pull outlives the gateway and only our own files are deleted."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from pointsman.engines import part
from pointsman.engines.hub import HubProblem
from pointsman.engines.hub_choice import HubFile, Source, matches
from pointsman.engines.part import Promise

_RECORDS = ".pulled"


class PulledFile(msgspec.Struct, frozen=True):
    """A file of a model: `ours` once we have downloaded it; `place` is where another program holds it, else empty."""

    path: str
    promise: Promise
    place: str = ""
    ours: bool = False


class Pull(msgspec.Struct, frozen=True, kw_only=True):
    """A model that was asked for. `running` and `paused` ones are not all there; only `done` ones are ever loaded."""

    name: str
    source: str
    repo: str
    endpoint: str
    commit: str
    files: tuple[PulledFile, ...]
    folder: bool = False
    state: Literal["running", "paused", "done"] = "running"
    program: str = ""

    @property
    def key(self) -> str:
        """The same for every pull of the same files."""
        return f"{self.repo.lower()}/{self.files[0].path.lower()}"

    @property
    def total(self) -> int:
        """Bytes of all its files."""
        return sum(file.promise.size for file in self.files)


class Shelf:
    """The folder of downloaded models, with its records."""

    def __init__(self, models: Path) -> None:
        self.models = models

    def all(self) -> list[Pull]:
        """Every record that can be read, in the order of their names."""
        return [pull for path in sorted(self._records.glob("*.json")) if (pull := _read(path)) is not None]

    def keep(self, pull: Pull) -> None:
        """Write the record, whole or not at all. Raises `HubProblem`."""
        path = self._record(pull)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            new = path.with_name(f"{path.name}.new")
            new.write_bytes(msgspec.json.encode(pull))
            new.replace(path)
        except OSError as error:
            raise part.disk_problem(error, path) from None

    def recorded(self, pull: Pull) -> Pull | None:
        """The record of the same files, as it was kept last."""
        return _read(self._record(pull))

    def place(self, pull: Pull, file: PulledFile) -> Path:
        """Where a file of it is, or will be."""
        return Path(file.place) if file.place else self.models / pull.repo / file.path

    def main(self, pull: Pull) -> Path:
        """What a worker is started with: the first GGUF file, or the folder."""
        first = self.place(pull, pull.files[0])
        return first.parent if pull.folder else first

    def whole(self, pull: Pull) -> bool:
        """Whether it was checked, and all of it is there still."""
        return pull.state == "done" and all(_size(self.place(pull, file)) == file.promise.size for file in pull.files)

    def find(self, source: Source) -> Pull | None:
        """What a source means, if it was pulled and is whole."""
        return next((pull for pull in self._of(source) if self.whole(pull)), None)

    def asked(self, source: Source) -> Pull | None:
        """The record of a source, whole or not."""
        return next(self._of(source), None)

    def _of(self, source: Source) -> Iterator[Pull]:
        pulls = self.all()
        yield from (pull for pull in pulls if pull.source.lower() == str(source).lower())
        yield from (pull for pull in pulls if _is_meant(source, pull))

    def received(self, pull: Pull) -> int:
        """Bytes of it that are on the disk."""
        return sum(self._received(self.place(pull, file), file) for file in pull.files)

    def _received(self, path: Path, file: PulledFile) -> int:
        return file.promise.size if _size(path) == file.promise.size else part.there(path)

    def delete(self, pull: Pull) -> int:
        """Delete the files that are ours, begun ones too, and the record; the bytes that this freed.

        Raises `HubProblem` where the disk does not let us; then the record stays.
        """
        freed = sum(self._delete(self.place(pull, file), file) for file in pull.files if not file.place)
        self._record(pull).unlink(missing_ok=True)
        return freed

    def _delete(self, path: Path, file: PulledFile) -> int:
        freed = part.there(path)
        try:
            part.drop(path)
            if file.ours:
                freed += _size(path)
                path.unlink(missing_ok=True)
        except OSError as error:
            raise HubProblem(f"{path} cannot be deleted ({error.strerror}). Does a program use it?") from None
        self._sweep(path.parent)
        return freed

    def _sweep(self, folder: Path) -> None:
        """Empty folders go with the last file, up to the folder of all models."""
        while folder != self.models and self.models in folder.parents:
            with contextlib.suppress(OSError):
                folder.rmdir()
            folder = folder.parent

    @property
    def _records(self) -> Path:
        return self.models / _RECORDS

    def _record(self, pull: Pull) -> Path:
        return self._records / f"{re.sub(r'[^a-z0-9._-]', '--', pull.key)}.json"


def _is_meant(source: Source, pull: Pull) -> bool:
    if pull.folder:
        return source.wanted is None and source.repo.lower() == pull.repo.lower()
    return matches(source, pull.repo, [HubFile(file.path) for file in pull.files])


def _read(path: Path) -> Pull | None:
    try:
        pull = msgspec.json.decode(path.read_bytes(), type=Pull)
    except (OSError, msgspec.DecodeError):
        return None
    return pull if pull.files else None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0
