"""`pointsman bench`, from the command line to its figures."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pointsman.__main__ import main
from tests.cli.conftest import Ran


def test_overhead_measures_every_system_and_judges_each_bound(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The real gateway, nginx where there is one, the bare proxy and the upstream, for a moment each."""
    file = tmp_path / "figures.json"
    code = main(["bench", "overhead", "--quick", "--seconds", "0.02", "--requests", "50", "--json", str(file)])
    shown = capfd.readouterr()
    assert code == 0, shown.err
    found = json.loads(file.read_text())
    assert set(found["rows"]) == {"c1", "c10", "c32", "same", "fresh", "tls", "100 KB", "stream", "paced"}
    assert {"direct", "uvicorn + aiohttp", "pointsman"} <= set(found["rows"]["c1"])
    assert found["cpu_ms_per_request"] > 0
    assert found["ratio_to_probe"]["throughput_c32"] > 0
    assert found["memory"]["requests"] == 50
    assert "added p50 at 10, ms" in shown.out


def test_installed_app_says_that_it_needs_a_checkout(run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    """A frozen program cannot start the measurement's modules."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    ran = run("bench", "overhead")
    assert ran.code == 1
    assert "needs a source checkout" in ran.err
    assert ran.err.count("\n") == 1


def test_wrong_number_is_refused_before_anything_runs(run: Callable[..., Ran]) -> None:
    """No round is no measurement."""
    ran = run("bench", "overhead", "--rounds", "0")
    assert ran.code == 2
    assert "--rounds" in ran.err


def test_engine_is_measured_where_nothing_to_compare_with_is_there(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """On any model; what is missing says how to get it, and figures without it are there all the same."""
    file, starter = tmp_path / "figures.json", Path("resources/starter/starter.gguf").resolve()
    bare = tmp_path / "python"
    bare.write_text("#!/bin/sh\nexit 1\n")
    bare.chmod(0o755)
    words = ["--quick", "--model", str(starter), "--xllamacpp", str(bare), "--json", str(file)]
    assert main(["bench", "engine", *words]) == 0
    shown = capfd.readouterr()
    found = json.loads(file.read_text())
    assert found["ratio_to_reference"] == {"parallel_1": None, "parallel_4": None, "parallel_8": None}
    assert all(rate["ours"][0] > 0 for rate in found["rates"])
    assert found["first_token"]["tokens"] > 500
    assert "pip install xllamacpp" in shown.out and "not measured" in shown.out
