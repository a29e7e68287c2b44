"""Two cards of the approval window: what a model costs, and the rule that an answer writes."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontDatabase, QFontMetrics, QKeyEvent, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLineEdit, QPlainTextEdit, QVBoxLayout, QWidget

from pointsman.tray import words
from pointsman.tray.button import RETURN
from pointsman.tray.choice_view import Prices, PriceView, sum_of
from pointsman.tray.theme import Theme, numbers
from pointsman.tray.widgets import Line, SentenceLabel, Text

RULE_LINES = 9


def tr(text: str) -> str:
    """The text in the person's language."""
    return QCoreApplication.translate("ApprovalWindow", text)


class Card(QWidget):
    """A card in the window: an outline round its column."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.theme = theme
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(13, 12, 13, 12)
        self.column.setSpacing(8)

    def paintEvent(self, _event: object) -> None:
        """The outline."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self.theme.colour("edge"), 1))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        painter.end()


class PriceEdit(QLineEdit):
    """A price in dollars, with a comma or a point. Return leaves it, Esc puts back what stood there."""

    left = Signal()

    def __init__(self, theme: Theme, name: str) -> None:
        super().__init__()
        self._theme, self._before = theme, ""
        self.setFrame(False)
        self.setFont(theme.font("body"))
        self.setTextMargins(22, 0, 8, 0)
        self.setFixedHeight(max(28, self.fontMetrics().height() + 10))
        self.setMaxLength(12)
        self.setAccessibleName(name)
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.Base, Qt.GlobalColor.transparent)
        self.setPalette(palette)

    def price(self) -> int | None:
        """What is written, None where it is no price."""
        return words.parse_price(self.text())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Ctrl+Return belongs to the window; Return and Esc only leave the field."""
        control = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if (control and event.key() in RETURN) or (event.key() == Qt.Key.Key_Escape and self.text() == self._before):
            event.ignore()
        elif event.key() in RETURN:
            self._before = self.text()
            self.left.emit()
        elif event.key() == Qt.Key.Key_Escape:
            self.setText(self._before)
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: object) -> None:
        """The text, the dollar sign, the frame: in the danger colour round what is no price."""
        super().paintEvent(event)  # type: ignore[arg-type]
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        wrong = bool(self.text()) and self.price() is None
        token = "danger" if wrong else "accent" if self.hasFocus() else "control"
        wide = 2.0 if wrong or self.hasFocus() else 1.0
        painter.setPen(QPen(self._theme.colour(token), wide))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(wide / 2, wide / 2, -wide / 2, -wide / 2), 6, 6)
        painter.setPen(self._theme.colour("text3"))
        painter.drawText(self.rect().adjusted(10, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, "$")
        painter.end()


class PriceCard(Card):
    """What a million tokens cost, in and out, and what that makes of this request."""

    changed = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme)
        self._view: PriceView | None = None
        self.fields = (PriceEdit(theme, tr("Input")), PriceEdit(theme, tr("Output")))
        self.column.addWidget(Text(theme, "medium", text=tr("Price per million tokens")))
        grid = QGridLayout()
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(4)
        for at, field in enumerate(self.fields):
            grid.addWidget(Text(theme, "caption", "text3", text=field.accessibleName()), 0, at)
            grid.addWidget(field, 1, at)
            field.textChanged.connect(self._changed)
        self.fields[0].left.connect(self.fields[1].setFocus)
        self.fields[1].left.connect(self.setFocus)
        self.column.addLayout(grid)
        self._problem = Text(theme, "caption", "danger", text=tr("Write a price such as 2.00 or 0,15."))
        self.column.addWidget(self._problem)
        self.column.addSpacing(2)
        self.column.addWidget(Line(theme))
        self.column.addLayout(self._line(theme))

    def _line(self, theme: Theme) -> QHBoxLayout:
        self._tokens = Text(theme, "body", "text2")
        self._sum = SentenceLabel(theme, wrap=False)
        line = QHBoxLayout()
        line.addWidget(self._tokens)
        line.addStretch(1)
        line.addWidget(self._sum)
        return line

    def show_view(self, view: PriceView | None, *, anew: bool) -> None:
        """Another request; for the same question what was typed stays."""
        if anew:
            for field in self.fields:
                field.clear()
        self._view = view
        if view is not None:
            self._tokens.setText(view.tokens)
            self._show_sum()

    def prices(self) -> Prices:
        """Input and output as written; None where there is no price."""
        return self.fields[0].price(), self.fields[1].price()

    def _changed(self) -> None:
        self._show_sum()
        self.changed.emit()

    def _show_sum(self) -> None:
        if self._view is not None:
            self._sum.say(sum_of(self._view, self.prices()))
        self._problem.setVisible(any(field.text() and field.price() is None for field in self.fields))


class Code(QPlainTextEdit):
    """Text as it will stand in a file: read, selected and copied, never edited."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        font.setPixelSize(theme.font("body").pixelSize() - 1)
        self.setFont(numbers(font))
        self.setReadOnly(True)
        self.setTabChangesFocus(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.document().setDocumentMargin(10)
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.Base, Qt.GlobalColor.transparent)
        self.setPalette(palette)
        self.viewport().setAutoFillBackground(False)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.WidgetWidth)

    def say(self, text: str) -> None:
        """Other code."""
        if text.strip() != self.toPlainText():
            self.setPlainText(text.strip())
            self.updateGeometry()

    def paintEvent(self, event: QPaintEvent) -> None:
        """A sunken ground with round corners, then the text."""
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self._theme.colour("line"), 1))
        painter.setBrush(self._theme.colour("sunken"))
        painter.drawRoundedRect(QRectF(self.viewport().rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        painter.end()
        super().paintEvent(event)

    def sizeHint(self) -> QSize:
        """As high as its lines, up to some."""
        metrics = QFontMetrics(self.font())
        wide = 398 - 26 - 20
        lines = sum(1 + metrics.horizontalAdvance(line) // wide for line in self.toPlainText().splitlines())
        return QSize(200, min(lines, RULE_LINES) * metrics.lineSpacing() + 22)

    def minimumSizeHint(self) -> QSize:
        """The same: a rule is read before it is saved."""
        return self.sizeHint()


class RuleCard(Card):
    """The rule that "always" writes, before it is written."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme)
        self.code = Code(theme)
        self.code.setAccessibleName(tr("The rule, as it is written"))
        self._caption = SentenceLabel(theme, "caption", "text3")
        self._caption.say(
            tr("It is added to your models.toml and holds from now on. To end it, take these lines out again.")
        )
        self.column.addWidget(Text(theme, "medium", text=tr("The rule as it will be written")))
        self.column.addWidget(self.code)
        self.column.addWidget(self._caption)
