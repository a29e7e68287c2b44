"""Models on their way: how far, how fast, what stands in the way, and the buttons for each."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QPalette, QPen
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QProgressBar, QSizePolicy, QVBoxLayout, QWidget

from pointsman.tray.button import RETURN, Button
from pointsman.tray.meters import begin, rounded
from pointsman.tray.models_view import DownloadView, done_key
from pointsman.tray.sections import MARGIN, Pool, Section, tr
from pointsman.tray.theme import Theme
from pointsman.tray.widgets import ElidedLabel, Icon, SentenceLabel, Text, TierGlyph
from pointsman.wire.admin import CancelPull, PausePull, PullModel, ResumePull

_INSET = 4  # an icon button's own room at the right edge
_HEAD = 24  # as high as its buttons, also without them
_ICONS = {"pause": "pause", "resume": "play"}
_TINTS = {"plain": "text3", "ok": "text2", "warn": "text2", "danger": "text1"}
_MARKS = {"warn": ("ui/clock", "warn"), "danger": ("ui/warn", "danger"), "ok": ("ui/check", "ok")}


class Progress(QProgressBar):
    """How much of a model has come; a screen reader says its sentence."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme, self._ratio, self._token = theme, 0.0, "accent"
        self.setTextVisible(False)
        self.setFixedHeight(6)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_ratio(self, ratio: float, spoken: str, *, moves: bool) -> None:
        """Another part; one that does not move is grey."""
        self._ratio, self._token = ratio, "accent" if moves else "disabled"
        self.setValue(int(ratio * 100))
        self.setAccessibleName(spoken)
        self.update()

    def paintEvent(self, _event: object) -> None:
        """The empty bar, then what has come."""
        painter = begin(self)
        _, whole = rounded(self, 6)
        painter.fillPath(whole, self._theme.colour("meter"))
        if self._ratio:
            painter.setClipPath(whole)
            _, part = rounded(self, 6, max(self._ratio * self.width(), 6))
            painter.fillPath(part, self._theme.colour(self._token))
        painter.end()


