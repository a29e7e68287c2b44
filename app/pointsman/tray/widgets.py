"""The small painted parts that windows are made of. Each takes its theme when it is made."""

from __future__ import annotations

import html
from itertools import pairwise
from typing import Literal

from PySide6.QtCore import QPoint, QRectF, QSize, Qt
from PySide6.QtGui import QGuiApplication, QPainter, QPainterPath, QPalette, QPen, QResizeEvent
from PySide6.QtWidgets import QFrame, QLabel, QLayout, QSizePolicy, QWidget

from pointsman.tray.theme import Theme
from pointsman.tray.words import Sentence, Span, plain

_LINES = {"sentence": 117, "body": 126, "caption": 120}  # percent of the font's own line
LONGEST_NAME = 34
NO_BREAK_HYPHEN = "\u2011"


class Text(QLabel):
    """A label in a style and a colour of the table."""

    def __init__(self, theme: Theme, style: str = "body", colour: str = "text1", *, text: str = "") -> None:
        super().__init__(text)
        self._theme = theme
        self.setFont(theme.font(style))
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setForegroundRole(QPalette.ColorRole.WindowText)  # inside a button it would be ButtonText
        self.tint(colour)

    def tint(self, colour: str) -> None:
        """Another colour of the table."""
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.WindowText, self._theme.colour(colour))
        self.setPalette(palette)


class SentenceLabel(Text):
    """Wrapped text with the style's own line height; names and money are strong; spoken without marks."""

    def __init__(self, theme: Theme, style: str = "body", colour: str = "text1", *, wrap: bool = True) -> None:
        super().__init__(theme, style, colour)
        self._line = _LINES[style] if wrap else 100
        self.setWordWrap(wrap)
        self.setTextFormat(Qt.TextFormat.RichText)

    def say(self, words: Sentence | str) -> None:
        """Show the sentence; names do not break at their hyphens."""
        sentence = (Span(words),) if isinstance(words, str) else words
        parts = [_marked_up(span.text, strong=span.strong) for span in sentence]
        self.setText(f'<div style="line-height:{self._line}%">{"".join(parts)}</div>')
        self.setAccessibleName(plain(sentence))


def _marked_up(text: str, *, strong: bool) -> str:
    if not strong:
        return html.escape(text)
    escaped = html.escape(_short(text))
    return f'<span style="font-weight:600">{escaped.replace("-", NO_BREAK_HYPHEN)}</span>'


def _short(name: str) -> str:
    """A name that is too long for a line gives way in its middle."""
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[:half]}…{name[-half:]}"


