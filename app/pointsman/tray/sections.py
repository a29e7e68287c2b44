"""The popover's sections. Each takes its part of the view and draws only what changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtWidgets import QBoxLayout, QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from pointsman.tray.button import Button
from pointsman.tray.charts import SpendChart
from pointsman.tray.meters import Meter, PartBar, ShareBar
from pointsman.tray.theme import Theme
from pointsman.tray.view_model import (
    AgentRow,
    AgentsView,
    LoadedRow,
    NowView,
    PartView,
    RowView,
    TodayView,
    WhereView,
)
from pointsman.tray.widgets import ElidedLabel, SentenceLabel, Text, TierGlyph

MARGIN = 16
ROOM = 306  # between the popover's margins
Row = TypeVar("Row", bound=QWidget)


def tr(text: str) -> str:
    """The text in the person's language."""
    return QCoreApplication.translate("Popover", text)


class Pool(Generic[Row]):
    """Rows that are kept and filled again, so that focus and hover survive a new snapshot."""

    def __init__(self, layout: QBoxLayout, make: Callable[[], Row]) -> None:
        self._layout, self._make = layout, make
        self.rows: list[Row] = []

    def fill(self, views: Sequence[Any], *, stale: bool = False) -> None:
        """As many rows as views; the others hide."""
        while len(self.rows) < len(views):
            row = self._make()
            self.rows.append(row)
            self._layout.addWidget(row)
        for at, row in enumerate(self.rows):
            row.setVisible(at < len(views))
            if at < len(views):
                row.show_view(views[at], stale=stale)  # type: ignore[attr-defined]


class Section(QWidget):
    """A part of the popover between two hairlines."""

    def __init__(self, theme: Theme, title: str = "") -> None:
        super().__init__()
        self.theme = theme
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(MARGIN, 12, MARGIN, 12)
        self.column.setSpacing(8)
        self.caption = ElidedLabel(theme, "caption", "text3")
        self.caption.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.head = QHBoxLayout()
        self.head.setSpacing(8)
        if title:
            self.head.addWidget(Text(theme, "label", "text3", text=title))
            self.head.addStretch(1)
            self.head.addWidget(self.caption)
            self.column.addLayout(self.head)


