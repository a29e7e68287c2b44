"""Drives the real tray on a real X server and takes its pictures; started by screens.sh."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from pointsman.system.paths import Paths
from pointsman.tray import app as module
from pointsman.tray import samples
from pointsman.tray.app import Tray
from pointsman.tray.gallery import BACKDROP, base_font
from pointsman.tray.gateway_process import GatewayProcess
from pointsman.tray.theme import Theme
from tests.tray.admin_server import AdminServer


def icon(tray):
    """Where the tray host put the icon, in device pixels."""
    while tray.status.geometry().topLeft().isNull():
        QTest.qWait(100)
    box, ratio = tray.status.geometry(), tray.popover.devicePixelRatioF()
    return round(box.center().x() * ratio), round(box.center().y() * ratio)


def click(at, button):
    """A real click, as a person's hand does it."""
    subprocess.run(["xdotool", "mousemove", str(at[0]), str(at[1]), "click", str(button)], check=True)
    QTest.qWait(800)


def shot(out, name, scheme):
    """The whole screen, its bare ground in a quiet colour."""
    path = str(out / f"{name}-{scheme}.png")
    subprocess.run(["import", "-window", "root", path], check=True)
    fill = ["-fill", BACKDROP[scheme], "-draw", "color 0,0 floodfill"]
    subprocess.run(["convert", path, *fill, path], check=True)


def main(out, scheme):
    """Popover, approval window, notification and menu, one picture each."""
    began = time.time()
    module.clock = lambda: samples.NOW + timedelta(seconds=time.time() - began)
    app = QApplication([])
    app.setStyle("Fusion")
    app.setQuitOnLastWindowClosed(False)
    theme = Theme(scheme, base_font())
    app.setPalette(theme.palette())
    with tempfile.TemporaryDirectory() as folder:
        home = Paths(Path(folder))
        server = AdminServer(home.runtime, samples.calm())
        server.start()
        bus = os.environ["DBUS_SESSION_BUS_ADDRESS"]
        tray = Tray(home, GatewayProcess(home), theme, bus=bus)
        tray.run()
        QTest.qWait(1500)
        at = icon(tray)
        click(at, 1)
        shot(out, "screen-calm", scheme)
        server.show(samples.busy())
        QTest.qWait(1200)
        shot(out, "screen-asks", scheme)
        tray.window.put_away.emit()
        QTest.qWait(2500)
        shot(out, "screen-notification", scheme)
        click((20, 20), 1)
        click(at, 3)
        shot(out, "screen-menu", scheme)
        subprocess.run(["xdotool", "key", "Escape"], check=True)
        QTest.qWait(300)
        tray.close()
        server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
