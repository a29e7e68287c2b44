"""Whether a window can be shown here. Qt ends the whole process where it cannot, so this is asked first."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Mapping

# What Qt's plugins load, and the Debian package of each.
_BOTH = {"libEGL.so.1": "libegl1", "libxkbcommon.so.0": "libxkbcommon0", "libfontconfig.so.1": "libfontconfig1"}
_X11 = {
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def problem(
    environ: Mapping[str, str] = os.environ, system: str = sys.platform, loads: Callable[[str], bool] = _loads
) -> str | None:
    """Why no window can be shown, in one sentence; None when one can."""
    if not system.startswith("linux") or environ.get("QT_QPA_PLATFORM", "") in {"offscreen", "minimal", "vnc"}:
        return None
    wayland, x11 = environ.get("WAYLAND_DISPLAY"), environ.get("DISPLAY")
    if not (wayland or x11):
        return "There is no display here."
    needed = _BOTH if wayland else _BOTH | _X11
    missing = [package for library, package in needed.items() if not loads(library)]
    if missing:
        return f"Windows need packages that are not installed here: {' '.join(missing)}."
    return None
