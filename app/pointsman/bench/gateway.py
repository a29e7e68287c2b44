"""The gateway, a real process in a home of its own, with everything on that it does for a request."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec

from pointsman.bench.systems import POLL, START, Place, System, Upstream, free_port
from pointsman.core.errors import SetupError
from pointsman.system import instance
from pointsman.wire import admin


def start(place: Place, upstream: Upstream, profile: Path | None = None) -> tuple[System, Callable[[], None]]:
    """The gateway in a home of its own, with an agent and caps that never bind; and how to end it."""
    home, models = place.folder / "home", place.folder / "models.toml"
    models.write_text(_models(upstream))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("POINTSMAN_")}
    environment |= {
        "POINTSMAN_HOME": str(home),
        "POINTSMAN_MODELS": str(models),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        "BENCH_KEY": "sk-upstream",
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's second start finds what the first one compiled
    port = free_port()
    program = ["pointsman"] if profile is None else ["pointsman.bench.profiled", str(profile)]
    command = [sys.executable, "-m", *program, "gateway", "--port", str(port), "--admin-port", "0"]
    try:
        started, end = place.start("pointsman", command, port, environment)
    except SetupError as error:
        raise _why(error, home / "logs" / "errors.log") from None
    tls = port if upstream.tls_port else None
    return msgspec.structs.replace(started, key=_agent(home / "gateway.json"), tls=tls), end


def _why(error: SetupError, log: Path) -> SetupError:
    """The gateway's own last word, for its log goes with the scratch folder."""
    lines = log.read_text("utf-8", "replace").strip().splitlines() if log.exists() else []
    return SetupError(f"pointsman did not start: {lines[-1]}") if lines else error


def _models(upstream: Upstream) -> str:
    """A provider for each way to the upstream, and its targets."""
    plain = _PROVIDER.format(name="bench", address=f"http://127.0.0.1:{upstream.port}/v1", trust="")
    text = plain + _TARGET.format(name="mock", provider="bench") + _TARGET.format(name="mock-paced", provider="bench")
    if upstream.tls_port:
        address, trust = f"https://127.0.0.1:{upstream.tls_port}/v1", f'ca_file = "{upstream.ca_file}"'
        text += _PROVIDER.format(name="bench-tls", address=address, trust=trust)
        text += _TARGET.format(name="mock-tls", provider="bench-tls")
    return text + _RUNAWAY


def _agent(runtime: Path) -> str:
    """Set the caps and make an agent; its key."""
    until = time.monotonic() + START
    while (running := instance.read(runtime)) is None:
        if time.monotonic() > until:
            raise SetupError("The gateway did not write its runtime file.")
        time.sleep(POLL)
    headers = {"authorization": f"Bearer {running.token}"}
    with httpx.Client(base_url=running.admin, headers=headers, timeout=30, trust_env=False) as client:
        for cap in _CAPS:
            client.post("/v1/command", content=admin.encode(cap)).raise_for_status()
        name = f"bench-{time.time_ns()}"
        made = client.post("/v1/command", content=admin.encode(admin.AddAgent(name))).raise_for_status()
    return str(made.json()["key"])


_LIMIT = 10**15
_CAPS = (
    admin.SetCap(name="bench day", limit=_LIMIT, window="day", scope="everything"),
    admin.SetCap(name="bench agents", limit=_LIMIT, window="month", scope="agent"),
    admin.SetCap(name="bench sessions", limit=_LIMIT, window="session", scope="session"),
)
_PROVIDER = """\
[providers.{name}]
dialect = "chat"
base_url = "{address}"
{trust}
key = "env"
key_env = "BENCH_KEY"
region = "here"
"""
_TARGET = """\
[targets.{name}]
tier = "cloud"
provider = "{provider}"
model = "{name}"
context = 200000
max_output = 1000
price = {{ input = 1.0, output = 10.0 }}
"""
# Thresholds that no load reaches; zero would switch the watch off.
_RUNAWAY = """\
[runaway]
calls_per_minute = 100000000
spend_per_minute = 1000000.0
repeats = 100000000
restarts = 100000000
"""
