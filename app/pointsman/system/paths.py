"""Where things are kept. `POINTSMAN_HOME` moves all state to one folder."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec
import platformdirs

from pointsman.core.errors import SetupError


class Paths(msgspec.Struct, frozen=True):
    """The folders and files of one person's Pointsman."""

    home: Path

    @property
    def database(self) -> Path:
        """The ledger, the audit and the settings."""
        return self.home / "pointsman.sqlite3"

    @property
    def models_toml(self) -> Path:
        """The person's own models.toml."""
        return self.home / "models.toml"

    @property
    def runtime(self) -> Path:
        """Written by the running gateway: pid, ports, admin token. Mode 0600."""
        return self.home / "gateway.json"

    @property
    def lock(self) -> Path:
        """Held by the running gateway."""
        return self.home / "gateway.lock"

    @property
    def logs(self) -> Path:
        """Logs, never with secrets or prompts."""
        return self.home / "logs"

    @property
    def models(self) -> Path:
        """Downloaded models."""
        return self.home / "models"

    @property
    def bodies(self) -> Path:
        """Kept requests and answers, sealed, one folder a day."""
        return self.home / "bodies"

    @property
    def responses(self) -> Path:
        """Responses that agents may continue from, sealed."""
        return self.home / "responses.sqlite3"

    @property
    def id(self) -> str:
        """A short name for this home; the keychain item carries it, so that two homes never share one."""
        return hashlib.sha256(str(self.home.resolve()).encode()).hexdigest()[:12]


def find() -> Paths:
    """The home of this person, not yet made."""
    given = os.environ.get("POINTSMAN_HOME")
    return Paths(Path(given).expanduser() if given else Path(platformdirs.user_data_dir("pointsman", appauthor=False)))


def make(paths: Paths) -> Paths:
    """Make the folders, readable by their owner alone. Raises `SetupError` where that cannot be done."""
    try:
        for folder in (paths.home, paths.logs, paths.models):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = paths.home / f".write-{os.getpid()}"
        probe.touch(mode=0o600)
        probe.unlink()
    except OSError as error:
        raise SetupError(
            f"Pointsman cannot write to {paths.home} ({error.strerror}): "
            "make that folder writable, or set POINTSMAN_HOME to one that is."
        ) from None
    return paths


def resource(name: str) -> Path:
    """A shipped file: models.toml, or one below resources/. In a checkout, the checkout's own."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "_resources" / name
    if shipped.exists():
        return shipped
    root = package.parents[1]
    return root / name if name == "models.toml" else root / "resources" / name
