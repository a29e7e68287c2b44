"""A flag that one thread sets to end the step which another thread computes."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable


def _nothing() -> None:
    pass


class Interrupt:
    """A byte in memory, so that native code can look at it as well.

    `beat` is to be called from within a step that may take long: it tells the gateway that work goes on.
    """

    def __init__(self) -> None:
        self.beat: Callable[[], None] = _nothing
        self._byte = ctypes.create_string_buffer(2)

    def set(self) -> None:
        """End the step under way, and each one after, until `clear`."""
        self._byte[0] = b"\1"

    def clear(self) -> None:
        """Let steps run again."""
        self._byte[0] = b"\0"

    @property
    def is_set(self) -> bool:
        """Whether the step is to end."""
        return bool(self._byte[0] != b"\0")

    @property
    def pointer(self) -> ctypes.c_void_p:
        """What to hand to the function at `native_check()`."""
        return ctypes.cast(self._byte, ctypes.c_void_p)


def native_check() -> int:
    """The address of a C function that is true while the flag at its argument is set.

    Engines ask before each piece of work, from their own threads; a function in Python would need the interpreter
    lock each time. `strlen` of two bytes, the second of them 0, does just this.
    """
    library = ctypes.cdll.msvcrt if sys.platform == "win32" else ctypes.CDLL(None)
    address = ctypes.cast(library.strlen, ctypes.c_void_p).value
    assert address is not None
    return address
