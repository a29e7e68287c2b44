"""Where the tray starts. Qt is loaded only after a display was found."""

from __future__ import annotations

import os
import socket
import sys

from pointsman.system import paths

NO_DISPLAY = 3
_TIMEOUT = 1.0


def run(argv: list[str]) -> int:
    """Run the tray; 3 after one sentence where there is no display, so that the caller can go on without."""
    reason = why_not(dict(os.environ), sys.platform)
    if reason is None:
        try:
            from pointsman.tray.app import serve
        except ImportError as error:
            reason = f"The tray cannot load Qt ({error})."
        else:
            return serve(argv, paths.find())
    print(f"{reason} Pointsman runs without its tray.")
    return NO_DISPLAY


def why_not(env: dict[str, str], platform: str) -> str | None:
    """Why there is no display to show a tray on; None where there is one."""
    if platform in {"win32", "darwin"} or env.get("QT_QPA_PLATFORM"):
        return None
    if env.get("WAYLAND_DISPLAY"):
        return None
    display = env.get("DISPLAY", "")
    if not display:
        return "There is no display here."
    return None if _answers(display) else f"The display {display} does not answer."


def _answers(display: str) -> bool:
    """Whether an X server listens; Qt would end the whole process where none does."""
    host, _, rest = display.rpartition(":")
    number = rest.partition(".")[0]
    if not number.isdigit():
        return False
    if host in {"", "unix"}:
        return any(_unix(path) for path in (f"/tmp/.X11-unix/X{number}", f"\0/tmp/.X11-unix/X{number}"))  # noqa: S108
    try:
        with socket.create_connection((host, 6000 + int(number)), _TIMEOUT):
            return True
    except OSError:
        return False


def _unix(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_TIMEOUT)
        return probe.connect_ex(path) == 0
