"""A gateway with the strict upstream's targets and one more on this machine, whose worker is the scripted engine."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.fakes import strict_home
from tests.fakes.home import Home
from tests.fakes.strict_model import Script
from tests.fakes.strict_upstream import StrictUpstream

GATEWAY = Path(__file__).with_name("scripted_gateway.py")
CONTEXT = 131_072
_HERE = """
[targets.here]
tier = "local"
engine = "llama_cpp"
source = "{source}"
context = {context}
can = ["tools", "json_schema", "reasoning"]
"""


class ScriptedHome(Home):
    """Its targets are those of `strict_home` and `here`, which says the same as the strict upstream's model."""

    def __init__(self, folder: Path, upstream: StrictUpstream) -> None:
        self.script = folder / "here.gguf"
        here = _HERE.format(source=self.script, context=CONTEXT)
        super().__init__(folder, upstream.base_url, strict_home.targets(upstream) + here)
        self.use(upstream.script)

    def use(self, script: Script) -> None:
        """What the model here says, from its next start on."""
        self.script.write_text(json.dumps(asdict(script)))

    def argv(self, *arguments: str) -> list[str]:
        """The gateway with the scripted engine; every other command as ever."""
        return [str(GATEWAY), *arguments] if arguments[0] == "gateway" else super().argv(*arguments)

    def heard(self) -> list[dict[str, Any]]:
        """The commands that the engine was given, oldest first."""
        log = self.script.with_suffix(".heard")
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def forget(self) -> None:
        """What the engine heard until now."""
        self.script.with_suffix(".heard").unlink(missing_ok=True)
