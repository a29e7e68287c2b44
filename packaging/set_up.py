"""Makes .venv and installs Pointsman into it, once: `set_up.py run`, or `set_up.py test` for what tests need too.

Standard library only: it runs before anything is installed. A stamp in .venv makes the next call return at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOG = VENV / "set-up.log"
# No -march=native: a wheel from pip's cache then runs on other machines as well. No llava: images are not asked of it.
CMAKE = "-DGGML_NATIVE=OFF -DLLAVA_BUILD=OFF"
SAY_EVERY = 15.0

COMPILERS = ["gcc", "g++"]
TEST_PACKAGES = [
    *["xvfb", "openbox", "trayer", "xdotool", "imagemagick"],  # a screen with a window manager and a tray host
    *["dbus", "gnome-keyring", "libsecret-tools"],  # a real Secret Service
    "dunst",  # a real notification daemon
    *["libegl1", "libgl1", "libfontconfig1", "fonts-dejavu-core", "libxkbcommon-x11-0"],  # what Qt loads
    *["libxcb-cursor0", "libxcb-icccm4", "libxcb-keysyms1", "libxcb-image0", "libxcb-render-util0"],
    *["libxcb-shape0", "libxcb-xkb1"],
    "postgresql",  # a real server for the ledger that several machines share
]


class Stop(Exception):
    """The set-up cannot go on; the text is the sentence for the person."""


def main(argv: Sequence[str]) -> int:
    """Set up for the purpose named; 1 and one sentence when that cannot be done."""
    purpose = argv[0] if argv else "run"
    try:
        if purpose == "test":
            have_packages(missing_packages(TEST_PACKAGES), "The tests need")
        if not stamped(purpose):
            install(purpose)
    except Stop as stop:
        print(stop, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def install(purpose: str) -> None:
    """Make .venv, install into it, and stamp it."""
    have_packages(missing_build_tools(), "Building the local engine needs")
    print(f"Setting up in {VENV.name}. This is done once.", flush=True)
    make_venv()
    LOG.write_text("")
    target = ".[dev]" if purpose == "test" else "."
    command = [str(PYTHON), "-m", "pip", "install", "--verbose", "--progress-bar", "off", "--editable", target]
    environ = {**os.environ, "CMAKE_ARGS": CMAKE, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    watched(command, environ)
    stamp(purpose).write_text(wanted())


def stamp(purpose: str) -> Path:
    """The file that says that this purpose is set up."""
    return VENV / f"pointsman-{purpose}.stamp"


def stamped(purpose: str) -> bool:
    """Whether .venv holds what pyproject.toml asks for now; set up for tests, it is set up for running."""
    stamps = [stamp("test")] if purpose == "test" else [stamp("run"), stamp("test")]
    return PYTHON.exists() and any(file.is_file() and file.read_text() == wanted() for file in stamps)


def wanted() -> str:
    """A digest of what is to be installed, and by which Python."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    parts = [project["build-system"], project["project"], CMAKE, sys.version_info[:2]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def make_venv() -> None:
    """A virtual environment of this Python; one that was left half made, or by another Python, is made anew."""
    if not works():
        shutil.rmtree(VENV, ignore_errors=True)
        made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False)
        if made.returncode:
            raise Stop(f"{sys.executable} cannot make a virtual environment: {last_line(made.stdout + made.stderr)}")


def works() -> bool:
    """Whether .venv is there with a pip, for this version of Python."""
    probe = "import pip, sys; print(sys.version_info[:2])"
    try:
        found = subprocess.run([str(PYTHON), "-c", probe], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return found.stdout.strip() == str(sys.version_info[:2])


def watched(command: list[str], environ: dict[str, str]) -> None:
    """Run pip with its long output in the log, and say every few seconds how far it is."""
    progress = Progress()
    pip = subprocess.Popen(
        command, cwd=ROOT, env=environ, text=True, errors="replace", stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    with LOG.open("a", encoding="utf-8") as log, pip:
        clock = threading.Thread(target=progress.say_until_done, daemon=True)
        clock.start()
        for line in pip.stdout or ():
            log.write(line)
            progress.read(line)
        code = pip.wait()
    progress.done.set()
    clock.join()
    if code:
        raise Stop(f"The set-up failed: {progress.error or f'pip ended with {code}'}. All of it is in {LOG}.")
    print(f"{progress.elapsed()}  set up", flush=True)


class Progress:
    """Reads pip's output and knows in one phrase what it is at."""

    _step = re.compile(r"\s*\[(\d+)/(\d+)\]")
    _announced = "compiling llama.cpp, the local engine: 5 to 10 minutes on two cores, once"

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.phrase = "asking for packages"
        self.error = ""
        self.packages = 0
        self.done = threading.Event()

    def read(self, line: str) -> None:
        """Take one line of pip's output."""
        if step := self._step.match(line):
            self.phrase = f"compiling llama.cpp, step {step[1]} of {step[2]}"
        elif line.startswith("Collecting "):
            self.packages += 1
            self.phrase = f"fetching packages, {self.packages} so far"
        elif line.startswith("  Building wheel for llama") and line.endswith("started\n"):
            self.phrase = self._announced
            self.say()
        elif line.startswith("Installing collected packages"):
            self.phrase = "installing packages"
        elif line.lower().startswith("error:"):
            self.error = line[len("error:") :].strip()[:300].rstrip(".")

    def say_until_done(self) -> None:
        """Say the phrase again and again, so that nobody thinks it hangs."""
        self.say()
        while not self.done.wait(SAY_EVERY):
            self.say()

    def say(self) -> None:
        """One line."""
        print(f"{self.elapsed()}  {self.phrase}", flush=True)

    def elapsed(self) -> str:
        """Minutes and seconds since it began."""
        passed = int(time.monotonic() - self.began)
        return f"{passed // 60:3}:{passed % 60:02}"


def missing_build_tools() -> list[str]:
    """Packages without which llama.cpp cannot be compiled or no virtual environment be made."""
    missing = [compiler for compiler in COMPILERS if not shutil.which(compiler)]
    if subprocess.run([sys.executable, "-c", "import venv, ensurepip"], capture_output=True, check=False).returncode:
        missing.append("python3-venv")
    if sys.platform == "darwin" and missing:
        raise Stop("Building the local engine needs Apple's command line tools: run xcode-select --install.")
    return missing


def missing_packages(wanted_packages: Sequence[str]) -> list[str]:
    """Those of Debian's packages that are not installed; none on systems without dpkg."""
    if not shutil.which("dpkg-query"):
        return []
    query = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\\n", *wanted_packages]
    listed = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    installed = {line.split()[0] for line in listed.splitlines() if line.endswith(" installed")}
    return [package for package in wanted_packages if package not in installed]


def have_packages(missing: list[str], who: str) -> None:
    """Install packages where root and apt-get are at hand; else name them in one sentence."""
    if not missing:
        return
    names = " ".join(missing)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Stop(f"{who} packages that are not installed; as root run: apt-get install {names}")
    print(f"{who} {names}: installing with apt-get.", flush=True)
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt(["apt-get", "update", "-qq"], environ)
    apt(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], environ)


def apt(command: list[str], environ: dict[str, str]) -> None:
    """Run apt-get quietly; what it says is shown when it fails."""
    ran = subprocess.run(
        command, env=environ, text=True, check=False, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if ran.returncode:
        raise Stop(f"'{' '.join(command[:2])}' failed: {last_line(ran.stdout)}")


def last_line(text: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
