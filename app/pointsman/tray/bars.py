"""Header, bars, cards and footer of the popover: the parts that say a state or ask for an act."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QMenu, QVBoxLayout, QWidget

from pointsman.tray.button import Button
from pointsman.tray.menu_view import PauseChoice, PauseView
from pointsman.tray.meters import Countdown
from pointsman.tray.question_view import CardView
from pointsman.tray.sections import MARGIN, ROOM, tr
from pointsman.tray.theme import Theme
from pointsman.tray.view_model import Banner, NoticeView, PopoverView
from pointsman.tray.widgets import Dot, ElidedLabel, Icon, SentenceLabel, Text, band
from pointsman.wire.admin import Pause, Resume


class Header(QWidget):
    """State icon, name, state in words."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(MARGIN, 14, MARGIN, 14)
        row.setSpacing(8)
        self._icon = Icon(theme)
        self._dot = Dot(theme)
        self._warn = Icon(theme, "ui/warn", "warn", 14)
        self._state = Text(theme, "caption", "text2")
        row.addWidget(self._icon)
        row.addWidget(Text(theme, "strong", text="Pointsman"))
        row.addStretch(1)
        for widget in (self._dot, self._warn, self._state):
            row.addWidget(widget)

    def show_view(self, view: PopoverView) -> None:
        """Another state; never told by colour alone."""
        self._icon.show_icon(f"tray-{view.icon}-16", "text1")
        self._dot.setVisible(view.tone == "ok")
        self._warn.setVisible(view.tone == "warn")
        self._state.setText(view.state)
        self._state.tint({"warn": "warn", "danger": "danger"}.get(view.tone, "text2"))


class StoppedBanner(QWidget):
    """The gateway is gone: what that means, and the button that brings it back."""

    started = Signal()
    log_wanted = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        band(self, theme, "dangerSoft")
        column = QVBoxLayout(self)
        column.setContentsMargins(MARGIN, 12, MARGIN, 14)
        column.setSpacing(6)
        self._title = Text(theme, "strong", "danger")
        self._sentence = SentenceLabel(theme)
        self._problem = SentenceLabel(theme, "body", "danger")
        self.button = Button(theme, "", "primary", icon="play")
        self.button.clicked.connect(self.started)
        log = Button(theme, tr("Show the log"), "link")
        log.clicked.connect(self.log_wanted)
        row = QHBoxLayout()
        row.setContentsMargins(0, 4, 0, 0)
        row.setSpacing(16)
        row.addWidget(self.button)
        row.addWidget(log)
        row.addStretch(1)
        for widget in (self._title, self._sentence, self._problem):
            column.addWidget(widget)
        column.addLayout(row)

    def show_view(self, view: Banner) -> None:
        """Stopped, starting, or not answering."""
        self._title.setText(view.title)
        self._sentence.say(view.sentence)
        self._problem.say(view.problem or "")
        self._problem.setVisible(view.problem is not None)
        self.button.setText(view.button)
        self.button.setAccessibleName(view.button)
        self.button.setEnabled(view.enabled)
        self.button.updateGeometry()


