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
