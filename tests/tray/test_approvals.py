"""The queue behind the approval window."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt

from pointsman.core.events import ApprovalEnded
from pointsman.tray import samples
from pointsman.tray.approval_window import ApprovalWindow
from pointsman.tray.approvals import Approvals
from pointsman.tray.client import LOST
from pointsman.tray.samples import AT, NOW
from pointsman.wire.admin import Answer

FIRST = replace(samples.question(number=1), asked=AT - 30)
SECOND = replace(samples.question("Codex", 2), asked=AT - 20)


class Client:
    """Records answers; gives what it is told to give."""

    def __init__(self):
        self.sent = []
        self.result = b"{}"

    def command(self, command, answer):
        """Answers at once."""
        self.sent.append(command)
        answer(self.result)


@pytest.fixture
def client():
    """A client that succeeds."""
    return Client()


@pytest.fixture
def window(theme, qtbot):
    """A window that is awake at once."""
    made = ApprovalWindow(theme, dead_ms=0)
    qtbot.addWidget(made)
    return made


@pytest.fixture
def approvals(window, client):
    """The queue at a fixed time."""
    return Approvals(window, client, lambda: NOW)


def test_a_question_opens_the_window(approvals, window):
    """The oldest first, as the one that runs out first."""
    approvals.take([SECOND, FIRST])
    assert window.isVisible()
    assert window.question == "q1"


def test_a_later_question_does_not_push_the_shown_one_away(approvals, window):
    """It only makes the queue longer."""
    approvals.take([SECOND])
    approvals.take([SECOND, FIRST])
    assert window.question == "q2"
    assert window.head._place.text() == "2 of 2"


def test_an_answer_leads_to_the_next_question(approvals, window, client, qtbot):
    """And the last one closes the window."""
    approvals.take([FIRST, SECOND])
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert (client.sent, window.question) == ([Answer("q1", "deny")], "q2")
    qtbot.keyClick(window, Qt.Key.Key_L)
    assert client.sent[-1] == Answer("q2", "local")
    assert not window.isVisible()


def test_an_answered_question_does_not_come_back(approvals, window, qtbot):
    """A snapshot that was under way may still hold it."""
    approvals.take([FIRST])
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    approvals.take([FIRST])
    assert not window.isVisible()


def test_an_answer_that_does_not_arrive_stays_and_can_be_sent_again(approvals, window, client, qtbot):
    """The same answer."""
    client.result = LOST
    approvals.take([FIRST])
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert window.error.isVisible()
    client.result = b"{}"
    window.error.again.emit()
    assert client.sent == [Answer("q1", "deny"), Answer("q1", "deny")]
    assert not window.isVisible()


def test_the_queue_turns_both_ways(approvals, window, qtbot):
    """Round and round."""
    approvals.take([FIRST, SECOND])
    qtbot.keyClick(window, Qt.Key.Key_Right, Qt.KeyboardModifier.ControlModifier)
    assert window.question == "q2"
    qtbot.keyClick(window, Qt.Key.Key_Right, Qt.KeyboardModifier.ControlModifier)
    assert window.question == "q1"


def test_what_was_put_away_waits_to_be_called(approvals, window, qtbot):
    """A new snapshot does not bring it up again; the person does."""
    approvals.take([FIRST])
    qtbot.keyClick(window, Qt.Key.Key_M, Qt.KeyboardModifier.ControlModifier)
    approvals.take([FIRST])
    assert not window.isVisible()
    approvals.review("q1")
    assert window.isVisible()


def test_review_opens_that_question(approvals, window):
    """Or the oldest, where none is named; nothing where it is gone."""
    approvals.take([FIRST, SECOND])
    approvals.review("q2")
    assert window.question == "q2"
    approvals.review()
    assert window.question == "q1"
    approvals.review("q9")
    assert window.question == "q1"


@pytest.mark.parametrize(
    ("outcome", "begins"),
    [("expired", "Denied: nobody answered"), ("withdrawn", "Held money came back; it ran without asking.")],
)
def test_a_question_that_ended_says_how_and_then_makes_room(approvals, window, outcome, begins):
    """For a few seconds."""
    approvals.take([FIRST, SECOND])
    approvals.happened(ApprovalEnded(question="q1", agent="Claude Code", outcome=outcome))
    approvals.take([SECOND])
    assert window.clock.accessibleName().startswith(begins)
    approvals._linger.timeout.emit()
    assert (window.question, window.isVisible()) == ("q2", True)


def test_close_ends_the_waiting(approvals, window, qtbot):
    """Nobody has to look at an ended question."""
    approvals.take([FIRST])
    approvals.happened(ApprovalEnded(question="q1", agent="Claude Code", outcome="withdrawn"))
    approvals.take([])
    window.done.click()
    assert not window.isVisible()


def test_a_question_that_was_answered_elsewhere_just_goes(approvals, window):
    """The command line can answer too."""
    approvals.take([FIRST])
    approvals.happened(ApprovalEnded(question="q1", agent="Claude Code", outcome="approved"))
    approvals.take([])
    assert not window.isVisible()


def test_the_clock_runs_out_without_a_snapshot(window, client):
    """The window knows when a question ends."""
    now = [NOW]
    approvals = Approvals(window, client, lambda: now[0])
    approvals.take([FIRST])
    now[0] = NOW.fromtimestamp(FIRST.expires, NOW.tzinfo)
    approvals.tick()
    assert window.clock.accessibleName().startswith("Denied: nobody answered")


def test_a_tick_moves_the_countdown(window, client):
    """A second at a time."""
    now = [NOW]
    approvals = Approvals(window, client, lambda: now[0])
    approvals.take([FIRST])
    now[0] = NOW.fromtimestamp(AT + 1, NOW.tzinfo)
    approvals.tick()
    assert window.clock.accessibleName() == "Denies itself in 0:37."


def test_a_gone_gateway_takes_its_questions_along(approvals, window, qtbot):
    """One sentence, one button."""
    approvals.take([FIRST])
    approvals.gone()
    assert window.clock.accessibleName().startswith("The gateway stopped, so this question is gone.")
    with qtbot.waitSignal(approvals.start):
        window.begin.click()
    assert not window.isVisible()


def test_after_a_restart_a_new_question_shows(approvals, window):
    """Nothing of the old one is left."""
    approvals.take([FIRST])
    approvals.gone()
    approvals.take([SECOND])
    assert (window.question, window.choices.isVisible()) == ("q2", True)
