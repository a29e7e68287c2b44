"""What a worker prints: it goes to its log, and where that has no room it is lost rather than a request."""

from __future__ import annotations

import contextlib
import io


class WorkerLog(io.TextIOWrapper):
    """Standard error, which never fails whoever prints: libraries do, in the middle of their work."""

    def __init__(self) -> None:
        raw = open(2, "wb", buffering=0, closefd=False)  # noqa: SIM115 as long as the process
        super().__init__(raw, encoding="utf-8", errors="replace", write_through=True)

    def write(self, text: str, /) -> int:
        """All of it, or nothing on a full disk."""
        with contextlib.suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        """Nothing waits here."""
        with contextlib.suppress(OSError, ValueError):
            super().flush()
