"""The tray put together, against a real admin door."""

from __future__ import annotations

import sys

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication

from pointsman.tray import app as module
from pointsman.tray import first, samples, settings
from pointsman.tray.app import Tray
from pointsman.tray.gateway_process import GatewayProcess
from pointsman.tray.theme import Theme
from pointsman.wire.admin import Answer, Problem, Resume, StopGateway
from tests.tray.desktop import Desktop
from tests.tray.test_popover import button

SERVER = [sys.executable, "-m", "tests.tray.admin_server"]


@pytest.fixture
def tray(theme, home, qtbot):
    """A tray over the home, its gateway the test's own server."""
    made = Tray(home, GatewayProcess(home, [*SERVER, str(home.runtime)]), theme, dead_ms=0)
    yield made
    made.close()


def acts(tray):
    """What the menu offers."""
    return [item.act for item in tray.status._view.items if item.act]


def test_a_running_gateway_is_followed(admin, tray, qtbot):
    """Icon, tip and popover show its snapshot."""
    tray.run()
    qtbot.waitUntil(lambda: tray.link.state == "live")
    tray.show()
    assert tray.popover.windowTitle() == "Pointsman, running"
    assert tray.status._view.tip.startswith("Pointsman: $3.84 of $10.00 today")


def test_a_hidden_popover_is_not_drawn(admin, tray, qtbot):
    """Only when it shows."""
    tray.run()
    qtbot.waitUntil(lambda: tray.link.state == "live")
    assert tray.popover._view is None


def test_a_question_is_answered_through_the_window(admin, tray, qtbot):
    """From snapshot to command."""
    admin.snapshot = samples.busy()
    tray.run()
    qtbot.waitUntil(tray.window.isVisible)
    qtbot.keyClick(tray.window, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: admin.commands == [Answer("q1", "approve", "request")])


def test_a_failed_command_is_said_in_the_popover(admin, tray, qtbot):
    """With the gateway's sentence."""
    admin.problem = Problem("bad", "Nothing is paused.")
    tray.run()
    qtbot.waitUntil(lambda: tray.link.state == "live")
    tray.show()
    tray._chosen("resume", None)
    qtbot.waitUntil(tray.popover.error.isVisible)
    assert tray.popover.error.accessibleName() == "Nothing is paused."


def test_the_menu_resumes_copies_and_shows(admin, tray, qtbot):
    """Each line does what it says."""
    tray.run()
    qtbot.waitUntil(lambda: tray.link.state == "live")
    tray._chosen("copy", None)
    assert QGuiApplication.clipboard().text() == "http://127.0.0.1:4477/v1"
    tray._chosen("resume", None)
    qtbot.waitUntil(lambda: admin.commands == [Resume()])
    tray._chosen("show", None)
    assert tray.popover.isVisible()


def test_stopping_the_gateway_is_asked_first(admin, tray, qtbot):
    """Keep running is the default; stop sends the command."""
    tray.run()
    qtbot.waitUntil(lambda: tray.link.state == "live")
    admin.problem = Problem("busy", "Not now.")  # keeps the test's application alive
    tray._chosen("stop", None)
    box = tray._box
    assert box.defaultButton().text() == "Keep running"
    next(one for one in box.buttons() if one.text() == "Stop gateway").click()
    qtbot.waitUntil(lambda: admin.commands == [StopGateway()])
    qtbot.waitUntil(tray.popover.error.isVisible)


@pytest.mark.parametrize(
    ("running", "begins"),
    [(0, "Agents get"), (1, "1 request is running. It ends now"), (3, "3 requests are running. They end")],
)
def test_the_stop_question_counts_what_would_end(running, begins):
    """In whole sentences."""
    assert module._stop_text(running).startswith(begins)


def test_a_killed_gateway_shows_and_its_button_brings_it_back(tray, qtbot):
    """Started by the tray, killed, gone within three seconds, started again by its button."""
    tray.run()
    qtbot.waitUntil(lambda: tray.link.state == "live", timeout=20_000)
    tray.show()
    process = tray.gateway._process
    process.kill()
    qtbot.waitUntil(lambda: tray.link.state == "gone", timeout=3000)
    assert tray.popover.banner.isVisible()
    button(tray.popover, "Start gateway").click()
    assert tray.link.starting
    qtbot.waitUntil(lambda: tray.link.state == "live", timeout=20_000)
    assert not tray.popover.banner.isVisible()
    tray.gateway._process.kill()
    tray.gateway._process.wait()


def test_closing_the_tray_leaves_the_gateway(theme, home, qtbot):
    """The process that it started goes on."""
    gateway = GatewayProcess(home, [*SERVER, str(home.runtime)])
    tray = Tray(home, gateway, theme, dead_ms=0)
    tray.run()
    qtbot.waitUntil(lambda: tray.link.state == "live", timeout=20_000)
    tray.close()
    assert gateway._process.poll() is None
    gateway._process.kill()
    gateway._process.wait()