class TokenEdit(QLineEdit):
    """An access token, never shown. Return sends it."""

    sent = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.setFrame(False)
        self.setFont(theme.font("body"))
        self.setEchoMode(QLineEdit.EchoMode.Password)
        self.setTextMargins(8, 0, 8, 0)
        self.setFixedHeight(max(28, self.fontMetrics().height() + 10))
        self.setMaxLength(200)
        self.setPlaceholderText(tr("Access token"))
        self.setAccessibleName(tr("Access token"))
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.Base, Qt.GlobalColor.transparent)
        palette.setColor(QPalette.ColorRole.PlaceholderText, theme.colour("text3"))
        self.setPalette(palette)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Return sends what stands there."""
        if event.key() in RETURN and self.text():
            self.sent.emit()
        elif event.key() not in RETURN:
            super().keyPressEvent(event)

    def paintEvent(self, event: object) -> None:
        """The text and its frame."""
        super().paintEvent(event)  # type: ignore[arg-type]
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        wide = 2.0 if self.hasFocus() else 1.0
        painter.setPen(QPen(self._theme.colour("accent" if self.hasFocus() else "control"), wide))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(wide / 2, wide / 2, -wide / 2, -wide / 2), 6, 6)
        painter.end()


class DownloadRow(QWidget):
    """One model on its way."""

    command = Signal(object)
    put_away = Signal(object)
    page = Signal(str)
    grew = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._view = DownloadView(name="", state="")
        self._asks = False
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(self._head())
        self._bar = Progress(theme)
        bar = QHBoxLayout()
        bar.setContentsMargins(0, 0, _INSET, 0)
        bar.addWidget(self._bar)
        column.addLayout(bar)
        column.addLayout(self._said())
        self._licence = self._form()
        self._sure = self._question()
        column.addWidget(self._licence)
        column.addWidget(self._sure)

    def _head(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(8)
        self._name = ElidedLabel(self._theme, "medium")
        self._name.setMinimumHeight(_HEAD)
        self._act = Button(self._theme, tr("Pause"), "icon", icon="pause")
        self._again = Button(self._theme, tr("Try again"), "link")
        self._cancel = Button(self._theme, tr("Cancel"), "icon", icon="x")
        self._act.clicked.connect(self._press)
        self._again.clicked.connect(self._press)
        self._cancel.clicked.connect(self.leave)
        self._glyph = TierGlyph(self._theme)
        row.addWidget(self._glyph)
        row.addWidget(self._name, 1)
        for button in (self._again, self._act, self._cancel):
            row.addWidget(button)
        return row

    def _said(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, _INSET, 0)
        row.setSpacing(6)
        self._mark = Icon(self._theme, size=14)
        self._state = SentenceLabel(self._theme, "caption", "text3")
        self._rest = Text(self._theme, "caption", "text3")
        row.addWidget(self._mark, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self._state, 1)
        row.addWidget(self._rest, 0, Qt.AlignmentFlag.AlignTop)
        return row

    def _form(self) -> QWidget:
        """Where a licence has to be accepted first: its page, and a token of the account that did."""
        holder = QWidget()
        column = QVBoxLayout(holder)
        column.setContentsMargins(0, 4, _INSET, 2)
        column.setSpacing(8)
        self._token = TokenEdit(self._theme)
        open_page = Button(self._theme, tr("Open its page"), icon="out")
        self._go_on = Button(self._theme, tr("Go on"), "primary")
        open_page.clicked.connect(lambda: self.page.emit(self._view.page))
        self._go_on.clicked.connect(self._press)
        self._token.sent.connect(self._press)
        self._token.textChanged.connect(lambda text: self._go_on.setEnabled(bool(text)))
        self._go_on.setEnabled(False)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self._token, 1)
        row.addWidget(self._go_on)
        column.addWidget(open_page)
        column.addLayout(row)
        return holder

    def _question(self) -> QWidget:
        """Asked in the row: what came took time and money."""
        holder, row = _row()
        self._asked = SentenceLabel(self._theme)
        keep = Button(self._theme, tr("Keep it"))
        drop = Button(self._theme, tr("Delete"))
        keep.clicked.connect(lambda: self._ask(asks=False))
        drop.clicked.connect(self._drop)
        self._keep = keep
        row.addWidget(self._asked, 1)
        row.addWidget(keep)
        row.addWidget(drop)
        return holder

    def show_view(self, view: DownloadView, *, stale: bool) -> None:
        """The same a moment later, or another."""
        if view.name != self._view.name:
            self._asks = False
            self._token.clear()
        self._view = view
        self.setAccessibleName(f"{view.name}: {view.state}" if view.done else view.spoken)
        self._name.say(view.name)
        self._name.tint("text3" if stale else "text1")
        self._glyph.show_tier("local", stale=stale)
        self._show_buttons(view)
        self._bar.setVisible(view.ratio is not None)
        self._bar.show_ratio(view.ratio or 0.0, view.spoken, moves=view.moves and not stale)
        self._show_words(view)
        for button in (self._act, self._again, self._cancel):
            button.setEnabled(not stale)
        for part in (self._licence, self._sure):
            part.setEnabled(not stale)

    def _show_buttons(self, view: DownloadView) -> None:
        self._act.setVisible(view.act in _ICONS and not self._asks)
        self._act.show_icon(_ICONS.get(view.act, "pause"))
        self._act.name(view.act_name)
        self._again.setVisible(view.act == "again" and not view.page and not self._asks)
        self._again.setAccessibleName(tr("Try again to get {model}").format(model=view.name))
        self._cancel.setVisible(not self._asks)
        self._cancel.name(tr("Close this message") if view.done else view.give_up)

    def _show_words(self, view: DownloadView) -> None:
        icon, colour = _MARKS.get(view.tone, ("", "text1"))
        self._mark.show_icon(icon, colour)
        self._mark.setVisible(bool(icon))
        self._state.tint(_TINTS[view.tone])
        self._state.say(view.state)
        self._rest.setText(view.rest)
        self._rest.setVisible(bool(view.rest))
        self._licence.setVisible(bool(view.page) and not self._asks)
        self._asked.say(view.sure)
        self._sure.setVisible(self._asks)

    def _press(self) -> None:
        name, token = self._view.name, self._token.text() or None
        made: dict[str, Callable[[], object]] = {
            "pause": lambda: PausePull(name),
            "resume": lambda: ResumePull(name),
            "again": lambda: PullModel(name, token=token),
        }
        self._token.clear()
        if self._view.act:
            self.command.emit(made[self._view.act]())

    def leave(self) -> None:
        """Give it up, after a question; of one that came only the message goes."""
        if self._view.done:
            self.put_away.emit((done_key(self._view.name),))
        else:
            self._ask(asks=True)

    def _ask(self, *, asks: bool) -> None:
        """Put the question, or take it back; the focus goes with it."""
        self._asks = asks
        self._show_buttons(self._view)
        self._show_words(self._view)
        self.grew.emit()
        (self._keep if asks else self._cancel).setFocus(Qt.FocusReason.OtherFocusReason)

    def _drop(self) -> None:
        self._ask(asks=False)
        self.command.emit(CancelPull(self._view.name))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc takes the question back, and nothing else."""
        if event.key() == Qt.Key.Key_Escape and self._asks:
            self._ask(asks=False)
        else:
            super().keyPressEvent(event)


def _row() -> tuple[QWidget, QHBoxLayout]:
    holder = QWidget()
    row = QHBoxLayout(holder)
    row.setContentsMargins(0, 4, _INSET, 2)
    row.setSpacing(8)
    return holder, row


class DownloadSection(Section):
    """All that are on their way."""

    command = Signal(object)
    put_away = Signal(object)
    page = Signal(str)
    grew = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, tr("Models on their way"))
        self.column.setContentsMargins(MARGIN, 10, MARGIN - _INSET, 12)
        self.column.setSpacing(6)
        rows = QVBoxLayout()
        rows.setSpacing(12)
        self.column.addLayout(rows)
        self._pool = Pool(rows, self._make)
        self.rows = self._pool.rows

    def _make(self) -> DownloadRow:
        row = DownloadRow(self.theme)
        for signal, own in (
            (row.command, self.command),
            (row.put_away, self.put_away),
            (row.page, self.page),
            (row.grew, self.grew),
        ):
            signal.connect(own)
        return row

    def show_view(self, views: tuple[DownloadView, ...], *, stale: bool) -> None:
        """Other rows, or the same a moment later."""
        self._pool.fill(views, stale=stale)
