"""Meter, share bar and countdown: the bars that the app paints itself."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPainterPath, QPen, QPixmap
from PySide6.QtWidgets import QProgressBar, QSizePolicy, QWidget

from pointsman.tray.cap_view import MeterView
from pointsman.tray.theme import Theme
from pointsman.tray.view_model import PartView

_FILL = {"calm": "accent", "warn": "warnFill", "full": "danger"}


def rounded(widget: QWidget, high: float, width: float = -1) -> tuple[QRectF, QPainterPath]:
    """A bar with round ends in the middle of a widget, and its box."""
    box = QRectF(0, (widget.height() - high) / 2, widget.width() if width < 0 else width, high)
    path = QPainterPath()
    path.addRoundedRect(box, high / 2, high / 2)
    return box, path


def begin(widget: QWidget) -> QPainter:
    """A painter for smooth shapes without outlines."""
    painter = QPainter(widget)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    return painter


class Bar(QWidget):
    """As wide as it may be, as high as its line."""

    def __init__(self, theme: Theme, high: int) -> None:
        super().__init__()
        self._theme = theme
        self.setFixedHeight(high)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)


class Meter(QProgressBar):
    """Spent solid, held hatched, a gap at the soft mark, an upright where an even rate would be.

    A progress bar for its role only: a screen reader says its sentence and its value.
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.setTextVisible(False)
        self.setFixedHeight(14)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._view: MeterView | None = None
        self._stale = False

    def show_view(self, view: MeterView | None, *, stale: bool = False) -> None:
        """Other ratios; the sentence is what a screen reader says."""
        if (view, stale) == (self._view, self._stale):
            return
        self._view, self._stale = view, stale
        self.setAccessibleName(view.sentence if view else "")
        self.setToolTip(view.does if view else "")
        self.setValue(round((view.spent + view.held) * 100) if view else 0)
        self.update()

    def paintEvent(self, _event: object) -> None:
        """From left to right: spent, held, what is left; then the marks."""
        painter = begin(self)
        box, path = rounded(self, 6)
        painter.fillPath(path, self._theme.colour("meter"))
        if self._view is not None:
            painter.save()
            painter.setClipPath(path)
            self._paint_used(painter, box, self._view)
            painter.restore()
            self._paint_pace(painter, box, self._view)
        painter.end()

    def _paint_used(self, painter: QPainter, box: QRectF, view: MeterView) -> None:
        colour = self._theme.colour("disabled" if self._stale else _FILL[view.level])
        spent, held = view.spent * box.width(), view.held * box.width()
        painter.fillRect(QRectF(box.x(), box.y(), spent, box.height()), colour)
        if view.held:
            hatch = QBrush(_stripes(colour, self.devicePixelRatioF()))
            painter.fillRect(QRectF(box.x() + spent, box.y(), max(held, 2), box.height()), hatch)
        soft = box.x() + view.soft * box.width()
        if view.soft < 1:
            painter.fillRect(QRectF(soft, box.y(), 1, box.height()), self._theme.colour("surface"))

    def _paint_pace(self, painter: QPainter, box: QRectF, view: MeterView) -> None:
        if view.even is None or self._stale:
            return
        at = box.x() + min(max(view.even * box.width(), 1), box.width() - 1)
        painter.setPen(QPen(self._theme.colour("text1"), 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawLine(QPointF(at, box.center().y() - 5), QPointF(at, box.center().y() + 5))


def _stripes(colour: QColor, ratio: float) -> QPixmap:
    side = 6
    tile = QPixmap(int(side * ratio), int(side * ratio))
    tile.setDevicePixelRatio(ratio)
    tile.fill(Qt.GlobalColor.transparent)
    painter = QPainter(tile)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(colour, 2.2))
    for shift in (-side, 0, side):
        painter.drawLine(QPointF(shift - 1, side + 1), QPointF(shift + side + 1, -1))
    painter.end()
    return tile


class ShareBar(Bar):
    """Parts of a whole in their tiers' colours, two points apart."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, 8)
        self._parts: tuple[PartView, ...] = ()
        self._stale = False

    def show_parts(self, parts: tuple[PartView, ...], *, stale: bool, spoken: str) -> None:
        """Other parts; a part that is not zero is at least two wide."""
        self._parts, self._stale = parts, stale
        self.setAccessibleName(spoken)
        self.update()

    def paintEvent(self, _event: object) -> None:
        """Clipped by the bar's round ends."""
        painter = begin(self)
        _, path = rounded(self, 8)
        painter.setClipPath(path)
        shown = [part for part in self._parts if part.ratio]
        room = self.width() - 2 * (len(shown) - 1)
        left = 0.0
        for part in shown:
            wide = max(part.ratio * room, 2)
            colour = self._theme.colour("disabled" if self._stale else part.tier)
            painter.fillRect(QRectF(left, 0, wide, 8), colour)
            left += wide + 2
        painter.end()


class PartBar(Bar):
    """One agent's part beside the largest."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, 6)
        self._ratio = 0.0
        self._stale = False

    def show_ratio(self, ratio: float, *, stale: bool) -> None:
        """Another part of the largest."""
        self._ratio, self._stale = ratio, stale
        self.update()

    def paintEvent(self, _event: object) -> None:
        """The empty bar, then the part."""
        painter = begin(self)
        _, whole = rounded(self, 6)
        painter.fillPath(whole, self._theme.colour("meter"))
        if self._ratio:
            _, part = rounded(self, 6, max(self._ratio * self.width(), 6))
            painter.fillPath(part, self._theme.colour("disabled" if self._stale else "accent"))
        painter.end()


class Countdown(Bar):
    """What remains of the time to answer."""

    def __init__(self, theme: Theme, high: int, token: str) -> None:
        super().__init__(theme, high)
        self._token = token
        self._ratio = 1.0

    def show_ratio(self, ratio: float) -> None:
        """Less than before."""
        self._ratio = ratio
        self.update()

    def paintEvent(self, _event: object) -> None:
        """Flat, edge to edge."""
        painter = begin(self)
        painter.fillRect(self.rect(), self._theme.colour("meter"))
        painter.fillRect(QRectF(0, 0, self.width() * self._ratio, self.height()), self._theme.colour(self._token))
        painter.end()
