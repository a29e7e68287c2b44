"""The popover: one glance at money, questions and what runs."""

from __future__ import annotations

import time

from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QGuiApplication, QHideEvent, QKeyEvent, QScreen
from PySide6.QtWidgets import QApplication, QScrollArea, QVBoxLayout, QWidget

from pointsman.tray.bars import Card, ErrorBar, Footer, Header, NoticeBar, StoppedBanner
from pointsman.tray.download_section import DownloadSection
from pointsman.tray.offer_sections import HeldSection, OfferSection
from pointsman.tray.sections import (
    MARGIN,
    AgentsSection,
    LoadedSection,
    NowSection,
    Pool,
    Section,
    TodaySection,
    WhereSection,
)
from pointsman.tray.theme import Theme
from pointsman.tray.view_model import PopoverView
from pointsman.tray.widgets import Floating, Line, SentenceLabel, Text, order_tabs, wanted_height
from pointsman.wire.admin import Answer, Command, Resume, StopRequest, UnloadModel

WIDTH = 340
HIGHEST = 760
BLUR_MS = 250


class Middle(QScrollArea):
    """What scrolls when the screen is low."""

    def __init__(self, inner: QWidget) -> None:
        super().__init__()
        self.inner = inner
        self.setWidget(inner)
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.viewport().setAutoFillBackground(False)
        inner.setAutoFillBackground(False)

    def sizeHint(self) -> QSize:
        """As high as its content."""
        return QSize(WIDTH - 2, wanted_height(self.inner, WIDTH - 2))

    def minimumSizeHint(self) -> QSize:
        """A few lines."""
        return QSize(WIDTH - 2, 120)


