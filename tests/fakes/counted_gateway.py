"""Pointsman's own program, which on SIGUSR1 writes down what it holds: `python counted_gateway.py PIPE gateway ...`.

Tasks, threads and open files are those that it still has when nothing is asked of it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import runpy
import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any


def held() -> dict[str, Any]:
    """What there is now, without what nobody refers to any more."""
    gc.collect()
    objects = gc.get_objects()
    tasks = [one for one in objects if isinstance(one, asyncio.Task) and not one.done()]
    kinds = Counter(type(one).__qualname__ for one in objects)
    return {
        "tasks": sorted(one.get_name().rstrip("0123456789") for one in tasks),
        "threads": sorted(one.name.rstrip("_0123456789") for one in threading.enumerate()),
        "objects": len(objects),
        "kinds": dict(kinds.most_common(60)),
    }


def watch(path: Path) -> None:
    """Answer the signal; the path is of a pipe that somebody reads."""

    def write(_signal: int, _frame: object) -> None:
        path.write_text(json.dumps(held()))

    signal.signal(signal.SIGUSR1, write)


if __name__ == "__main__":
    watch(Path(sys.argv.pop(1)))
    runpy.run_module("pointsman", run_name="__main__", alter_sys=True)