def test_a_start_that_fails_says_the_programs_own_sentence(theme, home, qtbot):
    """Its last line, and the button to try again."""
    sentence = "Port 4477 is taken: end the program that has it."
    gateway = GatewayProcess(home, [sys.executable, "-c", f"import sys; sys.exit({sentence!r})"])
    tray = Tray(home, gateway, theme)
    tray.run()
    qtbot.waitUntil(lambda: tray.link.state == "gone", timeout=20_000)
    tray.show()
    assert tray.link.problem == f"It did not start: {sentence}"
    assert button(tray.popover, "Start gateway").isEnabled()
    tray.close()


def test_a_program_that_is_not_there_is_a_sentence(home):
    """No traceback."""
    assert GatewayProcess(home, ["/nonexistent/pointsman"]).start() == (
        "The gateway could not be started (No such file or directory)."
    )


def test_other_colours_make_the_windows_anew(admin, tray, theme, qtbot):
    """What was open stays open."""
    admin.snapshot = samples.busy()
    tray.run()
    qtbot.waitUntil(tray.window.isVisible)
    tray.show()
    old = tray.popover
    tray.take_theme(Theme("dark", theme.base))
    assert tray.popover is not old
    assert tray.popover.isVisible()
    assert tray.window.question == "q1"


def test_a_second_launch_shows_the_first(home, qtbot):
    """Over a socket of the person's own."""
    called = []
    name = first.door_name(home)
    assert not first.call_first(name)
    server = first.listen(name, lambda: called.append(True), QGuiApplication.instance())
    assert first.call_first(name)
    qtbot.waitUntil(lambda: called == [True])
    server.close()


def test_what_a_dead_tray_left_behind_is_no_obstacle(home, qtbot):
    """A crash leaves its socket file."""
    name = first.door_name(home)
    one = first.listen(name, lambda: None, QGuiApplication.instance())
    two = first.listen(name, lambda: None, QGuiApplication.instance())
    assert two.isListening()
    one.close()
    two.close()


def switch(tray, name):
    """Turn a setting as the menu does."""
    found = next(item.switches for item in tray.status._view.items if item.switches)
    tray._chosen("switch", next(one for one in found if one.name == name))


def test_a_switch_in_the_menu_is_kept(admin, tray, home, qtbot):
    """On the disk, in the menu, and for the notifications."""
    tray.run()
    qtbot.waitUntil(lambda: tray.link.state == "live")
    switch(tray, "allow")
    assert tray.notices.settings.allow
    assert settings.read(home).allow
    switch(tray, "allow")
    assert not settings.read(home).allow


def test_a_setting_that_cannot_be_kept_is_said(admin, tray, home, qtbot):
    """And stays as it was."""
    tray.run()
    qtbot.waitUntil(lambda: tray.link.state == "live")
    settings.file(home).mkdir()
    switch(tray, "allow")
    assert tray.popover.error.accessibleName().startswith("The setting could not be kept")
    assert not tray.settings.allow


def test_a_question_that_was_put_away_is_told_by_the_desktop(admin, theme, home, qtbot, tmp_path):
    """And denied there; a real daemon shows it."""
    with Desktop(tmp_path) as desktop:
        admin.snapshot = samples.busy()
        made = Tray(home, GatewayProcess(home, [*SERVER, str(home.runtime)]), theme, dead_ms=0, bus=desktop.bus)
        made.run()
        qtbot.waitUntil(made.window.isVisible)
        qtbot.keyClick(made.window, Qt.Key.Key_M, Qt.KeyboardModifier.ControlModifier)
        qtbot.waitUntil(lambda: desktop.told == ["Claude Code asks | " + ASKED], timeout=20_000)
        qtbot.waitUntil(lambda: bool(made.notifier._id), timeout=20_000)
        desktop.ctl("context")
        qtbot.waitUntil(lambda: admin.commands == [Answer("q1", "deny")], timeout=20_000)
        made.close()


ASKED = "Claude Code wants claude-opus-4-5: about $0.42, at most $1.10."


def test_after_other_colours_an_action_answers_once(admin, tray, theme, qtbot):
    """The windows that are gone hear nothing any more."""
    admin.snapshot = samples.busy()
    tray.run()
    qtbot.waitUntil(tray.window.isVisible)
    old = tray.notices
    with qtbot.waitSignal(old.destroyed):
        tray.take_theme(theme)
    tray.window.put_away.emit()
    qtbot.waitUntil(lambda: tray.notices._told is not None)
    tray.notifier.acted.emit("q1", "deny")
    qtbot.waitUntil(lambda: not tray.approvals._questions)
    assert admin.commands == [Answer("q1", "deny")]
