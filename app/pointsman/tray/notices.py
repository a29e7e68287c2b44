"""Which question a desktop notification tells of, and what its actions do."""

from __future__ import annotations

from typing import Any, Protocol

from PySide6.QtCore import QObject, QTimer
from shiboken6 import isValid

from pointsman.tray.approvals import Approvals
from pointsman.tray.notification import Notification, answer, notification
from pointsman.tray.settings import Settings
from pointsman.wire.admin import Question

LOOK_MS = 500


class Notifier(Protocol):
    """Shows one notification at a time."""

    @property
    def acted(self) -> Any:
        """A signal: a question and the key of an action."""

    @property
    def dismissed(self) -> Any:
        """A signal: a question whose notification the person put away."""

    def show(self, wanted: Notification) -> None:
        """This one, in the place of the one before."""

    def hide(self) -> None:
        """No notification."""

    def close(self) -> None:
        """Take it back, for good."""


class Notices(QObject):
    """Tells of the oldest question while the window cannot be seen; once dismissed, a question is not told again.

    It looks twice, `look_ms` apart: a window that opens is not on the screen at once.
    """

    def __init__(self, approvals: Approvals, notifier: Notifier, settings: Settings, look_ms: int = LOOK_MS) -> None:
        super().__init__(approvals)
        self._look = QTimer(self, interval=look_ms, singleShot=True)
        self._look.timeout.connect(self._show)
        self.settings = settings
        self._approvals, self._notifier = approvals, notifier
        self._dismissed: set[str] = set()
        self._told: Question | None = None
        notifier.acted.connect(self._acted)
        notifier.dismissed.connect(self._put_away)

    def take(self, settings: Settings) -> None:
        """The person chose otherwise."""
        self.settings = settings
        self.tell()

    def tell(self) -> None:
        """Bring the notification up to date."""
        if self._told is not None or self._found() is None:
            self._show()
        elif not self._look.isActive():
            self._look.start()

    def _found(self) -> Question | None:
        unseen = self._approvals.unseen() if self.settings.notify else []
        return next((one for one in unseen if one.id not in self._dismissed), None)

    def _show(self) -> None:
        if not isValid(self._notifier):  # the program ends, and Qt took the notifier away before this timer
            return
        self._told = self._found()
        if self._told is None:
            self._notifier.hide()
        else:
            self._notifier.show(notification(self._told, self.settings))

    def _put_away(self, question: str) -> None:
        self._dismissed.add(question)

    def _acted(self, question: str, act: str) -> None:
        told = self._told
        if told is None or told.id != question:
            return
        given = answer(told, act, self.settings)
        if given is None:
            self._approvals.review(question)
        else:
            self._approvals.answer(given)
