"""A desktop of the test's own: an X server, a session bus and a notification daemon."""

from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from jeepney.bus_messages import MatchRule, message_bus
from jeepney.io.blocking import DBusConnection, Proxy, open_dbus_connection

_BUS = """<busconfig><type>session</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
</policy></busconfig>"""
_DUNST = """[global]
dmenu = {menu}
[all]
summary = "*"
script = {script}
"""


class Desktop:
    """Real daemons without a screen; `daemon=False` leaves the bus without one for notifications."""

    def __init__(self, folder: Path, *, daemon: bool = True) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self.bus = self._start_bus()
        self.environment = {**os.environ, "DBUS_SESSION_BUS_ADDRESS": self.bus, "HOME": str(folder)}
        if daemon:
            self._start_daemon()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start_bus(self) -> str:
        config = self.folder / "bus.conf"
        config.write_text(_BUS.format(path=self.folder / "bus"))
        daemon = ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address"]
        return self._started(daemon).stdout.readline().decode().strip()

    def _start_daemon(self) -> None:
        x = self._started(["Xvfb", "-displayfd", "1", "-screen", "0", "800x600x24", "-nolisten", "tcp"])
        self.environment["DISPLAY"] = f":{x.stdout.readline().decode().strip()}"
        self.choose("Deny")
        (self.folder / "dunstrc").write_text(_DUNST.format(menu=self.folder / "menu", script=self._script()))
        self._daemon = self._start_dunst()

    def _start_dunst(self) -> subprocess.Popen[bytes]:
        with open_dbus_connection(bus=self.bus) as connection:
            daemon = self._started(["dunst", "-config", str(self.folder / "dunstrc")], env=self.environment)
            _wait_for(connection, "org.freedesktop.Notifications")
        return daemon

    def restart_daemon(self) -> None:
        """As after an update of the desktop."""
        _ended(self._daemon)
        self._daemon = self._start_dunst()

    def _script(self) -> Path:
        """Writes down each notification that the daemon shows."""
        script = self.folder / "told"
        script.write_text(f"#!/bin/sh\nprintf '%s | %s\\n' \"$2\" \"$3\" >>'{self.folder}/told.txt'\n")
        script.chmod(0o700)
        return script

    @property
    def told(self) -> list[str]:
        """Title and text of each that was shown, in order."""
        path = self.folder / "told.txt"
        return path.read_text("utf-8").splitlines() if path.exists() else []

    def choose(self, label: str) -> None:
        """What the person takes from the menu of actions."""
        menu = self.folder / "menu"
        menu.write_text(f"#!/bin/sh\ngrep -m1 '^#{label} '\n")
        menu.chmod(0o700)

    def _started(self, command: list[str], env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._stack.callback(_ended, process)
        return process

    def ctl(self, *words: str) -> str:
        """What dunstctl says."""
        ran = subprocess.run(
            ["dunstctl", *words], env=self.environment, capture_output=True, text=True, check=True, timeout=30
        )
        return ran.stdout.strip()

    def send_action(self, number: int, act: str, to: str | None = None) -> None:
        """What a program that is not the daemon may send to all, or to one."""
        dest = [f"--dest={to}"] if to else []
        signal = ["--type=signal", "/org/freedesktop/Notifications", "org.freedesktop.Notifications.ActionInvoked"]
        words = ["dbus-send", "--session", *dest, *signal, f"uint32:{number}", f"string:{act}"]
        subprocess.run(words, env=self.environment, check=True, timeout=30)

    @property
    def shown(self) -> int:
        """How many notifications are on the screen."""
        return int(self.ctl("count", "displayed")) + int(self.ctl("count", "waiting"))


def _wait_for(connection: DBusConnection, name: str) -> None:
    """Until somebody owns this name on the bus."""
    bus = Proxy(message_bus, connection, timeout=20)
    rule = MatchRule(type="signal", interface="org.freedesktop.DBus", member="NameOwnerChanged")
    with connection.filter(rule) as changes:
        bus.AddMatch(rule)
        while not bus.NameHasOwner(name)[0]:
            connection.recv_until_filtered(changes, timeout=20)


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(20)
    if process.stdout is not None:
        process.stdout.close()
