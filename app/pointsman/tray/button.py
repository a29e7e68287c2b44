"""The one button of the app: it names its act and shows its key."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QFocusEvent, QKeyEvent, QPainter, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy

from pointsman.tray.theme import Theme

RETURN = {Qt.Key.Key_Return, Qt.Key.Key_Enter}
Role = Literal["plain", "primary", "link", "icon"]
_KEYBOARD = {Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason, Qt.FocusReason.ShortcutFocusReason}
_WORDS = {"primary": "onAccent", "link": "accent", "icon": "text2"}


class Button(QAbstractButton):
    """A button that names its act, with its icon, its key hint and its menu mark."""

    def __init__(self, theme: Theme, text: str, role: Role = "plain", *, icon: str = "", hint: str = "") -> None:
        super().__init__()
        self._theme, self._role, self._icon, self._hint = theme, role, icon, hint
        self._menu_mark = False
        self._ring = False
        self.setText(text)
        self.setFont(theme.font("body" if role == "link" else "medium"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        if role == "icon":
            self.name(text)

    def name(self, text: str) -> None:
        """The name of a button that shows only its icon; its tool tip says the same."""
        self.setAccessibleName(text)
        self.setToolTip(text)

    def mark_menu(self, *, shown: bool) -> None:
        """Whether a small arrow says that a menu opens."""
        self._menu_mark = shown
        self.updateGeometry()
        self.update()

    def take_role(self, role: Role) -> None:
        """Another look, such as primary for the one thing to do."""
        self._role = role
        self.update()

    def show_icon(self, icon: str) -> None:
        """Another icon."""
        self._icon = icon
        self.update()

    def sizeHint(self) -> QSize:
        """Text, icon, hint and their room."""
        high = max(32 if self._hint else 28, self.fontMetrics().height() + 10)
        if self._role == "icon":
            return QSize(24, 24)
        wide = self.fontMetrics().horizontalAdvance(self.text()) + (0 if self._role == "link" else 26)
        wide += 20 if self._icon else 0
        wide += self._hint_width() + 8 if self._hint else 0
        return QSize(wide + (18 if self._menu_mark else 0), high if self._role != "link" else max(24, high - 4))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Return presses, as Space does, on every system; with Ctrl it belongs to the window."""
        if event.key() not in RETURN:
            super().keyPressEvent(event)
        elif event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            event.ignore()
        else:
            self.click()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """The ring shows only for the keyboard."""
        self._ring = event.reason() in _KEYBOARD
        super().focusInEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """The ring goes with the focus."""
        self._ring = False
        super().focusOutEvent(event)

    def paintEvent(self, _event: object) -> None:
        """Background, then ring, then what it says."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_body(painter)
        if self._ring:
            token = "onAccent" if self._role == "primary" else "accent"
            inset = 2.5 if self._role == "primary" else 1
            painter.setPen(QPen(self._theme.colour(token), 2 if self._role != "primary" else 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(inset, inset, -inset, -inset), 5, 5)
        self._paint_content(painter)
        painter.end()

    def _paint_body(self, painter: QPainter) -> None:
        over = (self.underMouse() or self.isDown()) and self.isEnabled()
        box = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        if self._role == "primary":
            fill = self._theme.colour("accentFill" if self.isEnabled() else "meter")
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(fill.darker(108) if over else fill)
        elif self._role == "plain":
            painter.setPen(QPen(self._theme.colour("edge" if self.isEnabled() else "line"), 1))
            painter.setBrush(self._theme.colour("hover" if over else "surface"))
        elif over and self._role == "icon":
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.colour("hover"))
        else:
            return
        painter.drawRoundedRect(box, 6, 6)

    def _token(self) -> str:
        if not self.isEnabled():
            return "disabled"
        return _WORDS.get(self._role, "text1")

    def _paint_content(self, painter: QPainter) -> None:
        token, ratio = self._token(), self.devicePixelRatioF()
        if self._role == "icon":
            pixmap = self._theme.pixmap(f"ui/{self._icon}", token, 16, ratio)
            painter.drawPixmap(QPoint((self.width() - 16) // 2, (self.height() - 16) // 2), pixmap)
            return
        wide = self.fontMetrics().horizontalAdvance(self.text())
        every = wide + (20 if self._icon else 0) + (self._hint_width() + 8 if self._hint else 0)
        every += 18 if self._menu_mark else 0
        left = 0 if self._role == "link" else max((self.width() - every) // 2, 4)
        if self._icon:
            pixmap = self._theme.pixmap(f"ui/{self._icon}", token, 16, ratio)
            painter.drawPixmap(QPoint(left - 2, (self.height() - 16) // 2), pixmap)
            left += 20
        painter.setPen(self._theme.colour(token))
        painter.drawText(QRect(left, 0, wide + 2, self.height()), Qt.AlignmentFlag.AlignVCenter, self.text())
        if self._hint:
            self._paint_hint(painter, left + wide + 8, token)
        if self._menu_mark:
            pixmap = self._theme.pixmap("ui/down", token, 16, ratio)
            painter.drawPixmap(QPoint(left + wide + 5, (self.height() - 16) // 2), pixmap)

    def _hint_width(self) -> int:
        metrics = self.fontMetrics()
        return int(metrics.horizontalAdvance(self._hint) * 11 / 13) + 10

    def _paint_hint(self, painter: QPainter, left: int, token: str) -> None:
        high = 18
        box = QRectF(left + 0.5, (self.height() - high) / 2 + 0.5, self._hint_width() - 1, high - 1)
        edge = self._theme.colour(token) if self._role == "primary" else self._theme.colour("edge")
        if self._role == "primary":
            edge.setAlphaF(0.6)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(edge, 1))
        painter.drawRoundedRect(box, 4, 4)
        painter.setFont(self._theme.font("caption"))
        painter.setPen(
            self._theme.colour("text2") if self._role == "plain" and self.isEnabled() else self._theme.colour(token)
        )
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, self._hint)


class AllowButton(Button):
    """The button that may spend money or send data away: Return alone never presses it."""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Return is left to the window, which takes it only with Ctrl."""
        if event.key() in RETURN:
            event.ignore()
        else:
            super().keyPressEvent(event)
