"""The queue of questions behind the one approval window: which is shown, and what an answer leads to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QWidget

from pointsman.core.events import ApprovalEnded
from pointsman.tray.approval_window import ApprovalWindow
from pointsman.tray.client import AdminClient
from pointsman.tray.question_view import approval_view, ended_sentence, gone_sentence, phase
from pointsman.wire.admin import Answer, Problem, Question

LINGER_MS = 4000


class Approvals(QObject):
    """Opens the window when a question comes, oldest first; a question that was put away waits to be called.

    `beside` is the window that it should not hide: the popover.
    """

    start = Signal()

    def __init__(self, window: ApprovalWindow, client: AdminClient, clock: Callable[[], datetime]) -> None:
        super().__init__(window)
        self.beside: QWidget | None = None
        self._window, self._client, self._clock = window, client, clock
        self._questions: list[Question] = []
        self._current: Question | None = None
        self._answered: set[str] = set()
        self._away: set[str] = set()
        self._ended: dict[str, str] = {}
        self._last: Answer | None = None
        self._linger = QTimer(self, interval=LINGER_MS, singleShot=True)
        self._linger.timeout.connect(self._next)
        window.answered.connect(self._send)
        window.moved.connect(self._turn)
        window.put_away.connect(self._put_away)
        window.start.connect(self._start)
        window.again.connect(self._again)

    def take(self, approvals: list[Question]) -> None:
        """The questions that are open now."""
        there = {question.id for question in approvals}
        self._answered &= there
        self._away &= there
        self._questions = sorted(
            (one for one in approvals if one.id not in self._answered), key=lambda one: (one.asked, one.id)
        )
        if self._linger.isActive():
            return
        if self._current is not None and self._current.id not in there:
            self._over(self._current, self._ended.pop(self._current.id, ""))
        elif self._current is None:
            self._next()
        else:
            self.tick()

    def happened(self, event: object) -> None:
        """Remember how a question ended; the snapshot without it comes next."""
        if isinstance(event, ApprovalEnded):
            self._ended = {event.question: event.outcome}

    def tick(self) -> None:
        """A second later: the clock, or its end."""
        if self._current is None or self._linger.isActive() or not self._window.isVisible():
            return
        if phase(self._current, self._clock()) == "expired":
            self._over(self._current, "expired")
        else:
            self._show(self._current)

    def review(self, question: str = "") -> None:
        """Open the window on this question, or on the oldest, and give it the focus: the person asked for it."""
        found = next((one for one in self._questions if question in {"", one.id}), None)
        if found is None:
            return
        self._linger.stop()
        self._away.discard(found.id)
        self._current = found
        self._show(found)
        self._appear()
        self._window.activateWindow()

    def unseen(self) -> list[Question]:
        """The questions, oldest first, while the window cannot be seen; none while it can."""
        window = self._window
        seen = window.isVisible() and not window.isMinimized() and window.windowHandle().isExposed()
        return [] if seen else list(self._questions)

    def answer(self, answer: Answer) -> None:
        """An answer from elsewhere than the window; where it does not arrive, the window says so."""
        self._send(answer)

    def gone(self) -> None:
        """The gateway is gone, and its questions with it."""
        self._linger.stop()
        if self._current is not None and self._window.isVisible():
            self._window.say_over(gone_sentence(self._current.agent), start=True)
        self._questions, self._current = [], None

    def _next(self) -> None:
        self._current = next((one for one in self._questions if one.id not in self._away | self._answered), None)
        if self._current is None:
            self._window.hide()
            return
        self._show(self._current)
        if not self._window.isVisible():
            self._appear()

    def _appear(self) -> None:
        there = self.beside is not None and self.beside.isVisible()
        self._window.appear(self.beside.frameGeometry() if there and self.beside else None)

    def _show(self, question: Question) -> None:
        same = next((one for one in self._questions if one.id == question.id), question)
        self._current = same
        place = self._questions.index(same) + 1 if same in self._questions else 1
        self._window.show_view(approval_view(same, place, len(self._questions), self._clock()))

    def _over(self, question: Question, outcome: str) -> None:
        self._questions = [one for one in self._questions if one.id != question.id]
        sentence = ended_sentence(question, outcome)
        if sentence and self._window.isVisible():
            self._answered.add(question.id)
            self._window.say_over(sentence)
            self._linger.start()
        else:
            self._next()

    def _turn(self, by: int) -> None:
        if self._current is None or len(self._questions) < 2:
            return
        ids = [one.id for one in self._questions]
        at = ids.index(self._current.id) if self._current.id in ids else 0
        self._show(self._questions[(at + by) % len(ids)])

    def _put_away(self) -> None:
        """Without an answer: the icon goes on asking, the window waits to be called."""
        if self._linger.isActive() or self._current is None:
            self._linger.stop()
            self._next()
            return
        self._away.add(self._current.id)
        self._next()

    def _start(self) -> None:
        self._window.hide()
        self.start.emit()

    def _send(self, answer: Answer) -> None:
        self._last = answer
        self._client.command(answer, partial(self._sent, answer))

    def _again(self) -> None:
        if self._last is not None:
            self._send(self._last)

    def _sent(self, answer: Answer, result: bytes | Problem) -> None:
        if isinstance(result, Problem):
            if not self._window.isVisible():
                self.review(answer.question)
            if self._current is not None and self._current.id == answer.question:
                self._window.say_failed(result.sentence)
            return
        self._answered.add(answer.question)
        self._questions = [one for one in self._questions if one.id != answer.question]
        if self._current is not None and self._current.id == answer.question:
            self._next()
