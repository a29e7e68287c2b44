"""One notification of the desktop: shown, replaced, taken back. Where there is no daemon, nothing happens."""

from __future__ import annotations

import html
import math
import time
from typing import Any

from jeepney import DBusAddress, HeaderFields, Message, new_method_call
from jeepney.bus_messages import MatchRule
from PySide6.QtCore import QObject, Signal

from pointsman.tray.dbus import Bus, field
from pointsman.tray.notification import Notification

DEAD_MS = 500
CLOSED_BY_US = 3
_NAME = "org.freedesktop.Notifications"
_DAEMON = DBusAddress("/org/freedesktop/Notifications", bus_name=_NAME, interface=_NAME)
_STAYS = 0  # until it is answered or closed


class BusNotifier(QObject):
    """Over the session bus.

    An action within `dead_ms` of a change was meant for what stood there before: it opens the window, no more.
    """

    acted = Signal(str, str)
    dismissed = Signal(str)

    def __init__(self, address: str, parent: QObject | None = None, dead_ms: int = DEAD_MS) -> None:
        super().__init__(parent)
        self._address, self._dead = address, dead_ms / 1000
        self._bus: Bus | None = None
        self._daemon = ""
        self._can: frozenset[str] | None = None
        self._wanted: Notification | None = None
        self._shown: Notification | None = None
        self._id = 0
        self._busy = False
        self._awake_at = 0.0

    def show(self, wanted: Notification) -> None:
        """This one, in the place of the one before."""
        if wanted == self._wanted:
            return
        self._wanted = wanted
        if self._bus is None:
            self._open()
        self._sync()

    def hide(self) -> None:
        """No notification."""
        self._wanted = None
        self._sync()

    def close(self) -> None:
        """Take it back and let the bus go."""
        self.hide()
        if self._bus is not None:
            self._bus.flush()
            self._bus.close()

    def _open(self) -> None:
        self._bus = Bus(self._address, self)
        self._bus.opened.connect(self._opened)
        self._bus.signalled.connect(self._signalled)
        self._bus.closed.connect(self._closed)
        self._bus.open()

    def _opened(self) -> None:
        if self._bus is not None:
            self._bus.watch(MatchRule(type="signal", sender=_NAME, interface=_NAME, path=_DAEMON.object_path))
            self._bus.call(new_method_call(_DAEMON, "GetCapabilities"), self._greeted)

    def _greeted(self, answer: Message | None) -> None:
        if answer is None:
            self._drop()
            return
        self._daemon = field(answer, HeaderFields.sender)
        self._can = frozenset(answer.body[0])
        self._sync()

    def _drop(self) -> None:
        if self._bus is not None:
            self._bus.close()

    def _closed(self) -> None:
        """No bus, or it is gone: the next question tries again."""
        if self._bus is not None:
            self._bus.deleteLater()
        self._bus, self._can, self._shown, self._id, self._busy = None, None, None, 0, False

    def _sync(self) -> None:
        """Bring the desktop to what is wanted; one call at a time, so that nothing is ever shown twice."""
        if self._bus is None or self._can is None or self._busy or self._wanted == self._shown:
            return
        if self._wanted is None:
            call, self._id, self._shown = new_method_call(_DAEMON, "CloseNotification", "u", (self._id,)), 0, None
            self._bus.call(call, _nothing)
            return
        self._busy, self._shown, self._awake_at = True, self._wanted, math.inf
        self._bus.call(_notify(self._wanted, self._id, self._can), self._notified)

    def _notified(self, answer: Message | None) -> None:
        if answer is None:
            self._drop()
            return
        self._busy, self._id = False, answer.body[0]
        self._daemon = field(answer, HeaderFields.sender)  # it may have been started anew
        self._awake_at = time.monotonic() + self._dead
        self._sync()

    def _signalled(self, message: Message) -> None:
        """Only the daemon that shows it speaks for the person."""
        if field(message, HeaderFields.sender) != self._daemon or field(message, HeaderFields.interface) != _NAME:
            return
        body: tuple[Any, ...] = message.body
        if not self._id or not body or body[0] != self._id or self._shown is None:
            return
        question, member = self._shown.question, field(message, HeaderFields.member)
        if member == "ActionInvoked":
            self.acted.emit(question, body[1] if time.monotonic() >= self._awake_at else "review")
        elif member == "NotificationClosed":
            self._wanted = self._wanted if self._wanted != self._shown else None
            self._shown, self._id = None, 0
            if body[1] != CLOSED_BY_US:
                self.dismissed.emit(question)
            self._sync()


def _notify(wanted: Notification, replaces: int, can: frozenset[str]) -> Message:
    text = html.escape(wanted.body, quote=False) if "body-markup" in can else wanted.body
    actions = [part for action in wanted.actions for part in action] if "actions" in can else []
    hints = {"urgency": ("y", 1), "category": ("s", "im"), "desktop-entry": ("s", "pointsman")}
    body = ("Pointsman", replaces, "pointsman", wanted.title, text, actions, hints, _STAYS)
    return new_method_call(_DAEMON, "Notify", "susssasa{sv}i", body)


def _nothing(_answer: Message | None) -> None:
    pass
