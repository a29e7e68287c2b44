"""What runs on this machine, asked of a whole house; and the model that a newcomer is told of."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointsman.core.fit import MIB
from pointsman.engines import looking
from pointsman.engines.looking import Device, File, Look, MainMemory
from pointsman.gateway import fitting
from pointsman.gateway.fitting import Fitting
from pointsman.wire import admin
from tests.core.test_fit import GB, shape
from tests.fakes.busy_house import BusyHouse, open_house, workers

CPU = Device(name="CPU", description="", kind="cpu", free=0, total=0)


class Seen:
    """A machine as the test wants it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.devices: tuple[Device, ...] = (CPU,)
        self.looks = 0
        memory = MainMemory(total=32 * GB, available=16 * GB)
        monkeypatch.setattr(looking, "look", self.look)
        monkeypatch.setattr(looking, "main_memory", lambda: memory)
        self.memory = memory

    async def look(self, paths: object = (), *, bandwidth: bool = False) -> Look:
        """As the process would say."""
        self.looks += 1
        assert isinstance(paths, list | tuple)
        files = tuple(File(path=path, shape=shape(layers=1)) for path in paths)
        return Look(devices=self.devices, files=files, bandwidth=60e9 if bandwidth else None)

    def into(self, busy: BusyHouse) -> Fitting:
        """The house sees this machine."""
        busy.house.steward._look, busy.house.steward._memory = self.look, lambda: self.memory
        return Fitting(busy.house)


async def test_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that ships and is not here, by what is known of it; MLX only where there is Metal."""
    async with open_house(tmp_path / "home", workers(tmp_path)) as busy:
        seen = Seen(monkeypatch)
        fitting_ = seen.into(busy)
        busy.house.downloads.look()
        told = await fitting_.answer(admin.FitModels())
        names = {one.name: one for one in told.models}
        assert "32.0 GB of memory; 12.0 GB are free" in told.machine and told.machine.endswith("no graphics device.")
        assert names["qwen3-4b"].where == "main" and names["qwen3-coder-30b"].where == ""
        assert not any("mlx" in name for name in names)
        await fitting_.answer(admin.FitModels())
        metal = Device(name="MTL0", description="Apple M4", kind="gpu", free=12 * GB, total=12 * GB)
        seen.devices, fitting_._looked, busy.house.steward._devices = (CPU, metal), None, None
        told = await fitting_.answer(admin.FitModels())
        assert any("mlx" in one.name and one.where == "gpu" for one in told.models) and "on Apple M4" in told.machine


async def test_the_proposal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Size, memory, speed, licence and the command; none where somebody has a model already."""
    async with open_house(tmp_path / "home", workers(tmp_path)) as busy:
        fitting_ = Seen(monkeypatch).into(busy)
        busy.house.downloads.look()
        sentence = await fitting_.propose(later=False)
        assert sentence and busy.house.proposal == sentence
        for words in ("GB to download", "of memory", "tokens a second", "licence", "pointsman models pull"):
            assert words in sentence
        offer = busy.house.downloads.offer
        assert offer and offer.name in sentence and offer.licence in sentence and not offer.here
        busy.house.downloads.absent.pop("qwen3-8b")
        busy.house.use_catalog(busy.house.catalog)
        assert await fitting_.propose(later=False) is None and busy.house.proposal is None
        assert busy.house.downloads.offer is None


async def test_models_on_offer_are_not_planned_for(tmp_path: Path) -> None:
    """Nobody who did not ask for it is sent to a model that is not here, and the list of those loaded is short."""
    async with open_house(tmp_path / "home", workers(tmp_path)) as busy:
        busy.house.downloads.on_look = lambda: busy.house.use_catalog(busy.house.catalog)
        busy.house.downloads.look()
        names = [one.name for one in busy.house.catalog.by_tier("local")]
        assert "starter" in names and "qwen3-8b" not in names
        assert "qwen3-8b" in busy.house.catalog.targets, "whoever asks for it is told how to get it"


def test_words() -> None:
    """Sizes as people count them."""
    assert fitting._gigabytes(512 * MIB) == "0.5 GB"
