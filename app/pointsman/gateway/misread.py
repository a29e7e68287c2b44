"""Requests of which nothing could be made: nearly always their client's nonsense, now and then a mistake of Pointsman's.

The log tells of each line of code where it happened, once in a gateway's life, so that no client can fill it.
"""

from __future__ import annotations

import contextlib
import time
import traceback
from pathlib import Path

from pointsman.core.errors import Refusal, SetupError
from pointsman.system import paths, trouble

_MOST = 100  # lines of code that are told of
_told: set[tuple[str, str, int | None]] = set()


def note(refusal: Refusal) -> None:
    """Types and lines of what led to it, where it was such a one, for the log; values for nobody."""
    cause = refusal.__cause__
    if not isinstance(cause, Exception) or len(_told) >= _MOST:
        return
    at = traceback.extract_tb(cause.__traceback__)[-1]
    place = (type(cause).__name__, at.filename, at.lineno)
    if place in _told:
        return
    _told.add(place)
    with contextlib.suppress(OSError, SetupError), _log().open("a", encoding="utf-8") as log:
        log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {trouble.report(cause)}")


def _log() -> Path:
    return paths.make(paths.find()).logs / "misread.log"
