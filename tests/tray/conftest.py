"""Qt without a screen, the theme that windows are tested with, and a real admin server."""

from __future__ import annotations

import os

os.environ["QT_QPA_PLATFORM"] = "offscreen"

from pathlib import Path

import pytest
from PySide6.QtGui import QFont

from pointsman.system.paths import Paths
from pointsman.tray import samples
from pointsman.tray.theme import Theme
from tests.tray.admin_server import AdminServer

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """The offscreen plugin warns of what it lacks; that says nothing of ours."""
    ignored = pytest.mark.qt_log_ignore(
        "This plugin does not support", "No such signal QPlatformNativeInterface::systemTray"
    )
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(ignored)


@pytest.fixture
def theme(qapp):
    """The light scheme at the size that the table is written for."""
    if qapp.style().objectName() != "fusion":
        qapp.setStyle("Fusion")
    font = QFont("DejaVu Sans")
    font.setPixelSize(13)
    return Theme("light", font)


@pytest.fixture
def home(tmp_path):
    """A fresh home."""
    return Paths(tmp_path)


@pytest.fixture
def admin(home):
    """An admin door that speaks the contract over a real socket, with the calm day."""
    server = AdminServer(home.runtime, samples.calm())
    server.start()
    yield server
    server.stop()
