"""A notification on a real session bus, with a real daemon that shows it and a person who answers it."""

from __future__ import annotations

import pytest

from pointsman.tray.notification import Notification
from pointsman.tray.notifier import BusNotifier
from tests.tray.desktop import Desktop

SOON = 20_000
ASKS = Notification(
    "q1",
    "Claude Code asks",
    "It wants <b>bold</b> & more.",
    (("default", "Review"), ("review", "Review"), ("deny", "Deny"), ("allow", "Allow once")),
)
OTHER = Notification("q2", "Codex asks", "Another one.", ASKS.actions)


@pytest.fixture
def desktop(tmp_path):
    """With a daemon."""
    with Desktop(tmp_path) as one:
        yield one


@pytest.fixture
def notifier(desktop, qtbot):
    """On that desktop, awake at once."""
    made = BusNotifier(desktop.bus, dead_ms=0)
    yield made
    made.close()


def show(notifier, desktop, qtbot, what=ASKS, count=1):
    """Until the daemon has shown it."""
    notifier.show(what)
    qtbot.waitUntil(lambda: len(desktop.told) == count and bool(notifier._id), timeout=SOON)


def test_it_is_shown_with_its_text_as_it_is(notifier, desktop, qtbot):
    """What looks like markup is text."""
    show(notifier, desktop, qtbot)
    assert desktop.shown == 1
    assert desktop.told == ["Claude Code asks | It wants <b>bold</b> & more."]


def test_a_click_on_it_opens_the_window(notifier, desktop, qtbot):
    """Its default action."""
    show(notifier, desktop, qtbot)
    with qtbot.waitSignal(notifier.acted, timeout=SOON) as told:
        desktop.ctl("action", "0")
    assert told.args == ["q1", "default"]


@pytest.mark.parametrize(("label", "act"), [("Deny", "deny"), ("Allow once", "allow")])
def test_each_action_says_its_key(notifier, desktop, qtbot, label, act):
    """Taken from the daemon's own menu."""
    desktop.choose(label)
    show(notifier, desktop, qtbot)
    with qtbot.waitSignal(notifier.acted, timeout=SOON) as told:
        desktop.ctl("context")
    assert told.args == ["q1", act]


def test_another_question_takes_the_place_of_the_first(notifier, desktop, qtbot):
    """They do not stack."""
    show(notifier, desktop, qtbot)
    show(notifier, desktop, qtbot, OTHER, count=2)
    assert desktop.shown == 1
    with qtbot.waitSignal(notifier.acted, timeout=SOON) as told:
        desktop.ctl("action", "0")
    assert told.args == ["q2", "default"]


def test_the_same_question_is_not_shown_again(notifier, desktop, qtbot):
    """Each second brings the same one."""
    show(notifier, desktop, qtbot)
    notifier.show(ASKS)
    notifier.show(OTHER)
    qtbot.waitUntil(lambda: len(desktop.told) == 2, timeout=SOON)
    assert desktop.told[1].startswith("Codex asks")


def test_it_goes_when_the_question_does(notifier, desktop, qtbot):
    """Also one that is on its way."""
    show(notifier, desktop, qtbot)
    notifier.hide()
    qtbot.waitUntil(lambda: desktop.shown == 0, timeout=SOON)
    notifier.show(OTHER)
    notifier.hide()
    qtbot.waitUntil(lambda: not notifier._busy and desktop.shown == 0, timeout=SOON)


def test_one_that_is_put_away_says_so(notifier, desktop, qtbot):
    """It was seen; what we take back ourselves says nothing."""
    show(notifier, desktop, qtbot)
    with qtbot.waitSignal(notifier.dismissed, timeout=SOON) as told:
        desktop.ctl("close-all")
    assert told.args == ["q1"]


def test_an_action_right_after_a_change_only_opens_the_window(desktop, qtbot):
    """The click was meant for what stood there before."""
    notifier = BusNotifier(desktop.bus, dead_ms=60_000)
    show(notifier, desktop, qtbot)
    with qtbot.waitSignal(notifier.acted, timeout=SOON) as told:
        desktop.ctl("context")
    assert told.args == ["q1", "review"]
    notifier.close()


def test_only_the_daemon_speaks_for_the_person(notifier, desktop, qtbot):
    """A signal that another program sends is not heard."""
    show(notifier, desktop, qtbot)
    heard = []
    notifier.acted.connect(lambda *told: heard.append(told))
    desktop.send_action(notifier._id, "allow")
    desktop.send_action(notifier._id, "allow", to=notifier._bus.name)
    with qtbot.waitSignal(notifier.acted, timeout=SOON):
        desktop.ctl("action", "0")
    assert heard == [("q1", "default")]


def test_closing_takes_it_back(desktop, qtbot):
    """The tray that quits leaves nothing behind."""
    notifier = BusNotifier(desktop.bus, dead_ms=0)
    show(notifier, desktop, qtbot)
    notifier.close()
    qtbot.waitUntil(lambda: desktop.shown == 0, timeout=SOON)


@pytest.mark.parametrize("address", ["", "unix:path=/nonexistent/bus", "tcp:host=localhost", "nonsense"])
def test_without_a_bus_nothing_happens(qtbot, address):
    """Shown, replaced, taken back: no error."""
    notifier = BusNotifier(address, dead_ms=0)
    notifier.show(ASKS)
    qtbot.waitUntil(lambda: notifier._bus is None, timeout=SOON)
    notifier.show(OTHER)
    notifier.hide()
    notifier.close()


def test_without_a_daemon_nothing_happens(tmp_path, qtbot):
    """A bus is there; nobody shows anything."""
    with Desktop(tmp_path, daemon=False) as bare:
        notifier = BusNotifier(bare.bus, dead_ms=0)
        notifier.show(ASKS)
        qtbot.waitUntil(lambda: notifier._bus is None, timeout=SOON)
        notifier.close()


def test_a_bus_that_dies_is_let_go(tmp_path, qtbot):
    """The next question looks for it anew."""
    with Desktop(tmp_path) as desktop:
        notifier = BusNotifier(desktop.bus, dead_ms=0)
        show(notifier, desktop, qtbot)
    qtbot.waitUntil(lambda: notifier._bus is None, timeout=SOON)
    notifier.show(OTHER)
    notifier.close()


def test_a_daemon_that_was_started_anew_is_heard(notifier, desktop, qtbot):
    """It has another name on the bus."""
    show(notifier, desktop, qtbot)
    desktop.restart_daemon()
    show(notifier, desktop, qtbot, OTHER, count=2)
    with qtbot.waitSignal(notifier.acted, timeout=SOON) as told:
        desktop.ctl("action", "0")
    assert told.args == ["q2", "default"]
