"""What nobody foresaw: one sentence for the person, types and lines for the log, values for nobody."""

from __future__ import annotations

import tempfile
import time
import traceback
from pathlib import Path

from pointsman.core.errors import SetupError
from pointsman.system import paths


def sentence(error: BaseException) -> str:
    """Write the error to the log and say where that is."""
    said = f"Pointsman met an error it does not know ({type(error).__name__})."
    try:
        return f"{said} The lines are in {_write(report(error))}."
    except OSError:
        return f"{said} No log could be written."


def report(error: BaseException) -> str:
    """The types and lines of an error and of what led to it; its message is left out, for it may hold a secret."""
    lines = []
    following: BaseException | None = error
    seen: set[int] = set()
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        lines.append(f"{type(following).__module__}.{type(following).__qualname__}")
        lines += [f"  {at.filename}:{at.lineno} {at.name}" for at in traceback.extract_tb(following.__traceback__)]
        following = following.__cause__ or following.__context__
    return "\n".join(lines) + "\n"


def _write(text: str) -> Path:
    file = _folder() / "errors.log"
    with file.open("a", encoding="utf-8") as log:
        log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}")
    return file


def _folder() -> Path:
    try:
        return paths.make(paths.find()).logs
    except SetupError:
        return Path(tempfile.mkdtemp(prefix="pointsman-"))
