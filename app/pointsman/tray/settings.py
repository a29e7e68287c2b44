"""What the person chose for the tray alone, in one small file beside the gateway's own."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pointsman.system import paths


class Settings(msgspec.Struct, frozen=True):
    """`notify`: a desktop notification tells of a question that cannot be seen. `allow`: it offers to allow money once.

    `put_away` are offers of models that are not made again.
    """

    notify: bool = True
    allow: bool = False
    put_away: tuple[str, ...] = ()


def file(home: paths.Paths) -> Path:
    """Where they are kept."""
    return home.home / "tray.json"


def read(home: paths.Paths) -> Settings:
    """As chosen; a file that is missing or makes no sense is as if nothing was chosen, so nothing more is allowed."""
    try:
        return msgspec.json.decode(file(home).read_bytes(), type=Settings)
    except (OSError, msgspec.DecodeError):
        return Settings()


def write(home: paths.Paths, settings: Settings) -> None:
    """Keep them, whole or not at all. Raises `OSError` where that cannot be done."""
    home.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = file(home).with_suffix(".new")
    new.touch(mode=0o600)
    new.write_bytes(msgspec.json.format(msgspec.json.encode(settings)))
    new.replace(file(home))
