"""The spend chart of the popover: pyqtgraph with everything off that a glance does not need."""

from __future__ import annotations

import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QBrush, QColor, QLinearGradient, QPainter, QPen
from PySide6.QtWidgets import QWidget

from pointsman.tray.cap_view import ChartView
from pointsman.tray.theme import Theme

HEIGHT = 72


def plot(theme: Theme) -> pg.PlotWidget:
    """A plot without mouse, menu and buttons, on the surface's colour."""
    widget = pg.PlotWidget(background=None)
    widget.setFrameShape(pg.PlotWidget.Shape.NoFrame)
    widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    widget.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    item = widget.getPlotItem()
    item.setMouseEnabled(False, False)
    item.setMenuEnabled(False)
    item.hideButtons()
    item.hideAxis("left")
    item.hideAxis("bottom")
    item.getViewBox().setDefaultPadding(0)
    item.layout.setContentsMargins(0, 0, 0, 0)
    item.setContentsMargins(0, 0, 0, 0)
    widget.setBackground(theme.colour("surface"))
    return widget


def pen(colour: QColor, width: float, dashes: list[float] | None = None, *, sharp: float = 1.0) -> QPen:
    """A line of constant width on the screen; `sharp` is device pixels to a point, which such lines do not follow."""
    made = QPen(colour, width * sharp)
    made.setCosmetic(True)
    if dashes:
        made.setDashPattern(dashes)
    return made


class SpendChart(QWidget):
    """Cumulative dollars of today; redrawn only when its view changed and it can be seen."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._view: ChartView | None = None
        self._drawn: tuple[ChartView, bool] | None = None
        self._stale = False
        self._plot = plot(theme)
        self._plot.setParent(self)
        self._ticks = _Ticks(theme, self)
        self.setMinimumHeight(HEIGHT + self._ticks.height())

    def show_view(self, view: ChartView, *, stale: bool) -> None:
        """Take the day's line; the accessible summary follows."""
        self._view, self._stale = view, stale
        self.setAccessibleName(view.spoken)
        if self.isVisible():
            self._draw()

    def showEvent(self, _event: object) -> None:
        """A hidden chart draws nothing until it is seen."""
        self._draw()

    def resizeEvent(self, _event: object) -> None:
        """The plot fills the width above its captions."""
        self._plot.setGeometry(0, 0, self.width(), HEIGHT)
        self._ticks.setGeometry(0, HEIGHT, self.width(), self._ticks.height())

    def _draw(self) -> None:
        if self._view is None or self._drawn == (self._view, self._stale):
            return
        self._drawn = (self._view, self._stale)
        self._plot.clear()
        self._plot.setXRange(0, 1.004, padding=0)
        self._plot.setYRange(-0.05 * self._view.top, self._view.top * 1.22, padding=0)
        self._grid(self._view)
        self._line(self._view)
        self._ticks.show_ticks(self._view.ticks)

    def _grid(self, view: ChartView) -> None:
        grid = pen(self._theme.colour("grid"), 1, sharp=self.devicePixelRatioF())
        for part, _ in view.ticks[1:-1]:
            self._plot.addItem(pg.PlotCurveItem([part, part], [0, view.top * 1.1], pen=grid))
        self._plot.addItem(
            pg.PlotCurveItem([0, 1], [0, 0], pen=pen(self._theme.colour("line"), 1, sharp=self.devicePixelRatioF()))
        )
        if view.cap is not None:
            dashed = pen(self._theme.colour("text3"), 1, [3, 3], sharp=self.devicePixelRatioF())
            self._plot.addItem(pg.PlotCurveItem([0, 1], [view.cap, view.cap], pen=dashed))
            label = pg.TextItem(view.cap_label, color=self._theme.colour("text3"), anchor=(0, 1))
            label.setFont(self._theme.font("caption"))
            label.setPos(-0.012, view.cap * 0.97)
            self._plot.addItem(label)

    def _line(self, view: ChartView) -> None:
        colour = self._theme.colour("disabled" if self._stale else "accent")
        across, up = [point[0] for point in view.points], [point[1] for point in view.points]
        self._plot.addItem(
            pg.PlotCurveItem(
                across,
                up,
                pen=pen(colour, 1.5, sharp=self.devicePixelRatioF()),
                fillLevel=0,
                brush=_fading(colour, up),
                antialias=True,
            )
        )
        if view.end is not None and not self._stale:
            dotted = pen(colour, 1.5, [2, 3], sharp=self.devicePixelRatioF())
            self._plot.addItem(pg.PlotCurveItem([across[-1], 1], [up[-1], view.end], pen=dotted, antialias=True))
        dot = pg.ScatterPlotItem(
            [across[-1]],
            [up[-1]],
            size=8,
            brush=colour,
            pen=pen(self._theme.colour("surface"), 2, sharp=self.devicePixelRatioF()),
            antialias=True,
        )
        self._plot.addItem(dot)


class _Ticks(QWidget):
    """Captions below the plot, the first and the last flush with its sides."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._shown: tuple[tuple[float, str], ...] = ()
        self.setFont(theme.font("caption"))
        self.resize(100, self.fontMetrics().height() + 4)

    def show_ticks(self, ticks: tuple[tuple[float, str], ...]) -> None:
        self._shown = ticks
        self.update()

    def paintEvent(self, _event: object) -> None:
        painter = QPainter(self)
        painter.setPen(self._theme.colour("text3"))
        for part, text in self._shown:
            wide = self.fontMetrics().horizontalAdvance(text)
            left = min(max(part * self.width() - wide / 2, 0), self.width() - wide)
            painter.drawText(QPointF(left, 4 + self.fontMetrics().ascent()), text)
        painter.end()


def _fading(colour: QColor, up: list[float]) -> QBrush:
    gradient = QLinearGradient(0, max(up), 0, 0)
    strong, weak = QColor(colour), QColor(colour)
    strong.setAlphaF(0.26)
    weak.setAlphaF(0.04)
    gradient.setColorAt(0, strong)
    gradient.setColorAt(1, weak)
    return QBrush(gradient)
