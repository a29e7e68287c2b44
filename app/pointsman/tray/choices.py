"""The ways to allow, as one card of radio rows; amounts are edited where they stand."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QCoreApplication, QPoint, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QPainter, QPainterPath, QPalette, QPen
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QLabel, QLineEdit, QMenu, QSizePolicy, QVBoxLayout, QWidget

from pointsman.tray import words
from pointsman.tray.button import RETURN, Button
from pointsman.tray.choice_view import ChoiceView, wrong
from pointsman.tray.theme import Theme
from pointsman.tray.widgets import ElidedLabel, Text


def tr(text: str) -> str:
    """The text in the person's language."""
    return QCoreApplication.translate("ApprovalWindow", text)


class AmountEdit(QLineEdit):
    """An underlined amount inside a sentence. Return leaves it, Esc puts back what stood there."""

    left = Signal()

    def __init__(self, theme: Theme, style: str, amount: int, name: str) -> None:
        super().__init__(words.money(amount))
        self._theme = theme
        self._before = self.text()
        self.setFrame(False)
        self.setFont(theme.font(style))
        self.setTextMargins(-2, 0, -2, 0)
        self.setMaxLength(12)
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.Base, Qt.GlobalColor.transparent)
        palette.setColor(QPalette.ColorRole.Text, theme.colour("text1"))
        palette.setColor(QPalette.ColorRole.Highlight, theme.colour("accentFill"))
        palette.setColor(QPalette.ColorRole.HighlightedText, theme.colour("onAccent"))
        self.setPalette(palette)
        self.textChanged.connect(self.updateGeometry)

    def amount(self) -> int | None:
        """What is written, None where it is no amount."""
        return words.parse_money(self.text())

    def sizeHint(self) -> QSize:
        """As wide as its text."""
        metrics = self.fontMetrics()
        return QSize(
            max(metrics.horizontalAdvance(self.text()), metrics.horizontalAdvance("$0.00")) + 2, metrics.height() + 2
        )

    def minimumSizeHint(self) -> QSize:
        """The same: money never elides."""
        return self.sizeHint()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Remember what Esc puts back."""
        self._before = self.text()
        super().focusInEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Ctrl+Return belongs to the window; Return and Esc only leave the field."""
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier and event.key() in RETURN:
            event.ignore()
        elif event.key() in RETURN or event.key() == Qt.Key.Key_Escape:
            if event.key() == Qt.Key.Key_Escape or self.amount() is None:
                self.setText(self._before)
            self.setText(words.money(self.amount()))
            self.left.emit()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: object) -> None:
        """The text, underlined; in the danger colour while it is no amount."""
        super().paintEvent(event)  # type: ignore[arg-type]
        painter = QPainter(self)
        wrong = self.amount() is None
        painter.setPen(QPen(self._theme.colour("danger" if wrong else "accent" if self.hasFocus() else "text2"), 1))
        wide = min(self.fontMetrics().horizontalAdvance(self.text()), self.width())
        painter.drawLine(0, self.height() - 1, wide, self.height() - 1)
        painter.end()


