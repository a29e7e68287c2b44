"""A keyring in a plain file, for gateways in a process of their own: TEST_KEYRING_FILE names it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import ClassVar

from keyring.backend import KeyringBackend


class Keyring(KeyringBackend):
    """What keyring loads by its name."""

    priority: ClassVar[float] = 1

    def get_password(self, service: str, username: str) -> str | None:
        """The text kept, or None."""
        found: str | None = self._all().get(f"{service} {username}")
        return found

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a text."""
        self._path().write_text(json.dumps({**self._all(), f"{service} {username}": password}))

    def delete_password(self, service: str, username: str) -> None:
        """Forget a text."""
        known = self._all()
        known.pop(f"{service} {username}", None)
        self._path().write_text(json.dumps(known))

    def _all(self) -> dict[str, str]:
        path = self._path()
        return json.loads(path.read_text()) if path.exists() else {}

    @staticmethod
    def _path() -> Path:
        return Path(os.environ["TEST_KEYRING_FILE"])
