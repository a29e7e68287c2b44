from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The set-up script, with a .venv of this test."""
    spec = importlib.util.spec_from_file_location("set_up", ROOT / "packaging" / "set_up.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    venv = tmp_path / ".venv"
    monkeypatch.setattr(module, "VENV", venv)
    monkeypatch.setattr(module, "PYTHON", venv / "bin" / "python")
    monkeypatch.setattr(module, "LOG", venv / "set-up.log")
    return module


def ready(set_up: ModuleType, purpose: str) -> None:
    """A .venv that was set up for this purpose."""
    set_up.PYTHON.parent.mkdir(parents=True)
    set_up.PYTHON.touch()
    set_up.stamp(purpose).write_text(set_up.wanted())


def test_nothing_is_set_up_at_first(set_up: ModuleType) -> None:
    """Without a .venv there is work to do."""
    assert not set_up.stamped("run")


def test_a_stamp_saves_the_work(set_up: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second call asks pip nothing."""
    ready(set_up, "run")
    monkeypatch.setattr(set_up, "install", lambda purpose: pytest.fail("it set up again"))
    assert set_up.main(["run"]) == 0


def test_what_tests_need_is_enough_to_run(set_up: ModuleType) -> None:
    """After `make test`, `make run` has nothing to install; the other way round it has."""
    ready(set_up, "test")
    assert set_up.stamped("run")
    set_up.stamp("test").rename(set_up.stamp("run"))
    assert not set_up.stamped("test")


def test_a_changed_dependency_is_installed(set_up: ModuleType) -> None:
    """A stamp of other dependencies does not count."""
    ready(set_up, "run")
    set_up.stamp("run").write_text("of last week")
    assert not set_up.stamped("run")


@pytest.mark.parametrize(
    ("line", "phrase"),
    [
        ("  [12/140] /usr/bin/g++ -DGGML_BUILD\n", "compiling llama.cpp, step 12 of 140"),
        ("Collecting aiohttp<4,>=3.14\n", "fetching packages, 1 so far"),
        ("Installing collected packages: zipp, uvloop\n", "installing packages"),
        ("  anything else\n", "asking for packages"),
    ],
)
def test_progress_reads_what_pip_says(set_up: ModuleType, line: str, phrase: str) -> None:
    """A line of pip becomes a phrase for a person."""
    progress = set_up.Progress()
    progress.read(line)
    assert progress.phrase == phrase


def test_the_start_of_the_compilation_is_said_at_once(set_up: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """Who waits is told for how long."""
    progress = set_up.Progress()
    progress.read("  Building wheel for llama-cpp-python (pyproject.toml): started\n")
    assert "5 to 10 minutes" in capsys.readouterr().out


def test_it_speaks_while_a_program_is_silent(
    set_up: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The elapsed time comes again and again, whatever pip does."""
    set_up.VENV.mkdir()
    monkeypatch.setattr(set_up, "SAY_EVERY", 0.02)
    code = "import subprocess, sys; sys.stdin.read(); subprocess.run(['sleep', '0.2'])"
    set_up.watched([sys.executable, "-c", code], dict(os.environ))
    assert capsys.readouterr().out.count("asking for packages") > 3


def test_a_failure_is_pips_own_error_and_the_log(set_up: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """What pip calls an error is shown, with the place of all the rest."""
    set_up.VENV.mkdir()
    code = "import sys; print('noise'); print('ERROR: No matching distribution found for x'); sys.exit(1)"
    with pytest.raises(set_up.Stop, match=r"No matching distribution found for x\. All of it is in"):
        set_up.watched([sys.executable, "-c", code], dict(os.environ))
    assert "noise" in set_up.LOG.read_text()


def test_without_root_the_packages_are_named(set_up: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is not root reads one sentence with all that is missing."""
    monkeypatch.setattr(set_up.os, "geteuid", lambda: 1000)
    with pytest.raises(set_up.Stop, match="apt-get install gcc xvfb"):
        set_up.have_packages(["gcc", "xvfb"], "The tests need")


@pytest.mark.skipif(sys.platform != "linux", reason="dpkg is Debian's")
def test_a_package_that_is_not_installed_is_found(set_up: ModuleType) -> None:
    """Debian's own list says what is there."""
    assert set_up.missing_packages(["dpkg", "no-such-package"]) == ["no-such-package"]


def test_everything_that_the_tests_need_is_here(set_up: ModuleType) -> None:
    """A machine that runs the tests has every package they name."""
    assert set_up.missing_packages(set_up.TEST_PACKAGES) == []


def test_the_script_needs_nothing_installed() -> None:
    """It runs in a Python without any package, even without its own folder on the path."""
    script = ROOT / "packaging" / "set_up.py"
    code = f"import runpy; runpy.run_path({str(script)!r})"
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