class TodaySection(Section):
    """Today's figure, meter and chart."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, tr("Today"))
        self.column.setSpacing(4)
        self._figure = Text(theme, "figure")
        self._of = Text(theme, "body", "text2")
        self._left = Text(theme, "body", "text2")
        figures = QHBoxLayout()
        figures.setSpacing(6)
        for label in (self._figure, self._of):
            figures.addWidget(label, 0, Qt.AlignmentFlag.AlignBottom)
        figures.addStretch(1)
        self._line = line = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        line.setSpacing(6)
        line.addLayout(figures, 1)
        line.addWidget(self._left, 0, Qt.AlignmentFlag.AlignBottom)
        lift = max(self._figure.fontMetrics().descent() - self._of.fontMetrics().descent() - 1, 0)
        for label in (self._of, self._left):
            label.setContentsMargins(0, 0, 0, lift)
        self.column.addLayout(line)
        self._meter = Meter(theme)
        self.column.addWidget(self._meter)
        self.chart = SpendChart(theme)
        self.column.addWidget(self.chart)

    def show_view(self, view: TodayView, *, stale: bool) -> None:
        """Figures first; the chart only where there is one."""
        self.caption.say(view.caption)
        for label, text in ((self._figure, view.figure), (self._of, view.of), (self._left, view.left)):
            label.setText(text)
        wide = sum(label.sizeHint().width() + 6 for label in (self._figure, self._of, self._left))
        fits = wide <= ROOM
        self._line.setDirection(QBoxLayout.Direction.LeftToRight if fits else QBoxLayout.Direction.TopToBottom)
        self._figure.tint("text3" if stale else "text1")
        self._of.tint("text3" if stale else "text2")
        self._left.tint("text3" if stale else "text2")
        self._meter.setVisible(view.meter is not None or view.figure == "\u2013")
        self._meter.show_view(view.meter, stale=stale)
        self.chart.setVisible(view.chart is not None)
        if view.chart is not None:
            self.chart.show_view(view.chart, stale=stale)


class RunRow(QWidget):
    """A running request and the button that stops it."""

    stopped = Signal(str)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._request = ""
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(0)
        grid.setColumnStretch(1, 1)
        self._title = ElidedLabel(theme)
        self._glyph = TierGlyph(theme)
        self._model = ElidedLabel(theme, "caption", "text3")
        self._time = Text(theme, "body", "text2")
        self._money = Text(theme)
        self._money.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._money.setMinimumWidth(self._money.fontMetrics().horizontalAdvance("$00.00") + 6)
        self._stop = Button(theme, tr("Stop"), "icon", icon="stop")
        self._stop.clicked.connect(lambda: self.stopped.emit(self._request))
        grid.addWidget(self._title, 0, 0, 1, 2)
        grid.addWidget(self._glyph, 1, 0)
        grid.addWidget(self._model, 1, 1)
        for at, widget in enumerate((self._time, self._money, self._stop)):
            grid.addWidget(widget, 0, 2 + at, 2, 1, Qt.AlignmentFlag.AlignVCenter)

    def show_view(self, view: RowView, *, stale: bool) -> None:
        """Another request, or the same a second later."""
        self._request = view.request
        self.setAccessibleName(view.spoken)
        self._title.say(view.title)
        self._glyph.show_tier(view.tier, stale=stale)
        self._model.say(view.model)
        self._time.setText(view.time)
        self._money.setText(view.money)
        self._stop.name(view.stop)


class NowSection(Section):
    """What runs, and what waits."""

    stopped = Signal(str)

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, tr("Now"))
        self._rows = QVBoxLayout()
        self._rows.setSpacing(8)
        self.column.addLayout(self._rows)
        self._pool = Pool(self._rows, self._make)
        self._more = Text(theme, "caption", "text3")
        self.column.addWidget(self._more)

    def _make(self) -> RunRow:
        row = RunRow(self.theme)
        row.stopped.connect(self.stopped)
        return row

    def show_view(self, view: NowView, *, stale: bool) -> None:
        """Rows, or the one line that nothing runs."""
        idle = not view.rows
        self.caption.setFont(self.theme.font("body" if idle else "caption"))
        self.caption.tint("text2" if idle else "text3")
        self.caption.say(view.caption)
        self._pool.fill(view.rows, stale=stale)
        self._more.setText(view.more)
        self._more.setVisible(bool(view.more))


class LegendPart(QWidget):
    """Glyph, name and percentage of a tier."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        self._glyph = TierGlyph(theme)
        self._name = ElidedLabel(theme, "body", "text2")
        self._percent = Text(theme, "medium")
        for widget in (self._glyph, self._name, self._percent):
            row.addWidget(widget)

    def show_view(self, view: PartView, *, stale: bool) -> None:
        """Another share."""
        self._glyph.show_tier(view.tier, stale=stale)
        self._name.say(view.name)
        self._percent.setText(view.percent)
        for label, token in ((self._name, "text2"), (self._percent, "text1")):
            label.tint("text3" if stale else token)


class WhereSection(Section):
    """Which tiers answered today."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, tr("Where it ran"))
        self._noted = ""
        self._bar = ShareBar(theme)
        self.column.addWidget(self._bar)
        self.legend = QWidget()
        row = QHBoxLayout(self.legend)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(16)
        self._parts = inner = QHBoxLayout()
        row.addLayout(inner)
        row.addStretch(1)
        self._pool = Pool(inner, lambda: LegendPart(theme))
        self.column.addWidget(self.legend)
        self.note = SentenceLabel(theme, "caption", "text3")
        self.column.addWidget(self.note)

    def show_view(self, view: WhereView, *, stale: bool) -> None:
        """Other shares."""
        self.caption.say(view.caption)
        self._bar.show_parts(view.parts, stale=stale, spoken=view.spoken)
        self._pool.fill(view.parts, stale=stale)
        rest = ROOM - sum(part.sizeHint().width() for part in self._pool.rows)
        self._parts.setSpacing(min(max(rest // 2, 4), 16))
        self.note.say(view.note)
        self.note.setVisible(bool(view.note))
        self._noted = view.note

    def fold(self, *, folded: bool) -> None:
        """Without legend and note, where the screen is low; the note is then the bar's tool tip."""
        self.legend.setVisible(not folded)
        self.note.setVisible(not folded and bool(self._noted))
        self._bar.setToolTip(self._noted if folded else "")


