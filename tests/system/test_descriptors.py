"""How many connections a process may have."""

from __future__ import annotations

import subprocess
import sys

import pytest

SAID = """
import resource, sys
from pointsman.system import descriptors
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
print(descriptors.raised(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "after"),
    [(100, 100, "100 100 100"), (100, 900, "900 900 900")],
)
def test_as_many_as_are_allowed(soft: int, hard: int, after: str) -> None:
    """Up to the hard limit."""
    given = [sys.executable, "-c", SAID, str(soft), str(hard)]
    assert subprocess.run(given, capture_output=True, text=True, check=True).stdout.strip() == after
