from __future__ import annotations

import pytest

from pointsman.store import mirror
from pointsman.store.columns import table
from pointsman.store.tables import METADATA


def test_the_columns_for_statements_are_those_of_the_tables():
    """columns.py is what `python -m pointsman.store.mirror` writes now."""
    assert mirror.FILE.read_text("utf-8") == mirror.text()


@pytest.mark.parametrize("name", sorted(METADATA.tables))
def test_a_table_for_statements_has_the_key_of_the_real_one(name):
    """The primary key, by which rows are put and found."""
    assert list(table(name).primary_key.columns.keys()) == list(METADATA.tables[name].primary_key.columns.keys())
