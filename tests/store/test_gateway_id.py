"""Each gateway has a name of its own."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from pointsman.core.errors import SetupError
from pointsman.store.gateway_id import gateway_id


def test_the_name_is_made_once_for_each_home(tmp_path: Path) -> None:
    """It stays, and another home has another."""
    other = tmp_path / "other"
    other.mkdir()
    name = gateway_id(tmp_path)
    assert gateway_id(tmp_path) == name != gateway_id(other)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Nothing else is left beside it."""
    gateway_id(tmp_path)
    assert [(file.name, stat.S_IMODE(file.stat().st_mode)) for file in tmp_path.iterdir()] == [("gateway.id", 0o600)]


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"two words, and more", b"short"])
def test_a_damaged_name_is_one_sentence(tmp_path: Path, damage: bytes) -> None:
    """A new one would leave the old one's holds open, so the person decides."""
    (tmp_path / "gateway.id").write_bytes(damage)
    with pytest.raises(SetupError, match=r"gateway\.id cannot be read as this gateway's id"):
        gateway_id(tmp_path)
