"""The tray put together: client, windows and icon, drawn from one snapshot and one link."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial

from msgspec.structs import replace
from PySide6.QtCore import QObject, Qt, QTimer, QUrl
from PySide6.QtGui import QDesktopServices, QFontDatabase, QGuiApplication
from PySide6.QtWidgets import QApplication, QMessageBox, QSystemTrayIcon

from pointsman.system import paths
from pointsman.tray import first, link, settings, theme, tokens, words
from pointsman.tray.approval_window import DEAD_MS, ApprovalWindow
from pointsman.tray.approvals import Approvals
from pointsman.tray.client import AdminClient
from pointsman.tray.gateway_process import GatewayProcess
from pointsman.tray.menu_view import PauseChoice, Switch, menu_view
from pointsman.tray.model_offers import ModelOffers
from pointsman.tray.notices import Notices, Notifier
from pointsman.tray.popover import Popover
from pointsman.tray.sections import tr
from pointsman.tray.status_item import StatusItem
from pointsman.tray.view_model import popover_view
from pointsman.wire.admin import Command, Pause, Problem, Resume, Snapshot, StopGateway

TICK_MS = 1000


def clock() -> datetime:
    """Now, with the machine's time zone."""
    return datetime.now().astimezone()


def system_theme() -> theme.Theme:
    """What the person's system asks for."""
    hints = QGuiApplication.styleHints()
    dark = hints.colorScheme() == Qt.ColorScheme.Dark
    scheme: tokens.Scheme = "dark" if dark else "light"
    if hints.accessibility().contrastPreference() == Qt.ContrastPreference.HighContrast:
        scheme = "contrast-dark" if dark else "contrast-light"
    return theme.Theme(scheme, QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont))


def notifier(status: StatusItem, bus: str, dead_ms: int) -> Notifier:
    """How this system tells of a question that cannot be seen; `bus` is the address of Linux's session bus."""
    if sys.platform == "linux":
        from pointsman.tray.notifier import BusNotifier

        return BusNotifier(bus, status, dead_ms)
    from pointsman.tray.balloon import BalloonNotifier

    return BalloonNotifier(status)


