"""Fetches the agents named in package.json into .clients, once; a stamp there makes the next call return at once.

Standard library only. npm is asked as it is configured on this machine; its lock file would name a host and stays away.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PLACE = HERE.parents[1] / ".clients"
STAMP = PLACE / "installed.stamp"
NPM = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel", "error"]


def main() -> int:
    """Install what package.json names; 1 and one sentence when that cannot be done."""
    wanted = digest()
    if STAMP.is_file() and STAMP.read_text() == wanted:
        return 0
    if shutil.which("npm") is None:
        print("The agents come by npm, which is not on this machine: install Node.js with npm.", file=sys.stderr)
        return 1
    print(f"Fetching the agents into {PLACE.name}: about 1 GB, once.", flush=True)
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir()
    shutil.copy(HERE / "package.json", PLACE)
    done = subprocess.run(NPM, cwd=PLACE, check=False)
    if done.returncode:
        print(f"npm ended with {done.returncode}; its message stands above.", file=sys.stderr)
        return 1
    STAMP.write_text(wanted)
    return 0


def digest() -> str:
    """What is to be installed, and for which machine."""
    parts = (HERE / "package.json").read_bytes() + repr((sys.platform, platform.machine())).encode()
    return hashlib.sha256(parts).hexdigest()


if __name__ == "__main__":
    raise SystemExit(main())