class Empty(Section):
    """Nothing yet: what to do about it."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme)
        self.column.setContentsMargins(MARGIN, 20, MARGIN, 20)
        self._title = Text(theme, "title")
        self._sentence = SentenceLabel(theme, "body", "text2")
        for label in (self._title, self._sentence):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            self.column.addWidget(label)

    def show_view(self, view: tuple[str, str]) -> None:
        """Another sentence."""
        self._title.setText(view[0])
        self._sentence.say(view[1])


class Popover(Floating):
    """Draws a `PopoverView` and says what the person wants; decides nothing."""

    command = Signal(object)
    review = Signal(str)
    start = Signal()
    log = Signal()
    put_away = Signal(object)
    page = Signal(str)
    closed = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, Qt.WindowType.Tool | Qt.WindowType.WindowStaysOnTopHint)
        self.setFixedWidth(WIDTH)
        self._view: PopoverView | None = None
        self._failed: Command | None = None
        self._hidden_at = 0.0
        self._icon = QRect()
        self._make_parts(theme)
        self._place_parts(theme)
        self._connect()

    def _make_parts(self, theme: Theme) -> None:
        self.header = Header(theme)
        self.banner = StoppedBanner(theme)
        self.error = ErrorBar(theme)
        self.today = TodaySection(theme)
        self.now = NowSection(theme)
        self.where = WhereSection(theme)
        self.agents = AgentsSection(theme)
        self.loaded = LoadedSection(theme)
        self.offer = OfferSection(theme)
        self.held = HeldSection(theme)
        self.downloads = DownloadSection(theme)
        self.empty = Empty(theme)
        self.footer = Footer(theme)

    def _place_parts(self, theme: Theme) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(1, 1, 1, 1)
        column.setSpacing(0)
        for part in (self.header, Line(theme), self.error, self.banner):
            column.addWidget(part)
        notices, cards = self._stack(column), self._stack(column)
        self._notices = Pool(notices, self._make_notice)
        self.cards = Pool(cards, self._make_card)
        self._more_cards = Text(theme, "caption", "text3")
        self._more_cards.setContentsMargins(MARGIN, 6, MARGIN, 6)
        column.addWidget(self._more_cards)
        column.addWidget(self._middle(theme), 1)
        column.addWidget(Line(theme))
        column.addWidget(self.footer)

    def _stack(self, column: QVBoxLayout) -> QVBoxLayout:
        """A place for bars that come later, here in reading order."""
        holder = QWidget()
        bars = QVBoxLayout(holder)
        bars.setContentsMargins(0, 0, 0, 0)
        bars.setSpacing(1)
        column.addWidget(holder)
        return bars

    def _middle(self, theme: Theme) -> Middle:
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self._lines: dict[QWidget, Line] = {self.offer: Line(theme)}
        column.addWidget(self.offer)
        column.addWidget(self._lines[self.offer])
        column.addWidget(self.today)
        for part in (self.downloads, self.held, self.now, self.where, self.agents, self.loaded, self.empty):
            self._lines[part] = Line(theme)
            column.addWidget(self._lines[part])
            column.addWidget(part)
        column.addStretch(1)
        self._scroll = Middle(inner)
        return self._scroll

    def _connect(self) -> None:
        self.error.again.connect(self._again)
        self.banner.started.connect(self.start)
        self.banner.log_wanted.connect(self.log)
        self.footer.command.connect(self.command)
        self.now.stopped.connect(lambda request: self.command.emit(StopRequest(request)))
        self.loaded.unloaded.connect(lambda model: self.command.emit(UnloadModel(model)))
        for part in (self.offer, self.held, self.downloads):
            part.command.connect(self.command)
            part.put_away.connect(self.put_away)
        self.downloads.page.connect(self.page)
        self.downloads.grew.connect(self._refit)

    def _make_notice(self) -> NoticeBar:
        notice = NoticeBar(self.theme)
        notice.resumed.connect(lambda agent: self.command.emit(Resume(agent)))
        return notice

    def _make_card(self) -> Card:
        card = Card(self.theme)
        card.denied.connect(lambda question: self.command.emit(Answer(question, "deny")))
        card.local_wanted.connect(lambda question: self.command.emit(Answer(question, "local")))
        card.review_wanted.connect(self.review)
        return card

    def show_view(self, view: PopoverView) -> None:
        """Draw this; nothing happens when nothing changed."""
        if view == self._view:
            return
        self._view = view
        self.setWindowTitle(view.name)
        self.setAccessibleName(view.name)
        self.header.show_view(view)
        self._show_bars(view)
        self._show_sections(view)
        self._fit(view)

    def say_failed(self, sentence: str, command: Command | None = None) -> None:
        """Something was not done; a command can be sent again."""
        self._failed = command
        self.error.say(sentence)
        self._refit()

    def _refit(self) -> None:
        if self._view is not None:
            self._fit(self._view)

    def _again(self) -> None:
        if self._failed is not None:
            self.command.emit(self._failed)

    def _show_bars(self, view: PopoverView) -> None:
        self.banner.setVisible(view.banner is not None)
        if view.banner is not None:
            self.banner.show_view(view.banner)
        self._notices.fill(view.notices)
        self.cards.fill(view.cards)
        self._more_cards.setText(view.more_cards)
        self._more_cards.setVisible(bool(view.more_cards))
        self.footer.show_view(view.pause)

    def _show_sections(self, view: PopoverView) -> None:
        self.today.show_view(view.today, stale=view.stale)
        for part, shown in (
            (self.now, view.now),
            (self.where, view.where),
            (self.agents, view.agents),
            (self.loaded, view.loaded),
            (self.offer, view.offer),
            (self.held, view.held),
            (self.downloads, view.downloads),
        ):
            self._show_part(part, there=bool(shown))
            if shown:
                part.show_view(shown, stale=view.stale)  # type: ignore[arg-type]
        self._show_part(self.empty, there=view.empty is not None)
        if view.empty is not None:
            self.empty.show_view(view.empty)

    def _show_part(self, part: QWidget, *, there: bool) -> None:
        part.setVisible(there)
        self._lines[part].setVisible(there)

    def _fit(self, view: PopoverView) -> None:
        """Fold from the least needed up until the popover fits the screen."""
        free = self._screen().height() - 24
        limit = min(HIGHEST, free)
        self.agents.fold(folded=False)
        self.where.fold(folded=False)
        if view.today.chart is not None:
            self.today.chart.setVisible(not view.cards)
        for fold in (
            self.today.chart.hide,
            lambda: self._show_part(self.loaded, there=False),
            lambda: self.agents.fold(folded=True),
            lambda: self.where.fold(folded=True),
        ):
            if self._wanted() <= limit:
                break
            fold()
        wanted = self._wanted()
        low = Qt.ScrollBarPolicy.ScrollBarAsNeeded if wanted > limit else Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        self._scroll.setVerticalScrollBarPolicy(low)
        self.resize(WIDTH, min(wanted, limit))
        if self.isVisible():
            self._place()
        order_tabs(self)

    def _wanted(self) -> int:
        return wanted_height(self, WIDTH)

    def _screen(self) -> QRect:
        return self.screen().availableGeometry()

    def toggle(self, icon: QRect) -> None:
        """Show at the icon, or hide. The click that took the focus away just now has already hidden it."""
        if self.isVisible():
            self.hide()
        elif (time.monotonic() - self._hidden_at) * 1000 > BLUR_MS:
            self.open_at(icon)

    def open_at(self, icon: QRect) -> None:
        """Show beside the tray icon, inside its screen, with the focus on the first question."""
        self._icon = icon
        if self._view is not None:
            self._fit(self._view)
        self._place()
        self.show()
        self.raise_()
        self.activateWindow()
        first = self.cards.rows[0].review if self.cards.rows and self.cards.rows[0].isVisible() else self
        first.setFocus(Qt.FocusReason.PopupFocusReason)

    def _place(self) -> None:
        """Beside the icon, also when it has grown since."""
        self.move(_beside(self._icon, self.size(), screen_at(self._icon.center()).availableGeometry()))

    def event(self, event: QEvent) -> bool:
        """A click elsewhere hides it, unless its own menu took the focus."""
        if event.type() == QEvent.Type.WindowDeactivate and QApplication.activePopupWidget() is None:
            self.hide()
        return super().event(event)

    def hideEvent(self, event: QHideEvent) -> None:
        """Remember when, for the toggle."""
        self._hidden_at = time.monotonic()
        self.closed.emit()
        super().hideEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc closes, Ctrl+P pauses or resumes."""
        if event.key() == Qt.Key.Key_Escape:
            self.hide()
        elif event.key() == Qt.Key.Key_P and event.modifiers() == Qt.KeyboardModifier.ControlModifier:
            self.footer.press()
        else:
            super().keyPressEvent(event)


def screen_at(point: QPoint) -> QScreen:
    """The screen under a point, else the first."""
    at: QScreen | None = QGuiApplication.screenAt(point)
    return QGuiApplication.primaryScreen() if at is None else at


def _beside(icon: QRect, size: QSize, free: QRect) -> QPoint:
    """Below an icon at the top, above one at the bottom; without an icon the nearest corner of the usual panel."""
    if not icon.isValid() or icon.isEmpty():
        return QPoint(free.right() - size.width() - 8, free.top() + 8)
    left = min(max(icon.center().x() - size.width() // 2, free.left() + 8), free.right() - size.width() - 8)
    above = icon.center().y() > free.center().y()
    top = min(icon.top(), free.bottom()) - size.height() - 8 if above else max(icon.bottom(), free.top()) + 8
    return QPoint(left, max(top, free.top() + 8))
