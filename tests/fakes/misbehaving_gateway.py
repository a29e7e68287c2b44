"""Pointsman's own program over the worker that misbehaves on demand: `python misbehaving_gateway.py gateway ...`."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from pointsman.engines import worker_process

if __name__ == "__main__":
    worker_process.program = lambda _engine: [sys.executable, "-P", str(Path(__file__).parent / "fake_engine.py")]
    runpy.run_module("pointsman", run_name="__main__", alter_sys=True)
