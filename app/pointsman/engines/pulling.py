"""One model on its way: found on this machine, or fetched file by file; how fast, and what stands in the way."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections import deque
from collections.abc import Callable
from typing import Literal, TypeVar

import msgspec

from pointsman.engines import download, found, part
from pointsman.engines.download import Line, Remote, Watcher
from pointsman.engines.hub import HubProblem, Listing
from pointsman.engines.hub_choice import HubFile, Source, choose
from pointsman.engines.part import Promise
from pointsman.engines.shelf import Pull, PulledFile, Shelf

_WINDOW = 10.0  # seconds over which the speed is taken
KEPT_FREE = 1 << 30  # bytes that a download leaves on the disk for everything else
_GB = 1e9
State = Literal["waiting", "checking", "downloading", "retrying", "paused", "failed", "done"]


class Pace:
    """Bytes a second over the last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, now: float, count: int) -> None:
        """So many bytes by now; fewer than before begins anew."""
        if self._seen and count < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((now, count))
        while now - self._seen[0][0] > _WINDOW and len(self._seen) > 2:
            self._seen.popleft()

    def speed(self, now: float) -> float | None:
        """None until there is something to go by."""
        if not self._seen or now <= self._seen[0][0]:
            return None
        return (self._seen[-1][1] - self._seen[0][1]) / (now - self._seen[0][0])


def planned(name: str, source: Source, endpoint: str, listing: Listing) -> Pull:
    """What to fetch for a source. Raises `PointsmanError` where there is nothing, or nothing that can be checked."""
    choice = choose(source, listing.files)
    files = tuple(PulledFile(file.path, _promise(listing.repo, file)) for file in choice.files)
    return Pull(
        name=name,
        source=str(source),
        repo=listing.repo,
        endpoint=endpoint,
        commit=listing.commit,
        files=files,
        folder=choice.folder,
    )


def _promise(repo: str, file: HubFile) -> Promise:
    if file.size is None or file.checksum is None:
        raise HubProblem(
            f"The hub does not say what the bytes of {repo}/{file.path} must be, so they cannot be checked. "
            "Nothing is downloaded."
        )
    return Promise(file.size, file.checksum)


class Pulling(Watcher):
    """A pull under way: what a person sees of it, and the work itself."""

    def __init__(self, pull: Pull, shelf: Shelf, clock: Callable[[], float], changed: Callable[[], None]) -> None:
        self.pull = pull
        self.shelf = shelf
        self.state: State = "waiting"
        self.sentence = ""
        self.page = ""
        self.count = shelf.received(pull)
        self.pace = Pace()
        self._before = 0
        self._clock = clock
        self._changed = changed

    @property
    def left(self) -> int:
        """Bytes that are still to come."""
        return max(0, self.pull.total - self.count)

    def say(self, state: State, sentence: str = "", page: str = "") -> None:
        """It is in this state now; `page` is where a licence has to be accepted first."""
        self.state, self.sentence, self.page = state, sentence, page
        if state != "downloading":
            self.pace = Pace()
        self._changed()

    def received(self, count: int) -> None:
        """Bytes of the file that is being fetched."""
        self.count = self._before + count
        self.pace.note(self._clock(), self.count)
        if self.state != "downloading":
            self.state, self.sentence = "downloading", ""
        self._changed()

    def waits(self, sentence: str) -> None:
        """The connection is gone; the next try comes by itself."""
        self.say("retrying", sentence)

    async def run(self, line: Line, where: found.Places) -> Pull:
        """Have all files, right and in their places; the record as it is then. Raises `PointsmanError`."""
        self.say("checking")
        elsewhere = await _stoppable(lambda stopped: self._elsewhere(where, stopped))
        if elsewhere is not None:
            return self._done(elsewhere)
        self._before = 0
        for file in self.pull.files:
            await self._have(line, file)
            self._before += file.promise.size
        return self._done(self.pull)

    def _done(self, pull: Pull) -> Pull:
        self.keep(msgspec.structs.replace(pull, state="done"))
        self.count = self.pull.total
        return self.pull

    def keep(self, pull: Pull) -> None:
        """This is its record from now on."""
        self.pull = pull
        self.shelf.keep(pull)

    async def _have(self, line: Line, file: PulledFile) -> None:
        """One file, by what is there already or from the hub. A file that is not ours is never written over."""
        target = self.shelf.place(self.pull, file)
        if target.exists():
            begun = part.beside(target)[1].exists()
            self.say("checking")
            if await _stoppable(lambda stopped: part.is_right(target, file.promise, _stop(stopped))):
                part.drop(target)
                self._own(file, ours=begun or file.ours)
                return
            if not (begun or file.ours):
                raise HubProblem(f"Another file lies at {target}. Move it away, then pull again.")
        remote = Remote(self.pull.repo, self.pull.commit, file.path, file.promise)
        await download.fetch(line, remote, target, self)
        self._own(file, ours=True)

    def _own(self, file: PulledFile, *, ours: bool) -> None:
        files = tuple(
            msgspec.structs.replace(one, ours=ours) if one.path == file.path else one for one in self.pull.files
        )
        self.keep(msgspec.structs.replace(self.pull, files=files))

    def _elsewhere(self, where: found.Places, stopped: threading.Event) -> Pull | None:
        """The same model as another program holds it, byte for byte."""
        files = tuple(HubFile(file.path, file.promise.size, file.promise.checksum) for file in self.pull.files)
        for held in found.candidates(where, self.pull.repo, files):
            pairs = list(zip(held, self.pull.files, strict=True))
            if all(part.is_right(one.path, file.promise, _stop(stopped)) for one, file in pairs):
                places = tuple(PulledFile(file.path, file.promise, str(one.path)) for one, file in pairs)
                return msgspec.structs.replace(self.pull, files=places, program=held[0].program)
        return None


Result = TypeVar("Result")


class _Stopped(Exception):
    """Nobody wants to know any more."""


def _stop(stopped: threading.Event) -> Callable[[int], None]:
    def look(_count: int) -> None:
        if stopped.is_set():
            raise _Stopped

    return look


async def _stoppable(call: Callable[[threading.Event], Result]) -> Result:
    """Reading of large files, off the loop; a cancel ends it soon."""
    stopped = threading.Event()
    try:
        return await asyncio.to_thread(call, stopped)
    finally:
        stopped.set()


def room(shelf: Shelf, needed: int) -> None:
    """Refuse what the disk cannot hold. Raises `HubProblem` with the numbers."""
    folder = shelf.models
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed + KEPT_FREE > free:
        missing = (needed + KEPT_FREE - free) / _GB
        raise HubProblem(
            f"Not enough space: {needed / _GB:.1f} GB are still to come and 1.1 GB stay free, but {folder} has "
            f"{free / _GB:.1f} GB. Free {missing:.1f} GB, or take a smaller model."
        )
