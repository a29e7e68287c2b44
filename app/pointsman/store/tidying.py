"""What a database engine puts off is done every so many commits, in a thread of its own: nobody waits for the disk."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

_EVERY = 1_000  # commits, each of about ten pages of 4 KB; many write the same pages


class Tidier:
    """Counts the commits; `tidy` is as in `Backend`. `behind` where tidying beside the writer did not keep up with it."""

    def __init__(self, tidy: Callable[[], bool] | None) -> None:
        self._tidy = tidy
        self._commits = 0
        self._thread: threading.Thread | None = None
        self.behind = False

    def committed(self) -> None:
        """Something was committed; by turns, called by whoever did it."""
        if self._tidy is None:
            return
        self._commits += 1
        if self._commits >= _EVERY and not (self.behind or (self._thread and self._thread.is_alive())):
            self._commits = 0
            thread = threading.Thread(target=self._beside, args=(self._tidy,), name="store-tidier", daemon=True)
            with contextlib.suppress(RuntimeError):  # no more threads are to be had: it is tried again
                thread.start()
                self._thread = thread

    def catch_up(self) -> None:
        """Where it is behind: tidy while nobody writes, as the caller promises. That takes many milliseconds."""
        if self.behind and self._tidy is not None:
            self.behind = False
            with contextlib.suppress(Exception):  # a disk that is full says so at the next commit
                self._tidy()

    def close(self) -> None:
        """Wait for the end of what is under way."""
        if self._thread is not None:
            self._thread.join()

    def _beside(self, tidy: Callable[[], bool]) -> None:
        with contextlib.suppress(Exception):
            self.behind = not tidy()
