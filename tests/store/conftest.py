"""A real database for each test: a file in a fresh folder, and a fresh database of a PostgreSQL server.

A test that asks for `db` or `place` runs on both engines; one that asks for `path` is about SQLite's file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pointsman.store import rollup
from pointsman.store.db import Database, choose
from tests.fakes import postgres
from tests.fakes.postgres import Server


class Place(NamedTuple):
    """Where a ledger is: a path or an address."""

    text: str

    @property
    def shared(self) -> bool:
        """Whether it is on a server."""
        return "://" in self.text

    def open(self) -> Database:
        """Open it, once more if it is open already."""
        return choose(Path(self.text), self.text if self.shared else None, {})


@pytest.fixture(autouse=True)
def few_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charges are summed up every sixth time, so that whatever is read is partly in the sums and partly not yet."""
    monkeypatch.setattr(rollup, "MOST_WAITING", 6)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where SQLite's file is."""
    return tmp_path / "pointsman.sqlite3"


@pytest.fixture
def url() -> Iterator[str]:
    """An empty database of the server."""
    server = postgres.server()
    fresh = server.url()
    yield fresh
    server.drop(fresh)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, path: Path) -> Iterator[Place]:
    """A ledger on each engine, not opened yet, in which nothing is. Its tables may be there already."""
    if request.param == "sqlite":
        yield Place(str(path))
        return
    server = postgres.server()
    url = server.empty()
    yield Place(url)
    server.give_back(url)


@pytest.fixture
def db(place: Place) -> Iterator[Database]:
    """An open database."""
    database = place.open()
    yield database
    database.close()


@pytest.fixture(scope="module")
def second() -> Iterator[Server]:
    """A server that nobody else uses."""
    started = Server()
    yield started
    started.remove()


@pytest.fixture
def own(second: Server) -> Iterator[Server]:
    """A server that this test may stop and change."""
    yield second
    second.stop()
    second.demand_passwords(wanted=False)
    second.start()
    second.do("DROP DATABASE IF EXISTS money", "DROP ROLE IF EXISTS ann")