class SpendRow(QWidget):
    """An agent, its bar, its money."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(12)
        self._name = ElidedLabel(theme)
        self._bar = PartBar(theme)
        self._money = Text(theme)
        self._money.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._name.setFixedWidth(self._name.fontMetrics().averageCharWidth() * 13)
        self._money.setMinimumWidth(self._money.fontMetrics().horizontalAdvance("$000.00"))
        row.addWidget(self._name)
        row.addWidget(self._bar, 1)
        row.addWidget(self._money)

    def show_view(self, view: AgentRow, *, stale: bool) -> None:
        """Another agent."""
        self._name.say(view.name)
        self._money.setText(view.money)
        self._bar.show_ratio(view.ratio, stale=stale)
        self.setAccessibleName(f"{view.name}, {view.money}")
        for label in (self._name, self._money):
            label.tint("text3" if stale else "text1")


class AgentsSection(Section):
    """Who used it today."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, tr("Agents today"))
        self.rows = QWidget()
        column = QVBoxLayout(self.rows)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        self._pool = Pool(column, lambda: SpendRow(theme))
        self._more = Text(theme, "caption", "text3")
        self.column.setSpacing(4)
        self.column.addWidget(self.rows)
        self.column.addWidget(self._more)
        self._folded = ""

    def show_view(self, view: AgentsView, *, stale: bool) -> None:
        """Other parts."""
        self._folded = view.folded
        self._pool.fill(view.rows, stale=stale)
        self._more.setText(view.more)
        self._more.setVisible(bool(view.more))

    def fold(self, *, folded: bool) -> None:
        """One line instead of the rows, where the screen is low."""
        self.rows.setVisible(not folded)
        self._more.setVisible(not folded and bool(self._more.text()))
        self.caption.say(self._folded if folded else "")


class ModelRow(QWidget):
    """A loaded model and the button that unloads it."""

    unloaded = Signal(str)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        self._name = ElidedLabel(theme)
        self._memory = Text(theme, "body", "text2")
        self._speed = Text(theme, "body", "text2")
        self._eject = Button(theme, tr("Unload"), "icon", icon="eject")
        self._model = ""
        self._eject.clicked.connect(lambda: self.unloaded.emit(self._model))
        row.addWidget(TierGlyph(theme))
        row.addWidget(self._name, 1)
        for widget in (self._memory, self._speed):
            row.addWidget(widget)
            row.addSpacing(8)
        row.addWidget(self._eject)

    def show_view(self, view: LoadedRow, *, stale: bool) -> None:
        """Another model."""
        self._model = view.name
        self.setAccessibleName(", ".join(part for part in (view.name, view.memory, view.speed) if part))
        self._name.say(view.name)
        self._memory.setText(view.memory)
        self._speed.setText(view.speed)
        self._eject.name(view.unload)
        self._eject.setEnabled(not stale)


class LoadedSection(Section):
    """The local models in memory: one beside the label, several below each other."""

    unloaded = Signal(str)

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme)
        row = QHBoxLayout()
        row.setSpacing(16)
        label = Text(theme, "label", "text3", text=tr("Loaded"))
        label.setContentsMargins(0, 5, 0, 0)
        row.addWidget(label, 0, Qt.AlignmentFlag.AlignTop)
        models = QVBoxLayout()
        models.setSpacing(2)
        row.addLayout(models, 1)
        self.column.addLayout(row)
        self.column.setContentsMargins(MARGIN, 8, MARGIN - 4, 8)
        self._pool = Pool(models, self._make)

    def _make(self) -> ModelRow:
        row = ModelRow(self.theme)
        row.unloaded.connect(self.unloaded)
        return row

    def show_view(self, view: tuple[LoadedRow, ...], *, stale: bool) -> None:
        """Other models."""
        self._pool.fill(view, stale=stale)
