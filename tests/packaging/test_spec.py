"""The build's description: what goes into the folder, on each system. The builder itself is stood in for."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from pointsman.system import paths

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "packaging" / "pointsman.spec"
APPLE = {"mlx", "mlx_lm", "llguidance", "tokenizers", "transformers"}


class Build:
    """Keeps what the description asks the builder for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, system: str, machine: str) -> None:
        self.collected: list[str] = []
        self.asked: dict[str, Any] = {}
        self.name = ""
        hooks = ModuleType("PyInstaller.utils.hooks")
        hooks.__dict__.update(collect_all=self._all, collect_submodules=lambda name: [f"{name}.part"])
        for name in ("PyInstaller", "PyInstaller.utils"):
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
        monkeypatch.setitem(sys.modules, "PyInstaller.utils.hooks", hooks)
        monkeypatch.setattr(sys, "platform", system)
        monkeypatch.setattr(platform, "machine", lambda: machine)
        words = {"SPECPATH": str(SPEC.parent), "Analysis": self._analysis, "COLLECT": self._collect}
        code = compile(SPEC.read_text("utf-8"), str(SPEC), "exec")
        exec(code, {**words, "PYZ": lambda *_: None, "EXE": lambda *_, **__: None})

    def _all(self, name: str) -> tuple[list[Any], list[Any], list[str]]:
        self.collected.append(name)
        return [(f"{name}/data", name)], [(f"{name}/lib", name)], [f"{name}.sub"]

    def _analysis(self, scripts: list[str], **asked: Any) -> SimpleNamespace:
        self.asked = {"scripts": scripts, **asked}
        return SimpleNamespace(pure=[], scripts=[], binaries=[], datas=[])

    def _collect(self, *_: object, name: str) -> None:
        self.name = name


@pytest.fixture(params=[("linux", "x86_64"), ("win32", "AMD64"), ("darwin", "x86_64"), ("darwin", "arm64")])
def build(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Build:
    """A build on each system."""
    return Build(monkeypatch, *request.param)


def test_what_the_program_reads_is_inside(build: Build) -> None:
    """The shipped models.toml, icons and starter, where the frozen program looks for them."""
    ours = {Path(source).name: (source, to) for source, to in build.asked["datas"] if Path(source).is_absolute()}
    assert set(ours) == {"models.toml", "resources"}
    for source, to in ours.values():
        assert Path(source).exists(), source
        assert to == "pointsman/_resources"
    assert (ROOT / "resources" / "starter" / "starter.gguf").exists()
    assert (ROOT / "resources" / "icons" / "ui" / "download.svg").exists()


def test_a_frozen_program_looks_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same folder as the description names: the package's own, then `_resources`."""
    inside = tmp_path / "pointsman" / "_resources"
    inside.mkdir(parents=True)
    (inside / "models.toml").write_text("")
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "pointsman" / "system" / "paths.py"))
    assert paths.resource("models.toml") == inside / "models.toml"


def test_llama_and_all_of_ours_are_inside(build: Build) -> None:
    """With their libraries; modules that are imported by name too."""
    assert build.collected[0] == "llama_cpp"
    assert ("llama_cpp/lib", "llama_cpp") in build.asked["binaries"]
    assert {"llama_cpp.sub", "keyring.backends.part", "pointsman.part"} <= set(build.asked["hiddenimports"])
    assert build.name == "pointsman"
    assert Path(build.asked["scripts"][0]).exists()


@pytest.mark.parametrize(
    ("system", "machine", "extra"),
    [
        ("darwin", "arm64", APPLE),
        ("darwin", "x86_64", set()),
        ("linux", "x86_64", set()),
        ("linux", "aarch64", set()),
        ("win32", "AMD64", set()),
    ],
)
def test_mlx_is_inside_where_metal_is(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, extra: set[str]
) -> None:
    """Elsewhere it is 230 MB that nothing loads."""
    build = Build(monkeypatch, system, machine)
    assert set(build.collected) - {"llama_cpp"} == extra
    assert set(build.asked["excludes"]) & APPLE == APPLE - extra, "a developer's machine has them for the tests"
    for name in extra:
        assert f"{name}.sub" in build.asked["hiddenimports"]
        assert (f"{name}/data", name) in build.asked["datas"]
        assert (f"{name}/lib", name) in build.asked["binaries"]


def test_what_is_collected_is_what_is_installed() -> None:
    """Each of them is required on that system, so that the build finds it."""
    wanted = (ROOT / "pyproject.toml").read_text("utf-8")
    for name in ("mlx-lm", "transformers", "llguidance"):
        assert any(f'"{name}' in line and "'darwin'" in line for line in wanted.splitlines()), name
