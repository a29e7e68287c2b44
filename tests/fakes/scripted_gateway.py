"""The gateway as it is, but that each of its workers is the scripted engine: `scripted_gateway.py gateway ...`."""

from __future__ import annotations

import sys
from pathlib import Path

from pointsman import __main__
from pointsman.engines import worker_process

ENGINE = Path(__file__).with_name("scripted_engine.py")


def program(_engine: str) -> list[str]:
    """How a worker is started, whatever the engine."""
    return [sys.executable, "-P", str(ENGINE)]


if __name__ == "__main__":
    worker_process.program = program
    sys.exit(__main__.main())
