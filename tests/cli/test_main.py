from __future__ import annotations

import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from pointsman import __main__ as entry
from pointsman import __version__
from pointsman.core.errors import SetupError
from tests.cli.conftest import Ran

Run = Callable[..., Ran]


def program(calls: list[tuple[str, list[str]]], name: str) -> types.ModuleType:
    """A module with the entry points of tray, gateway and worker, which writes down how it is called."""
    module = types.ModuleType(name)

    def called(argv: list[str]) -> int:
        calls.append((name, list(argv)))
        return 0

    module.main = module.run = called  # type: ignore[attr-defined]
    return module


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """Which program was started, with what arguments."""
    found: list[tuple[str, list[str]]] = []
    workers = ("pointsman.engines.llama_worker", "pointsman.engines.mlx_worker")
    for name in ("pointsman.tray.main", "pointsman.gateway.main", *workers):
        module = program(found, name)
        monkeypatch.setitem(sys.modules, name, module)
        package, _, last = name.rpartition(".")
        monkeypatch.setattr(
            sys.modules.get(package) or __import__(package, fromlist=["x"]), last, module, raising=False
        )
    return found


@pytest.fixture
def no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a screen."""
    monkeypatch.setattr("pointsman.system.display.problem", lambda: "There is no display here.")


@pytest.fixture
def a_display(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a screen."""
    monkeypatch.setattr("pointsman.system.display.problem", lambda: None)


@pytest.mark.parametrize("argv", [[], ["run"]])
def test_with_a_display_it_is_the_tray(run: Run, calls: list, a_display: None, argv: list[str]) -> None:
    """No argument, and `run`, show the tray."""
    run(*argv)
    assert calls == [("pointsman.tray.main", [])]


@pytest.mark.parametrize("argv", [[], ["run"]])
def test_without_a_display_it_is_the_gateway(run: Run, calls: list, no_display: None, argv: list[str]) -> None:
    """It says so and serves headless, with the newcomer's text."""
    ran = run(*argv)
    assert calls == [("pointsman.gateway.main", ["--welcome"])]
    assert ran.err == "There is no display here. Pointsman runs without a window.\n"


def test_a_tray_without_a_display_is_refused(run: Run, calls: list, no_display: None) -> None:
    """Who asks for the tray by name gets a sentence, not another program."""
    assert run("tray") == (1, "", "There is no display here. Start 'pointsman gateway' instead.\n")
    assert calls == []


@pytest.mark.parametrize(
    ("argv", "call"),
    [
        (["gateway", "--port", "4478"], ("pointsman.gateway.main", ["--port", "4478"])),
        (["worker", "--model", "x.gguf"], ("pointsman.engines.llama_worker", ["--model", "x.gguf"])),
        (["worker", "mlx", "--model", "x"], ("pointsman.engines.mlx_worker", ["--model", "x"])),
    ],
)
def test_a_program_gets_the_rest_of_the_arguments(run: Run, calls: list, argv: list[str], call: tuple) -> None:
    """What follows the program's name is the program's."""
    run(*argv)
    assert calls == [call]


def test_the_version(run: Run) -> None:
    """`--version` names the program and its version."""
    assert run("--version") == (0, f"pointsman {__version__}\n", "")


def raising(error: BaseException) -> Callable[..., int]:
    """A program that ends with this error."""

    def program(argv: list[str]) -> int:
        raise error

    return program


def test_an_error_of_ours_is_its_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence goes to standard error, the exit code is the error's."""
    monkeypatch.setattr(entry, "_gateway", raising(SetupError("The port 4477 is taken.")))
    assert run("gateway") == (1, "", "The port 4477 is taken.\n")


def test_an_interrupt_is_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl+C ends it without a word."""
    monkeypatch.setattr(entry, "_gateway", raising(KeyboardInterrupt()))
    assert run("gateway") == (130, "", "")


def test_an_unknown_error_is_a_sentence_and_a_log(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback reaches the person; types and lines are in the log."""
    monkeypatch.setattr(entry, "_gateway", raising(ZeroDivisionError("by sk-secret")))
    ran = run("gateway")
    log = home / "logs" / "errors.log"
    said = f"Pointsman met an error it does not know (ZeroDivisionError). The lines are in {log}.\n"
    assert ran == (1, "", said)
    assert "test_main.py" in log.read_text()
    assert "sk-secret" not in log.read_text()


def test_a_reader_that_leaves_is_no_error(home: Path) -> None:
    """`pointsman --help | true` ends without a traceback."""
    shell = (
        f'"{sys.executable}" -c "import sys; from pointsman.__main__ import main; sys.exit(main([\'--help\']))" | true'
    )
    ran = subprocess.run(["bash", "-o", "pipefail", "-c", shell], capture_output=True, text=True, check=False)
    assert "Traceback" not in ran.stderr
