"""The popover: what it shows, what it says, how it folds."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QAbstractButton

from pointsman.tray import popover as module
from pointsman.tray import samples
from pointsman.tray.link import Link
from pointsman.tray.popover import Popover
from pointsman.tray.samples import AT, NOW
from pointsman.tray.view_model import popover_view
from pointsman.wire.admin import Answer, Resume, StopRequest, UnloadModel
from tests.tray.tree import check

LIVE = Link("live", AT)
GONE = Link("gone", AT - 180)


@pytest.fixture
def popover(theme, qtbot):
    """A popover on the screen."""
    window = Popover(theme)
    qtbot.addWidget(window)
    window.show_view(popover_view(samples.calm(), LIVE, NOW))
    window.show()
    qtbot.waitExposed(window)
    return window


def show(window, snapshot, link=LIVE):
    """Another state."""
    window.show_view(popover_view(snapshot, link, NOW))


def button(window, name):
    """The visible button of this name."""
    return next(
        one
        for one in window.findChildren(QAbstractButton)
        if one.isVisible() and name in {one.accessibleName(), one.text()}
    )


@pytest.mark.parametrize(
    ("name", "snapshot", "link"),
    [
        ("popover-calm", samples.calm(), LIVE),
        ("popover-busy", samples.busy(), LIVE),
        ("popover-stopped", samples.calm(), GONE),
        ("popover-empty", samples.empty(), LIVE),
        ("popover-loading", None, Link()),
    ],
)
def test_the_tree_that_a_screen_reader_meets(popover, name, snapshot, link):
    """Committed as text."""
    show(popover, snapshot, link)
    check(popover, name)


def test_every_button_has_a_name(popover):
    """Also those that show only an icon."""
    show(popover, samples.busy())
    for one in popover.findChildren(QAbstractButton):
        if one.isVisible():
            assert QAccessible.queryAccessibleInterface(one).text(QAccessible.Text.Name)


def test_stop_ends_that_request(popover, qtbot):
    """The one of its row."""
    show(popover, samples.busy())
    with qtbot.waitSignal(popover.command) as told:
        button(popover, "Stop Codex on qwen3-32b at lab").click()
    assert told.args == [StopRequest("r-Codex")]


def test_unload_ends_that_model(popover, qtbot):
    """By the button of its row."""
    with qtbot.waitSignal(popover.command) as told:
        button(popover, "Unload Qwen3 8B").click()
    assert told.args == [UnloadModel("Qwen3 8B")]


@pytest.mark.parametrize(("name", "verdict"), [("Deny", "deny"), ("Use local", "local")])
def test_a_card_answers_without_spending(popover, qtbot, name, verdict):
    """Deny and local at once."""
    show(popover, samples.busy())
    with qtbot.waitSignal(popover.command) as told:
        button(popover, name).click()
    assert told.args == [Answer("q1", verdict)]


def test_a_card_never_allows(popover, qtbot):
    """It only opens the window."""
    show(popover, samples.busy())
    with qtbot.waitSignal(popover.review) as told, qtbot.assertNotEmitted(popover.command):
        button(popover, "Review…").click()
    assert told.args == ["q1"]


def test_a_card_without_a_local_model_has_no_such_button(popover):
    """No way that leads nowhere."""
    show(popover, replace(samples.busy(), approvals=[replace(samples.question(), local_model=None)]))
    assert not any(one.isVisible() and one.text() == "Use local" for one in popover.findChildren(QAbstractButton))


def test_ctrl_p_resumes_what_is_paused(popover, qtbot):
    """And the button does the same."""
    show(popover, replace(samples.calm(), paused=True))
    with qtbot.waitSignal(popover.command) as told:
        qtbot.keyClick(popover, Qt.Key.Key_P, Qt.KeyboardModifier.ControlModifier)
    assert told.args == [Resume()]


def test_pause_all_asks_how_long(popover, qtbot):
    """A menu of four; the choice is the command."""
    button(popover, "Pause all").click()
    menu = popover.footer._menu
    qtbot.waitUntil(menu.isVisible)
    assert [action.text() for action in menu.actions()][-1] == "Until I resume"
    with qtbot.waitSignal(popover.command) as told:
        menu.actions()[0].trigger()
    assert told.args[0].until == AT + 1800
    menu.close()


def test_start_gateway_is_the_one_thing_to_do_when_it_is_stopped(popover, qtbot):
    """Return presses it: it spends nothing."""
    show(popover, samples.calm(), GONE)
    with qtbot.waitSignal(popover.start):
        qtbot.keyClick(popover.banner.button, Qt.Key.Key_Return)


def test_esc_closes(popover, qtbot):
    """The top thing."""
    qtbot.keyClick(popover, Qt.Key.Key_Escape)
    assert not popover.isVisible()


def test_the_click_that_took_the_focus_away_does_not_open_it_again(popover, qtbot):
    """Hidden by the blur a moment ago, a toggle does nothing; later it shows."""
    popover.hide()
    popover.toggle(QRect())
    assert not popover.isVisible()
    popover._hidden_at -= 1
    popover.toggle(QRect())
    assert popover.isVisible()


def test_it_opens_above_an_icon_at_the_bottom(popover):
    """And stays on the screen."""
    popover.open_at(QRect(700, 770, 22, 22))
    assert popover.frameGeometry().bottom() < 770
    assert popover.frameGeometry().right() < 800


def test_it_grows_away_from_its_icon(popover):
    """A question that comes makes it higher; the icon stays free."""
    popover.open_at(QRect(400, 770, 22, 22))
    before = popover.frameGeometry()
    show(popover, samples.busy())
    assert popover.height() > before.height()
    assert popover.frameGeometry().bottom() == before.bottom()


def test_tab_goes_in_reading_order(popover):
    """The card's buttons, the rows', then the footer's, although rows are made later."""
    show(popover, samples.busy())
    names, at = [], popover.cards.rows[0]._deny
    for _ in range(8):
        names.append(at.accessibleName() or at.text())
        at = at.nextInFocusChain()
        while not (at.isVisible() and at.focusPolicy() & Qt.FocusPolicy.TabFocus):
            at = at.nextInFocusChain()
    assert names[:6] == [
        "Deny",
        "Use local",
        "Review…",
        "Stop Claude Code on claude-sonnet-4-5",
        "Stop Codex on qwen3-32b at lab",
        "Stop Aider on Qwen3 8B",
    ]
    assert names[6:] == ["Unload Qwen3 8B", "Pause all"]