class ElidedLabel(Text):
    """One line that gives way: shown with an ellipsis, whole in tool tip and accessible name."""

    def __init__(self, theme: Theme, style: str = "body", colour: str = "text1", *, least: int = 24) -> None:
        super().__init__(theme, style, colour)
        self._full, self._least = "", least
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def say(self, text: str) -> None:
        """The whole text; what fits of it is drawn."""
        self._full = text
        self.setAccessibleName(text)
        self.updateGeometry()
        self._fit()

    def sizeHint(self) -> QSize:
        """As wide as the whole text."""
        return QSize(self.fontMetrics().horizontalAdvance(self._full) + 2, self.fontMetrics().height())

    def minimumSizeHint(self) -> QSize:
        """A few letters, or all of a short text."""
        return QSize(min(self.sizeHint().width(), self._least), self.fontMetrics().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the text to the new width."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        shown = self.fontMetrics().elidedText(self._full, Qt.TextElideMode.ElideMiddle, max(self.width(), 8))
        self.setText(shown.replace("-", NO_BREAK_HYPHEN))
        self.setToolTip(self._full if shown != self._full else "")


class Line(QFrame):
    """A hairline between sections."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setFixedHeight(1)
        self.setAutoFillBackground(True)
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.Window, theme.colour("line"))
        self.setPalette(palette)


class Icon(QWidget):
    """An icon of ours beside words; without a name of its own."""

    def __init__(self, theme: Theme, name: str = "", colour: str = "text1", size: int = 16) -> None:
        super().__init__()
        self._theme, self._name, self._token, self._size = theme, name, colour, size
        self.setFixedSize(size, size)

    def show_icon(self, name: str, token: str) -> None:
        """Another icon, another colour."""
        self._name, self._token = name, token
        self.update()

    def paintEvent(self, _event: object) -> None:
        """Draw it in its colour."""
        painter = QPainter(self)
        if self._name:
            pixmap = self._theme.pixmap(self._name, self._token, self._size, self.devicePixelRatioF())
            painter.drawPixmap(0, 0, pixmap)
        painter.end()


class TierGlyph(QWidget):
    """Square for local, diamond for private, circle for cloud: shape and colour."""

    def __init__(self, theme: Theme, tier: str = "local") -> None:
        super().__init__()
        self._theme, self._tier, self._stale = theme, tier, False
        self.setFixedSize(10, 10)

    def show_tier(self, tier: str, *, stale: bool = False) -> None:
        """Another tier."""
        self._tier, self._stale = tier, stale
        self.update()

    def paintEvent(self, _event: object) -> None:
        """The tier's own shape."""
        painter = QPainter(self)
        token = "disabled" if self._stale else self._tier
        painter.drawPixmap(0, 0, self._theme.pixmap(f"tier-{self._tier}", token, 10, self.devicePixelRatioF()))
        painter.end()


class Dot(QWidget):
    """A small filled circle for a state that is well."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._colour = theme.colour("ok")
        self.setFixedSize(8, 8)

    def paintEvent(self, _event: object) -> None:
        """One disc."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(self._colour)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawEllipse(QRectF(0.5, 0.5, 7, 7))
        painter.end()


class Tile(QWidget):
    """An agent's initials; never anybody's logo."""

    def __init__(self, theme: Theme, size: int = 40) -> None:
        super().__init__()
        self._theme, self._letters = theme, ""
        self.setFont(theme.font("strong"))
        self.setFixedSize(size, size)

    def show_letters(self, letters: str) -> None:
        """Other initials."""
        self._letters = letters
        self.update()

    def paintEvent(self, _event: object) -> None:
        """A rounded square with the letters in its middle."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(self._theme.colour("sunken"))
        painter.setPen(QPen(self._theme.colour("line"), 1))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 10, 10)
        painter.setPen(self._theme.colour("text2"))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._letters)
        painter.end()


class Chip(QWidget):
    """A short word in a pill: filled for a find, dashed for an identity that nobody proved."""

    def __init__(self, theme: Theme, text: str, look: Literal["warn", "danger", "dashed"], icon: str = "") -> None:
        super().__init__()
        self._theme, self._text, self._look, self._icon = theme, text, look, icon
        self.setFont(theme.font("caption"))
        self.setAccessibleName(text)
        self.setFixedHeight(self.sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """A few letters."""
        return QSize(min(self.sizeHint().width(), 96), self.sizeHint().height())

    def sizeHint(self) -> QSize:
        """The text, its icon and their room."""
        metrics = self.fontMetrics()
        wide = metrics.horizontalAdvance(self._text) + 16 + (16 if self._icon else 0)
        return QSize(wide, max(20, metrics.height() + 4))

    def paintEvent(self, _event: object) -> None:
        """The pill, then what it says."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        dashed = self._look == "dashed"
        edge = QPen(self._theme.colour("control"), 1) if dashed else QPen(Qt.PenStyle.NoPen)
        if dashed:
            edge.setDashPattern([3, 2])
        painter.setPen(edge)
        painter.setBrush(Qt.BrushStyle.NoBrush if dashed else self._theme.colour(f"{self._look}Soft"))
        half = self.height() / 2 - 0.5
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), half, half)
        token = "text2" if dashed else self._look
        left = 8
        if self._icon:
            pixmap = self._theme.pixmap(f"ui/{self._icon}", token, 12, self.devicePixelRatioF())
            painter.drawPixmap(QPoint(left, (self.height() - 12) // 2), pixmap)
            left += 16
        painter.setPen(self._theme.colour(token))
        room = self.rect().adjusted(left, 0, -6, 0)
        shown = self.fontMetrics().elidedText(self._text, Qt.TextElideMode.ElideRight, room.width() + 2)
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, shown)
        painter.end()


class Floating(QWidget):
    """A frameless window that paints its own rounded surface and outline."""

    def __init__(self, theme: Theme, flags: Qt.WindowType) -> None:
        super().__init__(None, flags | Qt.WindowType.FramelessWindowHint)
        self.theme = theme
        self._masked = QGuiApplication.platformName() == "xcb"  # an X server without a compositor blends nothing
        self.setAttribute(Qt.WidgetAttribute.WA_TranslucentBackground, not self._masked)
        self.setPalette(theme.palette())
        self.setStyleSheet(theme.qss())
        self.setFont(theme.font("body"))

    def paintEvent(self, _event: object) -> None:
        """Surface and outline."""
        painter = QPainter(self)
        if self._masked:
            painter.fillRect(self.rect(), self.theme.colour("edge"))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(self.theme.colour("surface"))
        painter.setPen(QPen(self.theme.colour("edge"), 1))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 12, 12)
        painter.end()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Where corners cannot be blended they are cut."""
        super().resizeEvent(event)
        if self._masked:
            path = QPainterPath()
            path.addRoundedRect(QRectF(self.rect()), 12, 12)
            self.setMask(path.toFillPolygon().toPolygon())


def wanted_height(widget: QWidget, width: int) -> int:
    """What a widget's layout needs at this width, also before it is shown for the first time."""
    for below in reversed(widget.findChildren(QWidget)):  # a child forgets its old size before its parent asks
        _forget(below.layout())
        below.updateGeometry()
    layout = widget.layout()
    assert layout is not None
    _forget(layout)
    return layout.totalHeightForWidth(width) if layout.hasHeightForWidth() else layout.totalSizeHint().height()


def _forget(layout: QLayout | None) -> None:
    if layout is not None:
        layout.invalidate()
        layout.activate()


def order_tabs(window: QWidget) -> None:
    """Tab goes in reading order, also to rows that were made later."""
    parts = [one for one in window.findChildren(QWidget) if one.focusPolicy() & Qt.FocusPolicy.TabFocus]
    reading = sorted(parts, key=lambda one: _place(one, window))
    for before, after in pairwise(reading):
        QWidget.setTabOrder(before, after)


def _place(widget: QWidget, window: QWidget) -> tuple[int, int]:
    at = widget.mapTo(window, widget.rect().center())
    return at.y() // 12, at.x()


def band(widget: QWidget, theme: Theme, token: str) -> None:
    """Give a widget a flat background of the table."""
    widget.setAutoFillBackground(True)
    palette = widget.palette()
    palette.setColor(QPalette.ColorRole.Window, theme.colour(token))
    widget.setPalette(palette)
