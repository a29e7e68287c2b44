"""How much memory a process held at most."""

from __future__ import annotations

import subprocess
import sys


def test_a_peak_is_of_this_program_alone() -> None:
    """Not of the one that started it, however large that was."""
    ballast = bytearray(300 * 2**20)
    ballast[::4096] = b"x" * len(ballast[::4096])
    code = "from pointsman.engines import memory; print(memory.peak_bytes())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 0 < int(said) < 150 * 2**20 < len(ballast)