class Choice(QAbstractButton):
    """One radio row: what is allowed, what that means, and its digit."""

    edited = Signal()

    def __init__(self, theme: Theme, view: ChoiceView, number: int, of: int) -> None:
        super().__init__()
        self.view = view
        self._ways = (view, *view.others)
        self._theme = theme
        self.number, self._of = number, of
        self.amount_edit: AmountEdit | None = None
        self._labels: list[ElidedLabel] = []
        self.setCheckable(True)
        self.setAutoExclusive(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        row = QHBoxLayout(self)
        row.setContentsMargins(38, 8, 40, 9)
        row.setSpacing(2)
        column = QVBoxLayout()
        column.setSpacing(0)
        row.addLayout(column, 1)
        row.addWidget(self._how_long(), 0, Qt.AlignmentFlag.AlignTop)
        column.addLayout(self._line(view.text, "medium", "text1"))
        column.addLayout(self._line(view.caption, "caption", "text3"))
        self._problem = Text(theme, "caption", "danger")
        self._problem.hide()
        column.addWidget(self._problem)
        self._name()

    def _name(self) -> None:
        shown = "" if self.view.amount is None else words.money(self.view.amount)
        said = f"{self.view.text}. {self.view.caption}".replace("{}", shown)
        self.setAccessibleName(tr("{n} of {m}, {choice}").format(n=self.number, m=self._of, choice=said))

    def _how_long(self) -> Button:
        """Opens the other lengths of time; the digit pressed again goes through them."""
        self.how_long = Button(self._theme, tr("For how long"), "icon", icon="down")
        self.how_long.setVisible(len(self._ways) > 1)
        self.how_long.clicked.connect(self._open)
        self._menu = QMenu(self)
        for at, way in enumerate(self._ways):
            self._menu.addAction(way.text, partial(self.take_way, at))
        return self.how_long

    def _open(self) -> None:
        self._menu.popup(self.how_long.mapToGlobal(QPoint(0, self.how_long.height() + 2)))

    def take_way(self, at: int) -> None:
        """Another length of time in this row; it is chosen with it."""
        self.view = self._ways[at]
        for label, text in zip(self._labels, (self.view.text, *self.view.caption.split(" {} ")), strict=False):
            label.say(text)
        self._name()
        self.setChecked(True)
        self._changed()

    def next_way(self) -> None:
        """The next length of time, round and round."""
        if len(self._ways) > 1:
            self.take_way((self._ways.index(self.view) + 1) % len(self._ways))

    def _line(self, text: str, style: str, colour: str) -> QHBoxLayout:
        line = QHBoxLayout()
        line.setSpacing(0)
        before, mark, after = text.partition("{}")
        if not mark:
            line.addWidget(self._label(text, style, colour))
            return line
        line.addWidget(self._label(before.rstrip(), style, colour))
        line.addSpacing(2)
        self.amount_edit = AmountEdit(self._theme, style, self.view.amount or 0, tr("Amount"))
        self.amount_edit.textChanged.connect(self._changed)
        self.amount_edit.left.connect(self.setFocus)
        line.addWidget(self.amount_edit)
        if after:
            line.addSpacing(2)
            line.addWidget(self._label(after.lstrip(), style, colour))
        line.addStretch(1)
        return line

    def _label(self, text: str, style: str, colour: str) -> QLabel:
        label = ElidedLabel(self._theme, style, colour)
        label.say(text)
        label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._labels.append(label)
        return label

    def amount(self) -> int | None:
        """The amount as edited; None without one, or where it is wrong."""
        return None if self.amount_edit is None else self.amount_edit.amount()

    def fits(self) -> bool:
        """Whether this can be sent."""
        return not wrong(self.view, self.amount())

    def sizeHint(self) -> QSize:
        """What its lines need."""
        layout = self.layout()
        assert layout is not None
        return layout.sizeHint()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Return chooses; it never allows."""
        if event.key() not in RETURN:
            super().keyPressEvent(event)
        elif event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            event.ignore()
        else:
            self.setChecked(True)

    def paintEvent(self, _event: object) -> None:
        """The soft ground of the chosen one, the radio, the digit."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.isChecked() or self.underMouse():
            ground = self._theme.colour("accentSoft" if self.isChecked() else "window")
            painter.fillPath(self._ground(), ground)
        self._paint_radio(painter)
        self._paint_digit(painter)
        painter.end()

    def _ground(self) -> QPainterPath:
        """The row's area, round where it lies in a corner of the card."""
        box, path = QRectF(self.rect()), QPainterPath()
        path.addRoundedRect(box, 7, 7)
        if self.number > 1:
            path.addRect(QRectF(box.x(), box.y(), box.width(), 8))
        if self.number < self._of:
            path.addRect(QRectF(box.x(), box.bottom() - 8, box.width(), 8))
        path.setFillRule(Qt.FillRule.WindingFill)
        return path

    def _paint_radio(self, painter: QPainter) -> None:
        box = QRectF(13.75, 11.75, 14.5, 14.5)
        if self.isChecked():
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.colour("accentFill"))
            painter.drawEllipse(box.adjusted(-0.75, -0.75, 0.75, 0.75))
            painter.setBrush(self._theme.colour("onAccent"))
            painter.drawEllipse(box.center(), 2.75, 2.75)
        else:
            painter.setPen(QPen(self._theme.colour("control"), 1.5))
            painter.setBrush(self._theme.colour("surface"))
            painter.drawEllipse(box)
        if self.hasFocus() and self.window().isActiveWindow():
            painter.setPen(QPen(self._theme.colour("accent"), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(box.adjusted(-3.5, -3.5, 3.5, 3.5))

    def _paint_digit(self, painter: QPainter) -> None:
        box = QRectF(self.width() - 30.5, 9.5, 17, 17)
        painter.setPen(QPen(self._theme.colour("edge"), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(box, 4, 4)
        painter.setFont(self._theme.font("caption"))
        painter.setPen(self._theme.colour("text2"))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, str(self.number))

    def _changed(self) -> None:
        self.setChecked(True)
        self._problem.setText(wrong(self.view, self.amount()))
        self._problem.setVisible(not self.fits())
        self.edited.emit()


class Choices(QWidget):
    """The card around the rows; the first is chosen."""

    changed = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._views: tuple[ChoiceView, ...] = ()
        self.rows: list[Choice] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(1, 1, 1, 1)
        self._column.setSpacing(1)

    def show_views(self, views: tuple[ChoiceView, ...], *, anew: bool) -> None:
        """Other choices; for the same question what was typed stays."""
        if views == self._views and not anew:
            self.setVisible(bool(views))
            return
        for row in self.rows:
            self._column.removeWidget(row)
            row.hide()
            row.deleteLater()
        self._views = views
        self.rows = [Choice(self._theme, view, at + 1, len(views)) for at, view in enumerate(views)]
        for row in self.rows:
            self._column.addWidget(row)
            row.show()
            row.toggled.connect(self.changed)
            row.edited.connect(self.changed)
        if self.rows:
            self.rows[0].setChecked(True)
        self.setVisible(bool(views))

    def chosen(self) -> Choice | None:
        """The chosen row."""
        return next((row for row in self.rows if row.isChecked()), None)

    def choose(self, number: int) -> bool:
        """Choose by the digit; False where there is no such row."""
        if not 1 <= number <= len(self.rows):
            return False
        row = self.rows[number - 1]
        if row.isChecked():
            row.next_way()
        row.setChecked(True)
        row.setFocus(Qt.FocusReason.ShortcutFocusReason)
        return True

    def paintEvent(self, _event: object) -> None:
        """The outline and the hairlines between the rows."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self._theme.colour("edge"), 1))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        for row in self.rows[:-1]:
            painter.fillRect(1, row.geometry().bottom() + 1, self.width() - 2, 1, self._theme.colour("line"))
        painter.end()
