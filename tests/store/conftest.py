"""A real database in a fresh folder for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.store.db import Database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is."""
    return tmp_path / "pointsman.sqlite3"


@pytest.fixture
def db(path: Path) -> Iterator[Database]:
    """An open database."""
    database = Database.open(path)
    yield database
    database.close()
