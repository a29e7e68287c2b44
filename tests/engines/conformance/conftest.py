"""One model in both formats, and workers that have loaded it. Where an engine is missing these tests fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.engines.supervisor import WorkerSpec
from tests.engines.conformance.speaking import ENGINES, Worker


@pytest.fixture(scope="session")
def starter_of(starter: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Where the starter lies for each engine."""
    if "mlx" not in ENGINES:
        return {"llama_cpp": starter}
    from tests.fakes import mlx_folder

    return {"llama_cpp": starter, "mlx": mlx_folder.write(starter, tmp_path_factory.mktemp("mlx") / "starter")}


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """The engine that this run of a test is about."""
    return str(request.param)


@pytest.fixture(scope="session")
def spec(engine: str, starter_of: dict[str, Path]) -> WorkerSpec:
    """How its worker is started."""
    return WorkerSpec(name="starter", path=str(starter_of[engine]), engine=engine, threads=1)


@pytest.fixture(scope="session")
def worker(spec: WorkerSpec) -> Iterator[Worker]:
    """One process of each engine for all tests that leave it as it was."""
    with Worker(spec) as started:
        yield started
