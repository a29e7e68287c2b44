"""The real programs, each in a fresh HOME, set up as their own documents say, asked one thing without a terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

BIN = Path(__file__).resolve().parents[2] / ".clients" / "node_modules" / ".bin"
ASKED = "Read the file answer.txt and tell me what it says."
ANSWER = "forty-two\n"
_SECONDS = 110

_CODEX = ["codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", ASKED]
_BUILT_IN = """
model = "{model}"
web_search = "disabled"
openai_base_url = "{address}/v1"
"""
_OWN = """
model = "{model}"
model_provider = "pointsman"
web_search = "disabled"
[model_providers.pointsman]
name = "Pointsman"
base_url = "{address}/v1"
wire_api = "responses"
env_key = "POINTSMAN_KEY"
supports_websockets = false
"""


@dataclass(frozen=True)
class Door:
    """Where a program is pointed: an address without `/v1`, a key, and the model that it asks for."""

    address: str
    key: str
    model: str


@dataclass(frozen=True)
class Ran:
    """How a program ended, and all that it showed."""

    code: int
    shown: str


def codex(home: Path, door: Door, **more: int) -> Ran:
    """Codex, with a provider of its own in config.toml; `more` are settings of that provider."""
    return _codex(home, door, _OWN + "".join(f"{name} = {value}\n" for name, value in more.items()))


def codex_built_in(home: Path, door: Door) -> Ran:
    """Codex, whose built-in provider is sent elsewhere: it tries a WebSocket first."""
    return _codex(home, door, _BUILT_IN)


def _codex(home: Path, door: Door, config: str) -> Ran:
    folder = home / ".codex"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(config.format(model=door.model, address=door.address))
    return _run(home, _CODEX, {"POINTSMAN_KEY": door.key, "CODEX_API_KEY": door.key})


def claude(home: Path, door: Door, **more: str) -> Ran:
    """Claude Code, with the address and `more` in its settings; it may read without asking."""
    folder = home / ".claude"
    folder.mkdir(parents=True)
    environ = {"ANTHROPIC_BASE_URL": door.address, "ANTHROPIC_AUTH_TOKEN": door.key, "ANTHROPIC_API_KEY": ""}
    environ |= {f"ANTHROPIC_DEFAULT_{name}_MODEL": door.model for name in ("OPUS", "SONNET", "HAIKU")}
    environ |= {"CLAUDE_CODE_SUBAGENT_MODEL": door.model, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
    (folder / "settings.json").write_text(json.dumps({"env": environ | more}))
    return _run(home, ["claude", "-p", ASKED, "--model", door.model, "--allowedTools", "Read"], {})


def opencode(home: Path, door: Door) -> Ran:
    """OpenCode, with the provider given in its environment; nothing is written for it."""
    provider = {"npm": "@ai-sdk/openai-compatible", "name": "Pointsman", "models": {door.model: {"name": door.model}}}
    provider["options"] = {"baseURL": f"{door.address}/v1", "apiKey": "{env:POINTSMAN_KEY}"}
    config = {"provider": {"pointsman": provider}, "model": f"pointsman/{door.model}", "autoupdate": False}
    environ = {"OPENCODE_CONFIG_CONTENT": json.dumps(config), "POINTSMAN_KEY": door.key}
    return _run(home, ["opencode", "run", ASKED], environ)


def _run(home: Path, command: list[str], environ: dict[str, str]) -> Ran:
    """In a folder that holds the file asked for, and in a group of its own that ends with the call."""
    work = home / "work"
    work.mkdir(parents=True, exist_ok=True)
    (work / "answer.txt").write_text(ANSWER)
    program = BIN / command[0]
    assert program.exists(), f"{command[0]} is not installed: run `make clients`"
    process = subprocess.Popen(
        [str(program), *command[1:]], cwd=work, env={**_environ(home), **environ}, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    try:
        shown, _ = process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise AssertionError(f"{command[0]} did not end; it showed: {error.stdout!r}") from None
    finally:
        _end(process)
    return Ran(process.returncode, shown)


def _end(process: subprocess.Popen[str]) -> None:
    """The program and whatever it left running."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait(10)


def _environ(home: Path) -> dict[str, str]:
    """Nothing of this machine's but where programs lie. A call beyond it ends at a port where nobody listens."""
    nowhere = "http://127.0.0.1:9"
    proxies = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"), nowhere)
    own = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(home), "TMPDIR": str(home), "LANG": "C.UTF-8", "TERM": "dumb", **proxies, **own}