def test_a_failed_command_says_why_and_can_be_sent_again(popover, qtbot):
    """One bar, one link."""
    popover.say_failed("No such request.", StopRequest("r-1"))
    assert popover.error.isVisible()
    with qtbot.waitSignal(popover.command) as told:
        button(popover, "Try again").click()
    assert told.args == [StopRequest("r-1")]
    assert not popover.error.isVisible()


def test_a_row_keeps_its_widgets_over_a_new_snapshot(popover):
    """So that focus and hover survive each second."""
    show(popover, samples.busy())
    before = button(popover, "Stop Aider on Qwen3 8B")
    show(popover, replace(samples.busy(), at=AT + 1))
    assert button(popover, "Stop Aider on Qwen3 8B") is before


def test_it_is_never_higher_than_the_screen_allows(popover, monkeypatch):
    """Sections fold from the least needed up; money and questions stay."""
    show(popover, samples.busy())
    whole = popover.height()
    monkeypatch.setattr(module, "HIGHEST", 520)
    show(popover, samples.long_text())
    assert popover.height() == 520 < whole
    assert not popover.loaded.isVisible()
    assert popover.cards.rows[0].isVisible()
    assert popover.today.isVisible()


def test_nothing_is_cut_where_the_popover_shows_all(popover):
    """No scroll bar on a day like the mockup's."""
    show(popover, samples.busy())
    assert not popover._scroll.verticalScrollBar().isVisible()


def test_a_paused_agent_is_resumed_by_its_notice(popover, qtbot):
    """That agent alone."""
    show(popover, samples.one_paused())
    with qtbot.waitSignal(popover.command) as told:
        button(popover, "Resume Claude Code").click()
    assert told.args == [Resume("Claude Code")]


def test_what_was_added_to_a_cap_has_room(popover):
    """Where the line is full, what is left goes below it; no figure is ever cut."""
    for snapshot in (samples.raised(), samples.busy(), samples.calm()):
        show(popover, snapshot)
        assert popover._scroll.inner.minimumSizeHint().width() <= popover.width()
        assert popover.today._left.width() >= popover.today._left.sizeHint().width()


def test_the_note_on_savings_folds_into_a_tool_tip(popover, monkeypatch):
    """Where the screen is low."""
    assert popover.where.note.isVisible()
    monkeypatch.setattr(module, "HIGHEST", 300)
    show(popover, samples.busy())
    assert not popover.where.note.isVisible()
    assert popover.where._bar.toolTip().startswith("Cloud only is simpler")
