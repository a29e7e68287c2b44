from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_TELL = """
import gc, json, os, sys
from pointsman.gateway import main

def tell(*_):
    print(json.dumps(sorted(sys.modules)), flush=True)
    os._exit(0)

if sys.argv[1] == "listening":
    main.instance.publish = tell
else:
    gc.freeze = tell
main.main(["--port", "0", "--admin-port", "0"])
"""


def modules(home: Path, moment: str) -> frozenset[str]:
    """What a gateway of this home has loaded at this moment of its start: "listening" or "warm"."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("POINTSMAN_")}
    keys = {"POINTSMAN_HOME": str(home), "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    command = [sys.executable, "-c", _TELL, moment]
    told = subprocess.run(command, env=kept | keys, stdout=subprocess.PIPE, check=True, timeout=100)
    return frozenset(json.loads(told.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which a gateway has run, so that it has its database."""
    home = tmp_path_factory.mktemp("used")
    modules(home, "listening")
    return home


@pytest.fixture(scope="module")
def listening(used: Path) -> frozenset[str]:
    """What is loaded when the doors listen and nothing was asked yet."""
    return modules(used, "listening")


@pytest.fixture(scope="module")
def warm(used: Path) -> frozenset[str]:
    """What is loaded when the gateway is ready for its first request."""
    return modules(used, "warm")


@pytest.mark.parametrize(
    "name",
    [
        *("sqlmodel", "pydantic", "sqlalchemy.orm", "sqlalchemy.dialects.postgresql", "psycopg"),
        *("httpx", "urllib.request", "genai_prices", "keyring", "cryptography", "jinja2", "PySide6"),
    ],
)
def test_the_doors_listen_without(name, listening):
    """What takes long to load, and the doors can open without."""
    assert name not in listening


@pytest.mark.parametrize("name", ["pointsman.providers.upstream", "genai_prices"])
def test_the_first_request_finds_loaded(name, warm):
    """What a request needs and the doors opened without."""
    assert name in warm


@pytest.mark.parametrize(
    "name",
    [
        *("httpx", "aiohttp", "rich", "cryptography", "sqlmodel", "sqlalchemy.orm"),
        *("uvicorn", "starlette", "anyio", "click", "h11"),
    ],
)
def test_a_gateway_that_only_passes_on_never_loads(name, warm):
    """What only a download, a kept body or a new database needs, and other people's servers."""
    assert name not in warm
