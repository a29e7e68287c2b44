"""LiteLLM from PyPI, in an environment of its own that the checkout keeps."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import venv
from pathlib import Path

import msgspec

from pointsman.bench.systems import KEY, Place, System, Upstream, free_port
from pointsman.core.errors import SetupError

NAME = "litellm"
_MODEL = """\
  - model_name: {name}
    litellm_params: {{model: openai/{name}, api_base: "http://127.0.0.1:{port}/v1", api_key: {key}}}
"""
_SETTINGS = """\
litellm_settings: {{telemetry: false}}
general_settings: {{master_key: {key}}}
"""


def install(folder: Path) -> Path:
    """Its program, installed into the folder unless it is there."""
    program = folder / "bin" / "litellm"
    if not program.exists():
        print(f"Installing LiteLLM into {folder}; this takes some minutes.", file=sys.stderr, flush=True)
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "litellm[proxy]"]
        if subprocess.run(pip, check=False).returncode or not program.exists():
            raise SetupError("LiteLLM could not be installed from PyPI; pip says why above. Leave --litellm out.")
    return program


def start(place: Place, upstream: Upstream, program: Path) -> System:
    """One worker with a key of its own, no database, nothing sent anywhere."""
    config, port, key = place.folder / "litellm.yaml", free_port(), f"sk-{secrets.token_urlsafe(32)}"
    models = [_MODEL.format(name=name, port=upstream.port, key=KEY) for name in ("mock", "mock-paced")]
    config.write_text("model_list:\n" + "".join(models) + _SETTINGS.format(key=key))
    environment = os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    command = [str(program), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    return msgspec.structs.replace(place.start(NAME, command, port, environment)[0], key=key)
