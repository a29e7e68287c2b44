"""The upper parts of the approval window: who asks, and why the person is asked."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from pointsman.tray.button import Button
from pointsman.tray.meters import Meter
from pointsman.tray.question_view import ApprovalView, ChipView, WhyView
from pointsman.tray.theme import Theme
from pointsman.tray.widgets import Chip, ElidedLabel, SentenceLabel, Text, Tile

CHIPS_WIDE = 398


def tr(text: str) -> str:
    """The text in the person's language."""
    return QCoreApplication.translate("ApprovalWindow", text)


class Head(QWidget):
    """Tile, name, how it is known, and the place in the queue."""

    moved = Signal(int)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(12)
        self._tile = Tile(theme)
        self._name = ElidedLabel(theme, "title", least=140)
        self._chip = Chip(theme, tr("Known by its key only"), "dashed", "key")
        self._origin = ElidedLabel(theme, "caption", "text3")
        names = QVBoxLayout()
        names.setSpacing(1)
        first = QHBoxLayout()
        first.setSpacing(8)
        first.addWidget(self._name)
        first.addWidget(self._chip)
        first.addStretch(1)
        names.addLayout(first)
        names.addWidget(self._origin)
        row.addWidget(self._tile)
        row.addLayout(names, 1)
        row.addWidget(self._queue(theme), 0, Qt.AlignmentFlag.AlignVCenter)

    def _queue(self, theme: Theme) -> QWidget:
        self._place = Text(theme, "caption", "text2")
        self._turner = QWidget()
        row = QHBoxLayout(self._turner)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        before = Button(theme, tr("Question before"), "icon", icon="left")
        after = Button(theme, tr("Next question"), "icon", icon="right")
        before.clicked.connect(lambda: self.moved.emit(-1))
        after.clicked.connect(lambda: self.moved.emit(1))
        for widget in (before, self._place, after):
            row.addWidget(widget)
        return self._turner

    def show_view(self, view: ApprovalView) -> None:
        """Another agent, another place."""
        self._tile.show_letters(view.initials)
        self._name.say(view.agent)
        self._origin.say(view.origin)
        self._place.setText(view.queue)
        self._turner.setVisible(bool(view.queue))


class Why(QWidget):
    """The cap with its meter, or what would leave, or a few plain sentences."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._view: WhyView | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        self._title = Text(theme, "medium")
        self._amounts = SentenceLabel(theme, "body", "text2", wrap=False)
        line = QHBoxLayout()
        line.setSpacing(8)
        line.addWidget(self._title)
        line.addStretch(1)
        line.addWidget(self._amounts)
        column.addLayout(line)
        self._meter = Meter(theme)
        self._chips = QVBoxLayout()
        self._chips.setSpacing(4)
        self._body = SentenceLabel(theme, "body", "text2")
        self._text = SentenceLabel(theme, "caption", "text3")
        column.addWidget(self._meter)
        column.addLayout(self._chips)
        column.addWidget(self._body)
        column.addWidget(self._text)

    def show_view(self, view: WhyView) -> None:
        """Another reason; only what it has is shown."""
        if view == self._view:
            return
        self._view = view
        self._title.setText(view.title)
        self._title.setVisible(bool(view.title))
        self._amounts.say(view.amounts)
        self._amounts.setVisible(bool(view.amounts))
        self._meter.show_view(view.meter)
        self._meter.setVisible(view.meter is not None)
        self._body.say(view.body)
        self._body.setVisible(bool(view.body))
        self._text.say(view.text)
        self._text.setVisible(bool(view.text))
        self._show_chips(view.chips)

    def _show_chips(self, chips: tuple[ChipView, ...]) -> None:
        while (item := self._chips.takeAt(0)) is not None:
            old = item.widget()
            assert old is not None
            old.hide()
            old.deleteLater()
        row: QHBoxLayout | None = None
        left = 0
        for view in chips:
            chip = Chip(self._theme, view.text, "danger" if view.secret else "warn", "key" if view.secret else "")
            if row is None or chip.sizeHint().width() > left:
                row, left = self._chip_row(), CHIPS_WIDE
            row.insertWidget(row.count() - 1, chip)
            chip.show()
            left -= chip.sizeHint().width() + 6

    def _chip_row(self) -> QHBoxLayout:
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 2, 0, 2)
        row.setSpacing(6)
        row.addStretch(1)
        self._chips.addWidget(holder)
        holder.show()
        return row
