"""Which question a notification tells of, what it says, and what its actions do."""

from __future__ import annotations

import pytest
import shiboken6
from msgspec.structs import replace
from PySide6.QtCore import QObject, Qt, Signal

from pointsman.core.events import ApprovalEnded
from pointsman.tray import samples
from pointsman.tray.approval_window import ApprovalWindow
from pointsman.tray.approvals import Approvals
from pointsman.tray.balloon import BalloonNotifier
from pointsman.tray.client import LOST
from pointsman.tray.notices import Notices
from pointsman.tray.notification import notification
from pointsman.tray.samples import AT, NOW
from pointsman.tray.settings import Settings
from pointsman.tray.status_item import StatusItem
from pointsman.wire.admin import Answer
from tests.tray.test_approvals import Client

FIRST = replace(samples.question(number=1), asked=AT - 30)
SECOND = replace(samples.consent(), asked=AT - 20)
ALLOW = Settings(allow=True)


class Desk(QObject):
    """A notifier that remembers what it shows."""

    acted = Signal(str, str)
    dismissed = Signal(str)

    def __init__(self):
        super().__init__()
        self.shown = None

    def show(self, wanted):
        """This one."""
        self.shown = wanted

    def hide(self):
        """None."""
        self.shown = None

    def close(self):
        """Nothing is held."""


class Scene:
    """The queue, its window and the desktop beside it, at a fixed time."""

    def __init__(self, theme, qtbot):
        self.qtbot, self.client, self.desk = qtbot, Client(), Desk()
        self.window = ApprovalWindow(theme, dead_ms=0)
        qtbot.addWidget(self.window)
        self.approvals = Approvals(self.window, self.client, lambda: NOW)
        self.notices = Notices(self.approvals, self.desk, Settings(), look_ms=0)

    def ask(self, *questions):
        """The window opens and is on the screen."""
        with self.qtbot.waitExposed(self.window):
            self.approvals.take(list(questions))
        self.look()

    def look(self):
        """What the tray does each second, until it looked twice."""
        self.notices.tell()
        self.qtbot.waitUntil(lambda: not self.notices._look.isActive())

    def put_away(self, *questions):
        """The person minimises every question."""
        self.ask(*questions)
        for _ in questions:
            self.qtbot.keyClick(self.window, Qt.Key.Key_M, Qt.KeyboardModifier.ControlModifier)
        self.look()


@pytest.fixture
def scene(theme, qtbot):
    """With the settings that nobody changed."""
    return Scene(theme, qtbot)


def test_a_window_that_is_seen_needs_no_notification(scene):
    """One of both."""
    scene.ask(FIRST)
    assert scene.desk.shown is None


def test_a_question_that_was_put_away_is_told(scene):
    """The oldest; reviewing it takes the notification back."""
    scene.put_away(FIRST, SECOND)
    assert scene.desk.shown.question == "q1"
    with scene.qtbot.waitExposed(scene.window):
        scene.approvals.review("q1")
    scene.look()
    assert scene.desk.shown is None


def test_a_question_answered_elsewhere_is_told_no_more(scene):
    """The next one takes its place."""
    scene.put_away(FIRST, SECOND)
    scene.approvals.happened(ApprovalEnded(question="q1", agent="Claude Code", outcome="approved"))
    scene.approvals.take([SECOND])
    scene.look()
    assert scene.desk.shown.question == "q2"
    scene.approvals.take([])
    scene.look()
    assert scene.desk.shown is None


def test_a_dismissed_one_is_not_told_again(scene):
    """Another question is."""
    scene.put_away(FIRST, SECOND)
    scene.desk.dismissed.emit("q1")
    scene.look()
    assert scene.desk.shown.question == "q2"


def test_deny_denies_through_the_admin_door(scene):
    """Without the window."""
    scene.put_away(FIRST)
    scene.desk.acted.emit("q1", "deny")
    assert (scene.client.sent, scene.window.isVisible()) == ([Answer("q1", "deny")], False)


