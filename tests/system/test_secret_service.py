"""The keychain against a real Secret Service: gnome-keyring on a D-Bus session of its own. Fails where that is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have keychains of their own")

OPEN = "from pointsman.system.keychain import Keychain\nkeys = Keychain('home1', environ={})\n"
KEEP = "keys.keep('openai', 'sk-test-secret')\n"
LOCK = (
    "import secretstorage\n"
    "bus = secretstorage.dbus_init()\n"
    "secretstorage.get_default_collection(bus).lock()\n"
    "bus.close()\n"
)
UNLOCK = 'eval "$(printf a-password | gnome-keyring-daemon --unlock --components=secrets)"; '


def session(folder: Path, script: str, *, unlock: bool = True) -> str:
    """What a script prints in a fresh session of a fresh user."""
    run = folder / "run"
    run.mkdir(mode=0o700, exist_ok=True)
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(run),
        "LANG": "C.UTF-8",
        "PYTHON": sys.executable,
        "SCRIPT": OPEN + script,
    }
    shell = (UNLOCK if unlock else "") + '"$PYTHON" -c "$SCRIPT"'
    ran = subprocess.run(
        ["dbus-run-session", "--", "bash", "-c", shell],
        env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_a_key_is_kept_and_read_by_another_process(tmp_path: Path) -> None:
    """A key that one process keeps, another reads."""
    again = (
        "import subprocess, sys\n"
        f"code = {OPEN!r} + 'print(keys.provider_key(\"openai\").reveal())'\n"
        "print(subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout)"
    )
    assert session(tmp_path, KEEP + again) == "sk-test-secret"


def test_a_key_is_not_kept_as_plain_text(tmp_path: Path) -> None:
    """No file of the user holds the key in readable form."""
    session(tmp_path, KEEP)
    files = [file for file in (tmp_path / ".local").rglob("*") if file.is_file()]
    assert any(file.suffix == ".keyring" for file in files)
    assert not [file for file in files if b"sk-test-secret" in file.read_bytes()]


def test_a_forgotten_key_is_gone_for_other_programs(tmp_path: Path) -> None:
    """After `forget`, the system's own tool finds no key in our item."""
    script = (
        KEEP + "keys.forget('openai')\n"
        "import subprocess\n"
        "print(subprocess.run(['secret-tool', 'lookup', 'service', 'pointsman', 'username', 'home1'],"
        " capture_output=True, text=True, check=True).stdout)"
    )
    assert session(tmp_path, script) == '{"providers": {}}'


def test_a_locked_keychain_says_so(tmp_path: Path) -> None:
    """Where nobody can unlock it, reading a key is one sentence."""
    script = KEEP + LOCK + "print(*Keychain('home1', environ={}).state(), sep=': ')"
    assert session(tmp_path, script) == "locked: Your keychain is locked. Unlock it to use cloud models."


def test_a_locked_keychain_takes_no_key(tmp_path: Path) -> None:
    """Keeping a key in a locked keychain fails; it is not written anywhere else."""
    script = (
        KEEP + LOCK + "from pointsman.system.keychain import KeychainProblem\n"
        "try:\n    keys.keep('other', 'sk-other')\n"
        "except KeychainProblem as problem:\n    print(problem.state)"
    )
    assert session(tmp_path, script) == "locked"
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and b"sk-other" in file.read_bytes()]
