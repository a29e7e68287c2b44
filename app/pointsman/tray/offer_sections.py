"""Models that a person can have by one click: the one on offer, and those that other programs keep here already."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QBoxLayout, QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from pointsman.tray.button import Button
from pointsman.tray.models_view import OFFER, Fact, HeldRow, HeldView, OfferView, held_key
from pointsman.tray.sections import MARGIN, ROOM, Pool, Section, tr
from pointsman.tray.theme import Theme
from pointsman.tray.widgets import NO_BREAK_HYPHEN, ElidedLabel, SentenceLabel, Text, TierGlyph
from pointsman.wire.admin import LoadModel, PullModel


class FactCell(QWidget):
    """A small label over its value."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self._label = ElidedLabel(theme, "caption", "text3")
        self._value = Text(theme, "medium")
        self._value.setWordWrap(True)
        column.addWidget(self._label)
        column.addWidget(self._value)

    def show_view(self, view: Fact) -> None:
        """Another fact."""
        self._label.say(tr(view.label))
        self._value.setText(view.value.replace("-", NO_BREAK_HYPHEN))
        self._value.setAccessibleName(view.value)
        self.setAccessibleName(f"{tr(view.label)}: {view.value}")


class OfferBox(QWidget):
    """The model's name and what it takes, on a ground of its own."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 10, 12, 12)
        column.setSpacing(2)
        first = QHBoxLayout()
        first.setSpacing(8)
        self._name = ElidedLabel(theme, "strong")
        first.addWidget(TierGlyph(theme))
        first.addWidget(self._name, 1)
        self._good_for = SentenceLabel(theme, "caption", "text2")
        grid = QGridLayout()
        grid.setContentsMargins(0, 8, 0, 0)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(8)
        self._cells = tuple(FactCell(theme) for _ in range(4))
        for at, cell in enumerate(self._cells):
            grid.addWidget(cell, at // 2, at % 2, Qt.AlignmentFlag.AlignTop)
            grid.setColumnStretch(at % 2, 1)
        column.addLayout(first)
        column.addWidget(self._good_for)
        column.addLayout(grid)

    def show_view(self, view: OfferView) -> None:
        """Another model."""
        self._name.say(view.name)
        self._good_for.say(tr(view.good_for))
        self._good_for.setVisible(bool(view.good_for))
        for cell, fact in zip(self._cells, view.facts, strict=True):
            cell.show_view(fact)

    def paintEvent(self, _event: object) -> None:
        """A sunken rounded ground."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self._theme.colour("line"))
        painter.setBrush(self._theme.colour("window"))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        painter.end()


class OfferSection(Section):
    """A model for this machine: what it takes, and one click to get it."""

    command = Signal(object)
    put_away = Signal(object)

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme)
        self._model = ""
        self.setAccessibleName(tr("A model for this machine"))
        self._box = OfferBox(theme)
        self._foot = SentenceLabel(theme, "caption", "text3")
        self.get = Button(theme, "", "primary", icon="download")
        self.later = Button(theme, tr("Not now"))
        self.get.clicked.connect(lambda: self.command.emit(PullModel(self._model)))
        self.later.clicked.connect(lambda: self.put_away.emit((OFFER,)))
        why = SentenceLabel(theme, "body", "text2")
        why.say(tr("It answers simple requests here, free of charge, and keeps private data at home."))
        head = QVBoxLayout()
        head.setSpacing(4)
        head.addWidget(Text(theme, "title", text=tr("A model for this machine")))
        head.addWidget(why)
        self.column.addLayout(head)
        self.column.addSpacing(2)
        self.column.addWidget(self._box)
        self.column.addWidget(self._foot)
        self.column.addLayout(self._buttons())

    def _buttons(self) -> QBoxLayout:
        self._row = row = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        row.setContentsMargins(0, 2, 0, 2)
        row.setSpacing(8)
        row.addWidget(self.later)
        row.addWidget(self.get, 1)
        return row

    def show_view(self, view: OfferView, *, stale: bool) -> None:
        """Another model, or the same while the gateway is asked."""
        self._model = view.name
        self._box.show_view(view)
        self._foot.say(f"{tr(view.pace)} {tr(view.meanwhile)}")
        self.get.setText(view.button)
        self.get.setAccessibleName(f"{view.button} {view.name}")
        self.get.setEnabled(not (view.busy or stale))
        self.get.updateGeometry()
        self.later.setEnabled(not stale)
        fits = self.get.sizeHint().width() + self.later.sizeHint().width() + 8 <= ROOM
        self._row.setDirection(QBoxLayout.Direction.LeftToRight if fits else QBoxLayout.Direction.BottomToTop)


class HeldLine(QWidget):
    """A model of another program, and the button that loads it where it lies."""

    loaded = Signal(str)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._model = ""
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        self._name = ElidedLabel(theme, least=150)
        self._program = ElidedLabel(theme, "caption", "text3")
        self._load = Button(theme, tr("Load"))
        self._load.clicked.connect(lambda: self.loaded.emit(self._model))
        row.addWidget(TierGlyph(theme))
        row.addWidget(self._name)
        row.addWidget(self._program)
        row.addStretch(1)
        row.addWidget(self._load)

    def show_view(self, view: HeldRow, *, stale: bool) -> None:
        """Another model."""
        self._model = view.name
        self.setAccessibleName(f"{view.name}, {view.program}")
        self._name.say(view.name)
        self._program.say(view.program)
        self._load.setAccessibleName(view.load)
        self._load.setEnabled(not stale)


class HeldSection(Section):
    """Models that are on this machine already, and need neither download nor copy."""

    command = Signal(object)
    put_away = Signal(object)

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme)
        self._names: tuple[str, ...] = ()
        later = Button(theme, tr("Not now"), "link")
        later.clicked.connect(lambda: self.put_away.emit(tuple(map(held_key, self._names))))
        self.head.addWidget(Text(theme, "label", "text3", text=tr("On this machine already")))
        self.head.addStretch(1)
        self.head.addWidget(later)
        self.column.addLayout(self.head)
        self.column.setContentsMargins(MARGIN, 8, MARGIN, 12)
        why = SentenceLabel(theme, "body", "text2")
        why.say(tr("These models can answer from where they lie. Nothing is downloaded or copied."))
        rows = QVBoxLayout()
        rows.setSpacing(4)
        self.column.setSpacing(6)
        self.column.addWidget(why)
        self.column.addLayout(rows)
        self._pool = Pool(rows, self._make)
        self._more = Text(theme, "caption", "text3")
        self.column.addWidget(self._more, 0, Qt.AlignmentFlag.AlignLeft)

    def _make(self) -> HeldLine:
        line = HeldLine(self.theme)
        line.loaded.connect(lambda model: self.command.emit(LoadModel(model)))
        return line

    def show_view(self, view: HeldView, *, stale: bool) -> None:
        """Other models."""
        self._names = view.names
        self._pool.fill(view.rows, stale=stale)
        self._more.setText(view.more)
        self._more.setVisible(bool(view.more))
