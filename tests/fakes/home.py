"""A real gateway in a process of its own, on a home and ports of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec

from pointsman.system import instance
from pointsman.system.instance import Runtime
from pointsman.wire import admin

if sys.platform == "linux":
    from tests.fakes.forked import Forked

MODELS = """
[providers.fake]
dialect = "chat"
base_url = "{base_url}"
key = "env"
key_env = "FAKE_KEY"
region = "here"

{targets}

[routing]
default_tier = "local"

[runaway]
calls_per_minute = 0
spend_per_minute = 0
repeats = 0
restarts = 0
"""
TARGET = """
[targets.{name}]
tier = "cloud"
provider = "fake"
model = "{model}"
context = 200000
max_output = {max_output}
can = ["tools", "json_schema", "vision"]
price = {{ input = {price_in}, output = {price_out} }}
"""


def target(name: str, model: str, max_output: int = 1000, price_in: float = 1.0, price_out: float = 10.0) -> str:
    """A cloud target of the fake provider; prices in dollars per million tokens."""
    return TARGET.format(name=name, model=model, max_output=max_output, price_in=price_in, price_out=price_out)


class Home:
    """`start`, use, `kill` or `stop`, start again: state stays in its folder. `with` starts it and stops it."""

    forks = sys.platform == "linux"
    """Whether programs are forked off one that is loaded, or each reads itself in, as a person's does."""

    def __init__(self, folder: Path, base_url: str = "http://127.0.0.1:9/v1", targets: str = "") -> None:
        self.folder = folder
        self.models = folder / "test-models.toml"
        folder.mkdir(exist_ok=True)
        self.models.write_text(MODELS.format(base_url=base_url, targets=targets or target("cloudy", "ok")))
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("POINTSMAN_")},
            "POINTSMAN_HOME": str(folder / "home"),
            "POINTSMAN_MODELS": str(self.models),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
            "FAKE_KEY": "sk-test",
            "OMP_WAIT_POLICY": "passive",
        }
        self.process: subprocess.Popen[str] | Forked | None = None
        self.reader: threading.Thread | None = None
        self.runtime: Runtime
        self.printed: list[str] = []

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, *arguments: str) -> Home:
        """Wait for the line that says that it runs."""
        self.process = self._program("gateway", "--port", "0", *arguments)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "Pointsman runs" in line, line + self.process.stdout.read()
        self.printed = [line]
        self.reader = threading.Thread(target=self.printed.extend, args=(self.process.stdout,), daemon=True)
        self.reader.start()
        runtime = instance.read(self.folder / "home" / "gateway.json")
        assert runtime is not None
        self.runtime = runtime
        return self

    def spawn(self, *arguments: str, **more: Any) -> subprocess.Popen[str]:
        """Any of the program's commands, in this home, started as a person starts it."""
        return subprocess.Popen(
            [sys.executable, *self.argv(*arguments)],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **more,
        )

    def argv(self, *arguments: str) -> list[str]:
        """What Python is given to run one of the program's commands."""
        return ["-m", "pointsman", *arguments]

    def _program(self, *arguments: str) -> subprocess.Popen[str] | Forked:
        return Forked(self.argv(*arguments), self.environment) if self.forks else self.spawn(*arguments)

    def run(self, *arguments: str, given: str = "") -> tuple[int, str]:
        """A command to its end: exit code and what it printed."""
        if self.forks:
            forked = Forked(self.argv(*arguments), self.environment, given)
            with forked.stdout as stdout:
                out = stdout.read()
            return forked.wait(60), out
        process = self.spawn(*arguments, stdin=subprocess.PIPE)
        out, _ = process.communicate(given, timeout=60)
        return process.returncode, out

    def command(self, command: admin.Command) -> Any:
        """One command through the admin door; its answer, or the problem's status and sentence."""
        response = httpx.post(f"{self.runtime.admin}/v1/command", content=admin.encode(command), headers=self._head())
        return response.json() if response.status_code == 200 else (response.status_code, response.json()["sentence"])

    def snapshot(self) -> admin.Snapshot:
        """What the tray would see now."""
        return admin.decode_snapshot(httpx.get(f"{self.runtime.admin}/v1/snapshot", headers=self._head()).content)

    def events(self) -> Any:
        """The event stream, opened: a context manager of an httpx response."""
        return httpx.stream("GET", f"{self.runtime.admin}/v1/events", headers=self._head(), timeout=30)

    def agent(self, name: str = "tester") -> str:
        """A new agent's key."""
        return str(self.command(admin.AddAgent(name))["key"])

    def clear(self) -> None:
        """No cap, no agent, nobody paused: what a test made goes, what was spent stays."""
        for cap in self.command(admin.Listing("caps")):
            self.command(admin.RemoveCap(cap["name"]))
        for agent in self.command(admin.Listing("agents")):
            self.command(admin.RemoveAgent(agent["name"]))
        self.command(admin.Resume(None))

    def audit(self) -> list[dict[str, Any]]:
        """The newest rows first."""
        rows: list[dict[str, Any]] = self.command(admin.AuditList(limit=1000))
        return rows

    def kill(self) -> None:
        """SIGKILL, as an out-of-memory killer would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, and wait."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(20)
        if self.reader is not None:
            self.reader.join(10)
            self.reader = None
            assert self.process is not None
            assert self.process.stdout is not None
            self.process.stdout.close()

    def _head(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.runtime.token}"}


def hidden(value: Any) -> str:
    """JSON of anything, to look for what must not be in it."""
    return msgspec.json.encode(value).decode()
