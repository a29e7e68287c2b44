"""The real programs need what `make clients` fetches: they are run where their folder is asked for by its name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import strict_home
from tests.fakes.scripted_home import ScriptedHome
from tests.fakes.strict_model import Script
from tests.fakes.strict_upstream import StrictUpstream
from tests.fakes.tap import Tap

HERE = Path(__file__).resolve().parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave these tests out of a run that only names a folder above them."""
    asked = [Path(str(one).split("::")[0]).resolve() for one in config.args]
    return None if any(path == HERE or HERE in path.parents for path in asked) else True


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The fresh HOME of the program."""
    return tmp_path / "person"


@pytest.fixture
def upstream(place: Path) -> Iterator[StrictUpstream]:
    """A provider whose model reads the file with the tool that each program has for it."""
    file = str(place / "work" / "answer.txt")
    shell = "cat answer.txt"
    reads = {"exec_command": {"cmd": shell}, "shell_command": {"command": shell}}
    reads |= {"Read": {"file_path": file}, "read": {"filePath": file}}
    with StrictUpstream(Script(tools=reads)) as strict:
        yield strict


@pytest.fixture
def gateway(tmp_path: Path, upstream: StrictUpstream) -> Iterator[ScriptedHome]:
    """A gateway in front of it, with one model on this machine that does the same."""
    place = ScriptedHome(tmp_path / "gateway", upstream)
    try:
        place.start()
        yield place
    finally:
        place.stop()


@pytest.fixture
def tap(gateway: ScriptedHome) -> Iterator[Tap]:
    """What writes down the requests at the door."""
    with Tap(strict_home.door(gateway)) as between:
        yield between
