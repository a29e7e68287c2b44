"""The person's time zone by its name, so that a day's start is right on both sides of a clock change."""

from __future__ import annotations

import os
from datetime import tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def find() -> tzinfo | None:
    """By `TZ`, /etc/localtime or /etc/timezone; None where the system does not name it."""
    for name in (os.environ.get("TZ", "").lstrip(":"), _linked(), _written()):
        if name:
            try:
                return ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                continue
    return None


def _linked() -> str:
    target = str(Path("/etc/localtime").resolve())
    _, found, name = target.partition("zoneinfo/")
    return name if found else ""


def _written() -> str:
    try:
        return Path("/etc/timezone").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
