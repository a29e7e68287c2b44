"""Who may import whom, what each process loads, and how long a piece of code may be."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
APP = ROOT / "app" / "pointsman"
FILES = sorted(APP.rglob("*.py"))
MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 40

QT = {"PySide6", "shiboken6", "pyqtgraph"}
ENGINES = {"llama_cpp", "mlx", "mlx_lm", "transformers", "llguidance"}


def test_the_import_contracts_hold() -> None:
    """The contracts in pyproject.toml, checked over every import that is written down."""
    checker = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run([str(checker), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def loaded(module: str) -> set[str]:
    """Every module that a fresh Python has loaded after importing this one."""
    code = f"import sys, {module}; print(*sys.modules, sep='\\n')"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("pointsman.__main__", QT | ENGINES | {"typer", "httpx", "aiohttp", "keyring", "msgspec"}),
        ("pointsman.gateway.main", QT | ENGINES | {"keyring.backends", "typer", "pointsman.tray", "pointsman.cli"}),
        (
            "pointsman.tray.main",
            ENGINES
            | {"asyncio", "aiohttp", "sqlmodel", "sqlite3", "keyring", "typer", "httpx"}
            | {
                f"pointsman.{plane}" for plane in ("store", "providers", "engines", "agents", "gateway", "sense", "cli")
            },
        ),
        (
            "pointsman.cli.app",
            QT | ENGINES | {"aiohttp", "sqlmodel", "keyring", "pointsman.store", "pointsman.gateway"},
        ),
        ("pointsman.engines.llama_worker", QT | {"aiohttp", "httpx", "sqlmodel", "uvicorn", "pointsman.gateway"}),
        ("pointsman.engines.mlx_worker", QT | ENGINES | {"aiohttp", "httpx", "sqlmodel", "pointsman.gateway"}),
        ("pointsman.engines.mlx_engine", QT | {"torch", "llama_cpp", "aiohttp", "sqlmodel", "pointsman.gateway"}),
    ],
)
def test_a_process_never_loads(module: str, never: set[str]) -> None:
    """What a program must not load is not there after its import."""
    assert loaded(module) & never == set()


def test_only_packages_of_the_app_have_an_init_file() -> None:
    """An __init__.py in app/, packaging/ or resources/ would shadow other people's packages."""
    assert [name for name in ("app", "packaging", "resources") if (ROOT / name / "__init__.py").exists()] == []


def functions(file: Path) -> Iterator[tuple[str, int]]:
    """Each function of a file and its lines, without its decorators."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(APP)))
def test_nothing_grows_too_long(file: Path) -> None:
    """A file has at most 400 lines, a function at most 40."""
    assert len(file.read_text(encoding="utf-8").splitlines()) <= MOST_LINES_OF_A_FILE
    assert [name for name, lines in functions(file) if lines > MOST_LINES_OF_A_FUNCTION] == []
