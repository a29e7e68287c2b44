"""Between popover and gateway, for models: what is offered, what was put away, and the one word when a download ends."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QUrl, Signal
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QDesktopServices

from pointsman.tray.models_view import OFFER, Away
from pointsman.tray.popover import Popover
from pointsman.tray.put_away import PutAway
from pointsman.tray.sections import tr
from pointsman.wire.admin import Command, Problem, PullModel, Snapshot

Keep = Callable[[tuple[str, ...]], None]
Tell = Callable[[str, str], None]


class ModelOffers(QObject):
    """`changed` asks for a new drawing; `keep` writes down what is put away, `tell` is the desktop's short message."""

    changed = Signal()

    def __init__(self, kept: tuple[str, ...], keep: Keep, tell: Tell, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._away = PutAway(kept)
        self._kept, self._keep, self._tell = kept, keep, tell
        self._popover: Popover | None = None

    def follow(self, popover: Popover) -> None:
        """The popover is this one from now on."""
        self._popover = popover
        popover.put_away.connect(self.put_away)
        popover.page.connect(show_page)
        popover.closed.connect(self._away.seen)

    @property
    def away(self) -> Away:
        """What is not drawn."""
        return Away(self._away.hidden, self._away.asked)

    def take(self, snapshot: Snapshot) -> None:
        """What became of the downloads; each end is told once."""
        finished = self._away.take(snapshot)
        self._write()
        for model in finished:
            self._tell_ready(model)

    def _tell_ready(self, model: str) -> None:
        """By the desktop where the popover is not open; where it is, to whoever listens."""
        title, text = tr("{model} is ready").format(model=model), tr("It answers on this machine from now on.")
        if self._popover is None or not self._popover.isVisible():
            self._tell(title, text)
        else:
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self._popover, f"{title}. {text}"))

    def sent(self, command: Command) -> None:
        """The gateway is asked for a model."""
        if isinstance(command, PullModel):
            self._away.ask(command.model)
            self.changed.emit()

    def answered(self, command: Command, result: bytes | Problem) -> None:
        """It said no: the offer stands again."""
        if isinstance(command, PullModel) and isinstance(result, Problem):
            self._away.refused(command.model)
            self.changed.emit()

    def put_away(self, keys: tuple[str, ...]) -> None:
        """The person does not want to see these any more."""
        self._away.put(*keys)
        self._write()
        self.changed.emit()

    def bring(self) -> None:
        """The person asks for the offer after all."""
        self._away.bring(OFFER)
        self._write()

    def _write(self) -> None:
        kept = tuple(sorted(self._away.kept))
        if kept != self._kept:
            self._kept = kept
            self._keep(kept)


def show_page(address: str) -> None:
    """A model's page in the person's browser; nothing else is opened by an address that came over the network."""
    if QUrl(address).scheme() in {"https", "http"}:
        QDesktopServices.openUrl(QUrl(address))