class Tray(QObject):
    """The whole app behind the icon. Closing it leaves the gateway as it is.

    For `dead_ms` after a question appears nothing answers it; `bus` is the desktop's session bus, none if empty.
    """

    def __init__(
        self, home: paths.Paths, gateway: GatewayProcess, look: theme.Theme, dead_ms: int = DEAD_MS, bus: str = ""
    ) -> None:
        super().__init__()
        self._home, self._dead_ms = home, dead_ms
        self.settings = settings.read(home)
        self.gateway = gateway
        self.link = link.Link(since=time.time())
        self.snapshot: Snapshot | None = None
        self._box: QMessageBox | None = None
        self.client = AdminClient(home.runtime, self)
        self.status = StatusItem(look, self)
        self.notifier = notifier(self.status, bus, dead_ms)
        self.models = ModelOffers(self.settings.put_away, self._keep_away, self._tell, self)
        self._make_windows(look)
        self._follow()
        self._ticks = QTimer(self, interval=TICK_MS)
        self._ticks.timeout.connect(self.tick)

    def _make_windows(self, look: theme.Theme) -> None:
        self.popover = Popover(look)
        self.window = ApprovalWindow(look, self._dead_ms)
        self.approvals = Approvals(self.window, self.client, clock)
        self.approvals.beside = self.popover
        self.notices = Notices(self.approvals, self.notifier, self.settings)
        self.popover.command.connect(self._command)
        self.popover.review.connect(self.approvals.review)
        self.popover.start.connect(self.start_gateway)
        self.popover.log.connect(self._show_log)
        self.models.follow(self.popover)
        self.approvals.start.connect(self.start_gateway)

    def _follow(self) -> None:
        self.client.snapshot.connect(self._took)
        self.client.happened.connect(self._happened)
        self.client.lost.connect(self._lost)
        self.status.clicked.connect(self._toggle)
        self.status.chosen.connect(self._chosen)
        self.models.changed.connect(self.draw)

    def run(self) -> None:
        """Show the icon and follow the gateway; start one where none runs."""
        self.draw()
        self.status.show()
        if not self.client.process_lives:
            self.start_gateway()
        self.client.open()
        self._ticks.start()

    def close(self) -> None:
        """Take everything down but the gateway."""
        self._ticks.stop()
        self.notifier.close()
        self.client.close()
        self.status.hide()
        for window in (self.popover, self.window):
            window.hide()
            window.deleteLater()

    def take_theme(self, look: theme.Theme) -> None:
        """Other colours: the windows are made anew."""
        shown = self.popover.isVisible()
        self.popover.hide()
        for window in (self.popover, self.window):
            window.hide()
            window.deleteLater()
        self._make_windows(look)
        self.status.take_theme(look)
        if self.snapshot is not None and self.link.state == "live":
            self.approvals.take(self.snapshot.approvals)
        if shown:
            self.show()

    def show(self) -> None:
        """The popover at the icon; a second launch asks for this."""
        self.draw(hidden=True)
        self.popover.open_at(self.status.geometry())

    def start_gateway(self) -> None:
        """Start it; a failure is said in the popover."""
        problem = self.gateway.start()
        self.link = link.started(self.link) if problem is None else link.failed(self.link, problem)
        self.draw()

    def tick(self) -> None:
        """Each second: what became of a start, of a loss, of the clocks."""
        if self.link.starting:
            problem = self.gateway.poll()
            if problem is not None:
                self.link = link.failed(self.link, problem)
        else:
            self.gateway.poll()
        if self.link.state != "live":
            before = self.link.state
            lives, trouble = self.client.process_lives, self.client.trouble
            self.link = link.aged(self.link, time.time(), lives=lives, trouble=trouble)
            if before != "gone" and self.link.state == "gone":
                self.approvals.gone()
        self.approvals.tick()
        self.notices.tell()
        self.draw()

    def draw(self, *, hidden: bool = False) -> None:
        """Bring icon, menu and popover up to date; a hidden popover only before it shows."""
        now = clock()
        self.status.show_view(menu_view(self.snapshot, self.link, now, self.settings))
        if hidden or self.popover.isVisible():
            self.popover.show_view(popover_view(self.snapshot, self.link, now, self.models.away))

    def _took(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.link = link.Link("live", snapshot.at)
        self.approvals.take(snapshot.approvals)
        self.notices.tell()
        self.models.take(snapshot)
        self.draw()

    def _keep_away(self, kept: tuple[str, ...]) -> None:
        """Offers that were put away stay so over restarts; where that cannot be written, until the tray ends."""
        self.settings = replace(self.settings, put_away=kept)
        with contextlib.suppress(OSError):
            settings.write(self._home, self.settings)

    def _tell(self, title: str, text: str) -> None:
        if self.settings.notify:
            self.status.balloon(title, text)

    def _show_offer(self) -> None:
        self.models.bring()
        self.show()

    def _happened(self, event: object) -> None:
        self.approvals.happened(event)

    def _lost(self, at: float) -> None:
        self.link = link.lost(self.link, at)
        self.tick()

    def _toggle(self) -> None:
        self.draw(hidden=True)
        self.popover.toggle(self.status.geometry())

    def _command(self, command: Command) -> None:
        self.models.sent(command)
        self.client.command(command, partial(self._told, command))

    def _told(self, command: Command, result: bytes | Problem) -> None:
        self.models.answered(command, result)
        if isinstance(result, Problem):
            self.popover.say_failed(result.sentence, command)

    def _show_log(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._home.logs)))

    def _chosen(self, act: str, value: object) -> None:
        if isinstance(value, PauseChoice):
            self._command(Pause(until=value.until))
            return
        if isinstance(value, Switch):
            self._turn(value)
            return
        acts: dict[str, Callable[[], None]] = {
            "show": self.show,
            "approvals": self.approvals.review,
            "offer": self._show_offer,
            "resume": partial(self._command, Resume()),
            "copy": self._copy,
            "start": self.start_gateway,
            "quit": QGuiApplication.quit,
            "stop": self._ask_stop,
        }
        acts[act]()

    def _turn(self, switch: Switch) -> None:
        """Keep the setting; where that cannot be done the person is told, and it stays as it was."""
        changed = replace(self.settings, **{switch.name: not switch.on})
        try:
            settings.write(self._home, changed)
        except OSError as error:
            self.show()
            self.popover.say_failed(f"The setting could not be kept ({error.strerror}).")
            return
        self.settings = changed
        self.notices.take(changed)
        self.draw()

    def _copy(self) -> None:
        if self.snapshot is not None:
            QGuiApplication.clipboard().setText(self.snapshot.address)

    def _ask_stop(self) -> None:
        number = len(self.snapshot.running) if self.snapshot else 0
        box = QMessageBox(QMessageBox.Icon.NoIcon, tr("Stop the gateway?"), tr("Stop the gateway?"))
        box.setInformativeText(_stop_text(number))
        stop = box.addButton(tr("Stop gateway"), QMessageBox.ButtonRole.DestructiveRole)
        keep = box.addButton(tr("Keep running"), QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(keep)
        stop.clicked.connect(lambda: self.client.command(StopGateway(), self._stopped))
        self._box = box  # nothing else keeps it
        box.open()

    def _stopped(self, result: bytes | Problem) -> None:
        if isinstance(result, Problem):
            self.show()
            self.popover.say_failed(result.sentence, StopGateway())
        else:
            QGuiApplication.quit()


def _stop_text(running: int) -> str:
    ends = "Agents get no answers until it runs again."
    if running == 0:
        return ends
    are, they = ("is", "It ends") if running == 1 else ("are", "They end")
    return f"{words.count(running, 'request')} {are} running. {they} now and what was used is charged. {ends}"


def serve(argv: list[str], home: paths.Paths) -> int:
    """Run the tray until it is quit; a second launch shows the first and ends."""
    app = QApplication(["pointsman", *argv])
    app.setApplicationName("Pointsman")
    app.setDesktopFileName("pointsman")
    app.setQuitOnLastWindowClosed(False)
    name = first.door_name(home)
    if first.call_first(name):
        print("Pointsman is already in the tray; it shows itself now.")
        return 0
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    bus = os.environ.get("DBUS_SESSION_BUS_ADDRESS", "")
    tray = Tray(home, GatewayProcess(home), system_theme(), bus=bus)
    server = first.listen(name, tray.show, tray)
    app.styleHints().colorSchemeChanged.connect(lambda _: tray.take_theme(system_theme()))
    print(
        "Pointsman is in the tray." if tray.client.process_lives else "Pointsman is in the tray and starts the gateway."
    )
    tray.run()
    if not QSystemTrayIcon.isSystemTrayAvailable():
        print("Your desktop shows no tray icon. Start Pointsman again to open its window.")
        tray.show()
    code = app.exec()
    server.close()
    tray.close()
    return code