@pytest.mark.parametrize("act", ["review", "default", "allow", "nonsense"])
def test_everything_else_opens_the_window(scene, act):
    """Also to allow, while the person has not turned that on."""
    scene.put_away(FIRST)
    scene.desk.acted.emit("q1", act)
    assert (scene.client.sent, scene.window.isVisible(), scene.window.question) == ([], True, "q1")


def test_money_may_be_allowed_once_where_the_person_wants_it(scene):
    """By that request alone."""
    scene.notices.take(ALLOW)
    scene.put_away(FIRST)
    scene.desk.acted.emit("q1", "allow")
    assert scene.client.sent == [Answer("q1", "approve", "request")]


def test_consent_is_never_allowed_from_a_notification(scene):
    """Whatever the setting, and whatever the desktop sends."""
    scene.notices.take(ALLOW)
    scene.put_away(SECOND)
    scene.desk.acted.emit("q2", "allow")
    assert (scene.client.sent, scene.window.question) == ([], "q2")


def test_an_action_of_a_question_that_is_not_told_does_nothing(scene):
    """It came too late."""
    scene.put_away(FIRST)
    scene.desk.acted.emit("q7", "deny")
    assert (scene.client.sent, scene.window.isVisible()) == ([], False)


def test_an_answer_that_does_not_arrive_opens_the_window(scene):
    """With the sentence why."""
    scene.put_away(FIRST)
    scene.client.result = LOST
    scene.desk.acted.emit("q1", "deny")
    assert (scene.window.isVisible(), scene.window.error.isVisible()) == (True, True)


def test_who_wants_no_notifications_gets_none(scene):
    """Switched off while one is there."""
    scene.put_away(FIRST)
    scene.notices.take(Settings(notify=False))
    assert scene.desk.shown is None


@pytest.mark.parametrize(
    ("question", "labels"),
    [
        (samples.question(), ["Review", "Deny", "Allow once"]),
        (samples.soft(), ["Review", "Deny", "Allow once"]),
        (samples.consent(), ["Review", "Deny"]),
        (samples.price(), ["Review", "Deny"]),
        (samples.runaway(), ["Review", "Keep it paused"]),
    ],
)
def test_only_money_offers_to_allow(question, labels):
    """And only where the person wants it."""
    assert [label for key, label in notification(question, ALLOW).actions if key != "default"] == labels
    assert "Allow once" not in str(notification(question, Settings()))


def test_it_says_the_sentence_and_nothing_of_the_prompt():
    """Title and body; not the folder either, nor what was found."""
    told = notification(samples.consent(), Settings())
    assert (told.title, told.body) == ("Codex asks", "Codex wants to send private data to gpt-5.1 at OpenAI.")


def test_a_balloon_is_shown_once_and_its_click_reviews(theme, qtbot, monkeypatch):
    """Where a desktop has no buttons in them."""
    status = StatusItem(theme)
    shown = []
    monkeypatch.setattr(status, "balloon", lambda *words: shown.append(words))
    notifier = BalloonNotifier(status)
    told = notification(samples.question(), Settings())
    notifier.show(told)
    notifier.show(told)
    assert shown == [("Claude Code asks", "Claude Code wants claude-opus-4-5: about $0.42, at most $1.10.")]
    with qtbot.waitSignal(notifier.acted) as heard:
        status.balloon_clicked.emit()
    assert heard.args == ["q1", "default"]
    notifier.close()
    with qtbot.assertNotEmitted(notifier.acted):
        status.balloon_clicked.emit()


def test_a_look_that_is_due_when_the_program_ends_reaches_for_nothing(scene):
    """Qt takes the notifier away while the timer still runs."""
    scene.put_away(FIRST)
    scene.notices.take(Settings(notify=False))
    scene.notices.take(Settings())
    assert scene.notices._look.isActive()
    shiboken6.delete(scene.desk)
    scene.qtbot.waitUntil(lambda: not scene.notices._look.isActive())
    assert scene.desk.shown is None
