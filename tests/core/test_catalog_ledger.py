"""Where models.toml says that the ledger is."""

from __future__ import annotations

import pytest

from pointsman.core.catalog import CatalogError, Source, read


def place(address: str) -> str | None:
    """What is read of an address."""
    return read([Source("models.toml", f'[ledger]\ndatabase = "{address}"\n')]).ledger.database


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://box/money",
        "postgresql://ann@box:5433/money?sslmode=verify-full",
        "postgres:///money?host=/var/run/postgresql",
    ],
)
def test_an_address_of_postgresql_is_taken_as_it_is(address: str) -> None:
    """Host, port, user and options, or a socket."""
    assert place(address) == address


def test_without_a_word_it_is_the_file() -> None:
    """One machine needs no server."""
    assert read([]).ledger.database is None


@pytest.mark.parametrize("address", ["postgresql://ann:hunter2@box/money", "postgresql://box/money?password=hunter2"])
def test_a_password_is_refused_and_not_repeated(address: str) -> None:
    """models.toml is copied and versioned; the sentence says where a password goes."""
    with pytest.raises(CatalogError, match=r"models.toml, line 2: 'database' must not hold a password. Put it in PGP"):
        place(address)
    with pytest.raises(CatalogError) as failed:
        place(address)
    assert "hunter2" not in failed.value.sentence


@pytest.mark.parametrize(
    "address", ["mysql://box/money", "box", "postgresql://box", "postgresql://box:port/money", "postgresql://b ox/x"]
)
def test_what_is_no_address_is_told_how_to_write(address: str) -> None:
    """With file, line and an example."""
    with pytest.raises(CatalogError, match=r'line 2: .database. must be an address such as "postgresql://host/name"'):
        place(address)