class ErrorBar(QWidget):
    """A command failed: why, and one more try."""

    again = Signal()

    def __init__(self, theme: Theme, margin: int = MARGIN, radius: int = 0) -> None:
        super().__init__()
        self._ground, self._radius = theme.colour("dangerSoft"), radius
        row = QHBoxLayout(self)
        row.setContentsMargins(margin, 8, margin - 4, 8)
        row.setSpacing(8)
        self._text = SentenceLabel(theme)
        retry = Button(theme, tr("Try again"), "link")
        retry.clicked.connect(self._retry)
        close = Button(theme, tr("Close this message"), "icon", icon="x")
        close.clicked.connect(self.hide)
        row.addWidget(Icon(theme, "ui/warn", "danger"))
        row.addWidget(self._text, 1)
        row.addWidget(retry)
        row.addWidget(close)
        self.hide()

    def say(self, sentence: str) -> None:
        """Show the bar with this sentence."""
        self._text.say(sentence)
        self.setAccessibleName(sentence)
        self.show()

    def paintEvent(self, _event: object) -> None:
        """A soft red ground, from edge to edge or with round corners."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._ground)
        painter.drawRoundedRect(self.rect(), self._radius, self._radius)
        painter.end()

    def _retry(self) -> None:
        self.hide()
        self.again.emit()


class NoticeBar(QWidget):
    """Something that the person should know and that needs no answer; a paused agent can be resumed."""

    resumed = Signal(str)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        band(self, theme, "warnSoft")
        row = QHBoxLayout(self)
        row.setContentsMargins(MARGIN, 8, MARGIN, 8)
        row.setSpacing(8)
        self._text = SentenceLabel(theme)
        self._agent = ""
        self._resume = Button(theme, tr("Resume"), "link")
        self._resume.clicked.connect(lambda: self.resumed.emit(self._agent))
        row.addWidget(Icon(theme, "ui/info", "warn"))
        row.addWidget(self._text, 1)
        row.addWidget(self._resume)

    def show_view(self, view: NoticeView, *, stale: bool) -> None:
        """Another notice."""
        self._agent = view.agent
        self._text.say(view.text)
        self._resume.setVisible(bool(view.agent))
        self._resume.setAccessibleName(tr("Resume {agent}").format(agent=view.agent))
        self.setEnabled(not stale)


class Card(QWidget):
    """A question in the popover. Allow is never here, so that no glance-and-click spends money."""

    denied = Signal(str)
    local_wanted = Signal(str)
    review_wanted = Signal(str)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        band(self, theme, "warnSoft")
        self._question = ""
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        inner = QVBoxLayout()
        inner.setContentsMargins(MARGIN, 12, MARGIN, 12)
        inner.setSpacing(8)
        column.addLayout(inner)
        inner.addLayout(self._head(theme))
        self._sentence = SentenceLabel(theme)
        inner.addWidget(self._sentence)
        inner.addSpacing(2)
        inner.addLayout(self._buttons(theme))
        self._bar = Countdown(theme, 2, "warnFill")
        column.addWidget(self._bar)

    def _head(self, theme: Theme) -> QHBoxLayout:
        head = QHBoxLayout()
        head.setSpacing(6)
        self._title = ElidedLabel(theme, "strong", "warn")
        self._clock = Text(theme, "caption", "text2")
        head.addWidget(Icon(theme, "ui/warn", "warn", 14))
        head.addWidget(self._title, 1)
        head.addWidget(self._clock)
        return head

    def _buttons(self, theme: Theme) -> QBoxLayout:
        row = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        row.setSpacing(8)
        self._deny = Button(theme, tr("Deny"))
        self._local = Button(theme, tr("Use local"))
        self.review = Button(theme, tr("Review…"), "primary")
        self._deny.clicked.connect(lambda: self.denied.emit(self._question))
        self._local.clicked.connect(lambda: self.local_wanted.emit(self._question))
        self.review.clicked.connect(lambda: self.review_wanted.emit(self._question))
        every = (self._deny, self._local, self.review)
        for button in every:
            row.addWidget(button, 1)
        if max(button.sizeHint().width() for button in every) * 3 + 16 > ROOM:
            row.setDirection(QBoxLayout.Direction.TopToBottom)
        return row

    def show_view(self, view: CardView, *, stale: bool) -> None:
        """Another question, or the same a second later."""
        self._question = view.question
        self.setAccessibleName(view.title)
        self._title.say(view.title)
        self._clock.setText(view.clock)
        self._sentence.say(view.sentence)
        self._deny.setText(tr(view.deny))
        self._deny.setAccessibleName(tr(view.deny))
        self._local.setVisible(view.local)
        self._bar.show_ratio(view.ratio)
        self.setEnabled(not stale)


class Footer(QWidget):
    """Pause everything, or let it go on."""

    command = Signal(object)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._view: PauseView | None = None
        row = QHBoxLayout(self)
        row.setContentsMargins(MARGIN, 10, MARGIN, 12)
        self.button = Button(theme, tr("Pause all"), icon="pause")
        self.button.clicked.connect(self.press)
        self._menu = QMenu(self)
        row.addWidget(self.button)
        row.addStretch(1)

    def show_view(self, view: PauseView) -> None:
        """Pause with its menu, or Resume as the one thing to do."""
        self._view = view
        self.button.setText(view.text)
        self.button.setAccessibleName(view.text)
        self.button.setEnabled(view.enabled)
        self.button.show_icon("play" if view.paused else "pause")
        self.button.take_role("primary" if view.paused else "plain")
        self.button.mark_menu(shown=not view.paused)

    def press(self) -> None:
        """Resume at once; for a pause ask how long."""
        if self._view is None or not self._view.enabled:
            return
        if self._view.paused:
            self.command.emit(Resume())
            return
        self._menu.clear()
        for choice in self._view.choices:
            self._menu.addAction(choice.text, partial(self._pause, choice))
        self._menu.popup(self.button.mapToGlobal(QPoint(0, -self._menu.sizeHint().height() - 4)))

    def _pause(self, choice: PauseChoice) -> None:
        self.command.emit(Pause(until=choice.until))
