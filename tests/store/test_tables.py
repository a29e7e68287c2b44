from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import create_mock_engine

from pointsman.store.tables import METADATA


def made(address: str) -> list[str]:
    """The statements that make the tables at this address."""
    statements: list[str] = []

    def keep(statement: Any, *_: Any, **_more: Any) -> None:
        statements.append(str(statement.compile(dialect=engine.dialect)))

    engine = create_mock_engine(address, keep)
    METADATA.create_all(engine, checkfirst=False)
    return statements


@pytest.mark.parametrize("name", ["holds_open", "grants_standing", "audit_changes", "spend_names_long"])
def test_both_engines_have_the_same_partial_indexes(name):
    """An index over some rows is over the same rows on PostgreSQL and on SQLite."""
    found = [
        statement.partition(" WHERE ")[2]
        for address in ("sqlite://", "postgresql+psycopg://")
        for statement in made(address)
        if f"INDEX {name} " in statement
    ]
    assert found[0] == found[1] != ""
