"""The load: the C programs, the bodies that it sends, and what one run of it found."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import msgspec

from pointsman.bench.systems import System, cpu_seconds
from pointsman.core.errors import SetupError

MARK = "#" * 16
"""The load writes a number of its own over it in each request."""
_MOST = 2_000_000  # requests of one run
_LONG = 8192  # from this size on a body is a long conversation
_TURN = 1800  # characters of a turn of a long conversation
_TEXT = (
    "the quick brown auditor reads each ledger line and verifies that tokens reserved match tokens spent before "
    "replying with a short structured answer about the file system tool call result error trace function module "
    "import class return"
)
_WORDS = _TEXT.split()


class Spread(msgspec.Struct, frozen=True):
    """Milliseconds."""

    p50: float
    p95: float
    p99: float
    max: float


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One run: whole answers (`ms`), first bytes, the widest gap inside each; `cpu` is milliseconds a request."""

    requests: int
    counted: int
    errors: int
    per_second: float
    ms: Spread
    first: Spread
    gap: Spread
    failure: str
    cpu: float = 0.0


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent and how many at once. `text` is own (a last message of its own), fresh (the first too) or same."""

    name: str
    at_once: int
    size: int = 2048
    stream: bool = False
    paced: bool = False
    tls: bool = False
    text: str = "own"


def build(sources: Path, folder: Path) -> None:
    """Compile `mock` and `load` into the folder."""
    if not (sources / "load.c").exists():
        raise SetupError(
            "'pointsman bench overhead' needs a source checkout: its load is C under tests/bench. Clone the "
            "repository, run 'make set-up-dev' there, and use that pointsman."
        )
    if shutil.which("cc") is None:
        raise SetupError("No C compiler (cc) was found. Install one ('apt-get install gcc', 'xcode-select --install').")
    for name in ("mock", "load"):
        command = ["cc", "-O2", "-o", str(folder / name), str(sources / f"{name}.c")]
        ran = subprocess.run(command, check=False, capture_output=True, text=True)
        if ran.returncode:
            raise SetupError(f"tests/bench/{name}.c does not compile here (it needs Linux): {_first(ran.stderr)}")


def _first(text: str) -> str:
    return next((line for line in text.splitlines() if "error" in line), "cc said nothing more")


def body(case: Case) -> bytes:
    """A conversation of about the case's size."""
    chance = random.Random(1)  # noqa: S311 filler text
    mark, opening = (MARK if case.text != "same" else "0" * 16), (MARK if case.text == "fresh" else "")
    turns = [{"role": "system", "content": "You are a helpful assistant."}]
    short = case.size // 4
    turns += [_turn("user", chance, short, opening), _turn("assistant", chance, short)]
    while case.size > _LONG and len(json.dumps(turns)) < case.size - 3 * _TURN:
        turns += [_turn("user", chance, _TURN), _turn("assistant", chance, _TURN)]
    left = case.size - len(json.dumps(turns)) - 100
    turns.append(_turn("user", chance, max(left, 100), mark))
    model = "mock-paced" if case.paced else "mock-tls" if case.tls else "mock"
    asked = {"model": model, "messages": turns, "max_tokens": 256, "temperature": 0.2}
    if case.stream:
        asked |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(asked, separators=(",", ":")).encode()


def _turn(role: str, chance: random.Random, size: int, mark: str = "") -> dict[str, str]:
    text = mark
    while len(text) < size:
        text += " " + chance.choice(_WORDS)
    return {"role": role, "content": text.strip()}


class Load:
    """Sends a case to a system."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(self, system: System, case: Case, seconds: float, requests: int = _MOST) -> Sample:
        """One run. Raises `SetupError` where the system answers anything but 200."""
        path = self._folder / "body.json"
        path.write_bytes(body(case))
        warm = case.at_once * 2 if case.paced else max(20, case.at_once * 4)
        heads = [f"Authorization: Bearer {system.key}"]
        port = system.tls if case.tls else system.port
        command = [self._folder / "load", port, _PATH, path, case.at_once, requests, warm, seconds, *heads]
        before = cpu_seconds(system.pid)
        ran = subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True)
        spent = cpu_seconds(system.pid) - before
        if ran.returncode:
            raise SetupError(f"The load could not reach {system.name}: {ran.stderr.strip() or ran.returncode}.")
        sample = msgspec.json.decode(ran.stdout, type=Sample)
        if sample.errors or not sample.counted:
            said = sample.failure or "nothing in time"
            raise SetupError(f"{system.name}, {case.name}: {sample.errors} requests failed ({said}).")
        return msgspec.structs.replace(sample, cpu=spent * 1000 / sample.requests)


_PATH = "/v1/chat/completions"
