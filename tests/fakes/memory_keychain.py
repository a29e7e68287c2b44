"""A keychain in memory, with the moods of a real one."""

from __future__ import annotations


class MemoryKeychain:
    """The face of keyring's backends. `error` is raised by every call, `forgetful` drops what it is told to keep."""

    def __init__(self, *, most: int | None = None) -> None:
        self.items: dict[tuple[str, str], str] = {}
        self.reads = 0
        self.most = most
        self.error: Exception | None = None
        self.forgetful = False

    def get_password(self, service: str, username: str) -> str | None:
        """The text kept, or None."""
        self._mood()
        self.reads += 1
        return self.items.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a text, of at most `most` characters."""
        self._mood()
        if self.most is not None and len(password) > self.most:
            raise OSError("too long")
        if not self.forgetful:
            self.items[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        """Forget a text."""
        self._mood()
        del self.items[service, username]

    def _mood(self) -> None:
        if self.error is not None:
            raise self.error
