"""The gallery draws every state in both schemes."""

from __future__ import annotations

import os
import subprocess
import sys

from PySide6.QtGui import QImage

STATES = {
    "popover-calm",
    "popover-busy",
    "popover-stopped",
    "popover-empty",
    "popover-long",
    "popover-german",
    "approval-money",
    "approval-consent",
    "approval-soft",
    "approval-shortened",
    "approval-price",
    "approval-price-filled",
    "approval-price-german",
    "approval-rule",
    "approval-rule-german",
    "approval-runaway",
    "approval-for-an-hour",
    "approval-expired",
    "approval-error",
    "approval-long",
    "menu",
    "menu-notifications-off",
    "popover-raised",
    "popover-full",
    "popover-one-paused",
    "popover-offer",
    "popover-offer-long",
    "popover-offer-asking",
    "popover-offer-refused",
    "popover-offer-german",
    "popover-held",
    "popover-download",
    "popover-download-stale",
    "popover-download-licence",
    "popover-download-sure",
    "popover-download-german",
    "popover-downloads",
}


def test_the_gallery_writes_a_picture_for_each_state(tmp_path):
    """Sharp, light and dark."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("QT_")}
    command = [sys.executable, "-m", "pointsman.tray.gallery", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    written = {path.stem for path in tmp_path.glob("*.png")}
    assert written >= {f"{state}-{scheme}" for state in STATES for scheme in ("light", "dark")}
    assert QImage(str(tmp_path / "popover-calm-light.png")).width() == 2 * (340 + 56)


def test_the_gallery_wants_a_folder():
    """One sentence, no traceback."""
    done = subprocess.run([sys.executable, "-m", "pointsman.tray.gallery"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == "Say where the pictures go: python -m pointsman.tray.gallery OUT_DIR"
