"""The name under which a gateway holds money in a ledger that it shares with others."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from pointsman.core.errors import SetupError


def gateway_id(folder: Path) -> str:
    """The id in the folder's `gateway.id`, made at the first call: no two machines have the same."""
    file = folder / "gateway.id"
    try:
        if not file.exists():
            _write(file, uuid.uuid4().hex)
        known = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        known = ""
    if not (known.isascii() and known.isalnum() and len(known) >= 8):
        raise SetupError(
            f"{file} cannot be read as this gateway's id: make it readable, or delete it if it is damaged."
        )
    return known


def _write(file: Path, name: str) -> None:
    """Whole or not at all, even if the machine stops meanwhile."""
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_text(name, "utf-8")
    draft.chmod(0o600)
    draft.replace(file)
