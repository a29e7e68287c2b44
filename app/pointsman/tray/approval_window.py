"""The approval window: who asks, for what, how much at most, what is left; answered once."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QCoreApplication, QPoint, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QCloseEvent, QCursor, QKeyEvent, QPainter, QPainterPath
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QVBoxLayout, QWidget

from pointsman.tray.approval_parts import Head, Why
from pointsman.tray.bars import ErrorBar
from pointsman.tray.button import RETURN, AllowButton, Button
from pointsman.tray.cards import PriceCard, RuleCard
from pointsman.tray.choice_view import ChoiceView, decided
from pointsman.tray.choices import Choices
from pointsman.tray.popover import screen_at
from pointsman.tray.question_view import ApprovalView
from pointsman.tray.theme import Theme
from pointsman.tray.widgets import Floating, SentenceLabel, order_tabs, wanted_height
from pointsman.tray.words import plain
from pointsman.wire.admin import Answer

WIDTH = 440
MARGIN = 20
EDGE = 16
DEAD_MS = 500


def tr(text: str) -> str:
    """The text in the person's language."""
    return QCoreApplication.translate("ApprovalWindow", text)


class ApprovalWindow(Floating):
    """Draws one question of a queue and says what the person decides.

    It never takes the focus. For `dead_ms` after it appears or shows another question, nothing answers: a key or a
    click that was meant for another window must not spend money.
    """

    answered = Signal(object)
    moved = Signal(int)
    put_away = Signal()
    start = Signal()
    again = Signal()

    def __init__(self, theme: Theme, dead_ms: int = DEAD_MS) -> None:
        super().__init__(theme, Qt.WindowType.Tool | Qt.WindowType.WindowStaysOnTopHint)
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        self.setFixedWidth(WIDTH)
        self._dead = dead_ms / 1000
        self._awake_at = 0.0
        self._view: ApprovalView | None = None
        self._over = False
        self._turned = False
        self._ratio = 0.0
        self._make_parts(theme)
        self._place_parts()
        self._connect()

    def _make_parts(self, theme: Theme) -> None:
        self.head = Head(theme)
        self.error = ErrorBar(theme, 12, 8)
        self.sentence = SentenceLabel(theme, "sentence")
        self.why = Why(theme)
        self.price = PriceCard(theme)
        self.choices = Choices(theme)
        self.rule = RuleCard(theme)
        self.back = Button(theme, tr("Back"), hint="Esc")
        self.deny = Button(theme, tr("Deny"), hint="Esc")
        self.local = Button(theme, tr("Use local"), hint="L")
        self.allow = AllowButton(theme, "", "primary", hint="Ctrl \u21b5")
        self.begin = Button(theme, tr("Start gateway"), "primary", icon="play")
        self.done = Button(theme, tr("Close"))
        self.clock = SentenceLabel(theme, "caption", "text3")
        self.more = Button(theme, tr("Details"), "link")
        self.more.setFont(theme.font("caption"))
        self.details = SentenceLabel(theme, "caption", "text3")
        self.details.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)

    def _place_parts(self) -> None:
        outer = QVBoxLayout(self)
        outer.setContentsMargins(1, 1, 1, 1)
        outer.setSpacing(0)
        column = QVBoxLayout()
        column.setContentsMargins(MARGIN - 1, MARGIN - 4, MARGIN - 1, 14)
        column.setSpacing(12)
        outer.addLayout(column)
        for part in (self.head, self.error, self.sentence, self.why, self.price, self.choices, self.rule):
            column.addWidget(part)
        column.addSpacing(4)
        column.addLayout(self._buttons())
        last = QHBoxLayout()
        self.clock.setContentsMargins(0, 4, 0, 4)
        last.addWidget(self.clock, 1)
        last.addWidget(self.more, 0, Qt.AlignmentFlag.AlignTop)
        column.addLayout(last)
        column.addWidget(self.details)
        self.details.hide()

    def _buttons(self) -> QBoxLayout:
        self._row = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._row.setSpacing(8)
        self._row.addWidget(self.deny)
        self._row.addWidget(self.back)
        self._row.addStretch(1)
        for button in (self.local, self.allow, self.done, self.begin):
            self._row.addWidget(button)
        return self._row

    def _connect(self) -> None:
        self.deny.clicked.connect(self._deny)
        self.local.clicked.connect(self._use_local)
        self.allow.clicked.connect(self._allow)
        self.back.clicked.connect(self._turn_back)
        self.begin.clicked.connect(self.start)
        self.done.clicked.connect(self.put_away)
        self.more.clicked.connect(self._toggle_details)
        self.choices.changed.connect(self._show_choice)
        self.price.changed.connect(self._priced)
        self.head.moved.connect(self._move)
        self.error.again.connect(self.again)

    @property
    def question(self) -> str | None:
        """The question that is shown."""
        return None if self._view is None else self._view.question

    def show_view(self, view: ApprovalView) -> None:
        """Draw this question; another one than before wakes after the dead time."""
        other = self._over or view.question != self.question
        self._view, self._over = view, False
        self._turned = self._turned and not other
        self.sentence.tint("text1")
        self.clock.tint("text3")
        self.more.show()
        self.why.show()
        self.head.show_view(view)
        self.sentence.say(view.sentence)
        self.why.show_view(view.why)
        self.choices.show_views(view.choices, anew=other)
        self.price.show_view(view.price, anew=other)
        self.rule.code.say(view.rule)
        self.details.say(view.details)
        self.clock.say(view.clock)
        self._show_ratio(view.ratio)
        self._name(view)
        if other:
            self._sleep()
            self._waits(going=False)
            self.error.hide()
            self.details.hide()
        self._show_choice()

    def _name(self, view: ApprovalView) -> None:
        said = plain(view.sentence)
        if self.windowTitle() != said:
            self.setWindowTitle(said)
            self.setAccessibleName(said)
            self.setAccessibleDescription(view.why.text or view.why.body)

    def _show_choice(self) -> None:
        view, way = self._view, self._way()
        if view is None or self._over:
            return
        for part, shown in (
            (self.price, view.price is not None),
            (self.choices, bool(view.choices) and not self._turned),
            (self.rule, self._turned),
            (self.back, self._turned),
            (self.deny, not self._turned),
            (self.local, view.local is not None and not self._turned and not self._answers_here()),
            (self.allow, way is not None),
            (self.begin, False),
            (self.done, False),
        ):
            part.setVisible(shown)
        _say(self.deny, tr(view.deny_text))
        if way is not None:
            _say(self.allow, tr("Save rule and allow") if self._turned else way.button)
            self.allow.setEnabled(self.deny.isEnabled() and self._fits(way))
        self._fit()

    def _way(self) -> ChoiceView | None:
        """What the default button allows."""
        chosen = self.choices.chosen()
        if self._view is None or not self._view.choices or chosen is None:
            return None if self._view is None else self._view.only
        return chosen.view

    def _fits(self, way: ChoiceView) -> bool:
        """Whether this can be sent as it stands: amounts and prices are there."""
        chosen = self.choices.chosen()
        amounts = chosen is None or chosen.view is not way or chosen.fits()
        return amounts and (not way.priced or None not in self.price.prices())

    def _priced(self) -> None:
        """A price was typed: the row that uses it is meant."""
        if self.choices.rows:
            self.choices.rows[0].setChecked(True)
        self._show_choice()

    def _answers_here(self) -> bool:
        """Whether one of the choices already is the local answer."""
        return self._view is not None and any(choice.answer.verdict == "local" for choice in self._view.choices)

    def say_over(self, sentence: str, *, start: bool = False) -> None:
        """The question ended without an answer from here: only the sentence and what can be done now."""
        self._over = True
        for part in self._parts_of_an_open_question():
            part.hide()
        self.sentence.tint("text3")
        self.clock.tint("text1")
        self.clock.say(sentence)
        self._show_ratio(0)
        self.done.show()
        self.begin.setVisible(start)
        self._fit()

    def _parts_of_an_open_question(self) -> tuple[QWidget, ...]:
        buttons = (self.deny, self.back, self.local, self.allow, self.more)
        return (*buttons, self.why, self.price, self.choices, self.rule, self.details, self.error)

    def say_failed(self, sentence: str) -> None:
        """The answer did not arrive; it can be given again."""
        self._waits(going=False)
        self.error.say(tr("Your answer did not arrive: {sentence}").format(sentence=sentence))
        self._show_choice()

    def _show_ratio(self, ratio: float) -> None:
        self._ratio = ratio
        self.update()

    def paintEvent(self, event: object) -> None:
        """The countdown lies along the lower edge, inside the round corners."""
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        path = QPainterPath()
        path.addRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 11, 11)
        painter.setClipPath(path)
        foot = QRectF(1, self.height() - 4, self.width() - 2, 3)
        painter.fillRect(foot, self.theme.colour("meter"))
        painter.fillRect(QRectF(foot.x(), foot.y(), foot.width() * self._ratio, 3), self.theme.colour("accent"))
        painter.end()

    def appear(self, avoid: QRect | None = None) -> None:
        """Show at the top right of the pointer's screen, left of what it would hide, without taking the focus."""
        self._sleep()
        free = screen_at(QCursor.pos()).availableGeometry()
        at = QPoint(free.right() + 1 - WIDTH - EDGE, free.top() + EDGE)
        if avoid is not None and avoid.intersects(QRect(at, self.size())):
            at.setX(max(avoid.left() - WIDTH - EDGE, free.left() + EDGE))
        self.move(at)
        self.show()
        self.raise_()

    def _sleep(self) -> None:
        self._awake_at = time.monotonic() + self._dead

    def _awake(self) -> bool:
        return not self._over and self.deny.isEnabled() and time.monotonic() >= self._awake_at

    def _waits(self, *, going: bool) -> None:
        for part in (self.deny, self.back, self.local, self.allow, self.choices, self.price):
            part.setEnabled(not going)

    def _send(self, answer: Answer | None) -> None:
        if answer is None or not self._awake():
            return
        self._waits(going=True)
        self.error.hide()
        self.answered.emit(answer)

    def _deny(self) -> None:
        self._send(None if self._view is None else self._view.deny)

    def _use_local(self) -> None:
        self._send(None if self._view is None else self._view.local)

    def _allow(self) -> None:
        way, view = self._way(), self._view
        if way is None or view is None or not self._fits(way):
            return
        if way.turns and not self._turned:
            self._turn(over=True)
            return
        chosen = self.choices.chosen()
        amount = None if chosen is None else chosen.amount()
        self._send(decided(way, amount, self.price.prices(), view.at))

    def _turn(self, *, over: bool) -> None:
        """The card's other side; what was pressed to turn it must not answer there."""
        if not self._awake():
            return
        self._turned = over
        self._sleep()
        self._show_choice()
        (self.back if over else self.choices.rows[-1]).setFocus(Qt.FocusReason.OtherFocusReason)

    def _turn_back(self) -> None:
        self._turn(over=False)

    def _move(self, by: int) -> None:
        self.moved.emit(by)

    def _toggle_details(self) -> None:
        self.details.setVisible(not self.details.isVisible())
        self._fit()

    def _fit(self) -> None:
        buttons = (self.deny, self.back, self.local, self.allow, self.done, self.begin)
        wide = sum(button.sizeHint().width() + 8 for button in buttons if not button.isHidden())
        across = wide <= WIDTH - 2 * MARGIN
        self._row.setDirection(QBoxLayout.Direction.LeftToRight if across else QBoxLayout.Direction.BottomToTop)
        self.resize(WIDTH, wanted_height(self, WIDTH))
        order_tabs(self)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """The keys of the window; none works in the dead time, and Return alone does nothing."""
        control = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        acts = self._control_keys() if control else self._plain_keys()
        act = acts.get(Qt.Key(event.key()))
        if self._over and event.key() == Qt.Key.Key_Escape:
            self.put_away.emit()
        elif act is not None and self._awake():
            act()
        elif not control and Qt.Key.Key_1 <= event.key() <= Qt.Key.Key_9 and self._awake():
            self._choose(event.key() - Qt.Key.Key_0)
        else:
            super().keyPressEvent(event)

    def _control_keys(self) -> dict[Qt.Key, Callable[[], None]]:
        return {
            **dict.fromkeys(RETURN, self._allow),
            Qt.Key.Key_Left: lambda: self._move(-1),
            Qt.Key.Key_Right: lambda: self._move(1),
            Qt.Key.Key_D: self._toggle_details,
            Qt.Key.Key_M: self.put_away.emit,
        }

    def _choose(self, number: int) -> None:
        if not self._turned:
            self.choices.choose(number)

    def _plain_keys(self) -> dict[Qt.Key, Callable[[], None]]:
        if self._turned:
            return {Qt.Key.Key_Escape: self._turn_back}
        return {Qt.Key.Key_Escape: self._deny, Qt.Key.Key_L: self._use_local}

    def closeEvent(self, event: QCloseEvent) -> None:
        """A window manager that closes it denies; the tray that quits leaves the question open."""
        if event.spontaneous() and not self._over:
            self._awake_at = 0.0
            self._deny()
        super().closeEvent(event)


def _say(button: Button, text: str) -> None:
    button.setText(text)
    button.setAccessibleName(text)
    button.updateGeometry()
