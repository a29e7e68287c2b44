"""A question told by the system's own short message beside the icon: macOS and Windows."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from pointsman.tray.notification import Notification
from pointsman.tray.status_item import StatusItem


class BalloonNotifier(QObject):
    """It has no buttons: a click opens the window. The system takes it away by itself."""

    acted = Signal(str, str)
    dismissed = Signal(str)

    def __init__(self, status: StatusItem) -> None:
        super().__init__(status)
        self._status = status
        self._wanted: Notification | None = None
        status.balloon_clicked.connect(self._clicked)

    def show(self, wanted: Notification) -> None:
        """Once for each question."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._status.balloon(wanted.title, wanted.body)

    def hide(self) -> None:
        """A click on one that is still there does nothing any more."""
        self._wanted = None

    def close(self) -> None:
        """Nothing is held."""
        self.hide()

    def _clicked(self) -> None:
        if self._wanted is not None:
            self.acted.emit(self._wanted.question, "default")
