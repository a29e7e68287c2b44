"""A coroutine that counts where it waits, and is cancelled at the place it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any


class Stepped(Coroutine[Any, Any, None]):
    """Runs the inner one; when it waits for the time `at`, `cancel` is called: at once, or `woken`, as its wait is over.

    Woken, it is told of its cancel together with what it waited for. `again` cancels once more at the next wait.
    """

    def __init__(self, inner: Coroutine[Any, Any, None], at: int, cancel: Callable[[], object], how: str) -> None:
        self._inner = inner
        self._at = at
        self._cancel = cancel
        self._how = how
        self.waits = 0

    @property
    def reached(self) -> bool:
        """Whether it came to the place."""
        return self.waits >= self._at

    def send(self, value: Any) -> Any:
        """A step."""
        return self._waiting(self._inner.send(value))

    def throw(self, *what: Any) -> Any:
        """A step, into which something is thrown."""
        return self._waiting(self._inner.throw(*what))

    def close(self) -> None:
        """The end."""
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, None]:
        """As any coroutine."""
        return self._inner.__await__()

    def _waiting(self, future: Any) -> Any:
        self.waits += 1
        if self.waits == self._at or (self._how == "again" and self.waits == self._at + 1):
            if self._how == "woken" and future is not None:
                future.add_done_callback(lambda _: self._cancel())
            else:
                asyncio.get_running_loop().call_soon(self._cancel)
        return future
