"""The approval window: keys, clicks, amounts and its states."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QAccessible, QCloseEvent
from PySide6.QtWidgets import QAbstractButton

from pointsman.tray import samples
from pointsman.tray.approval_window import ApprovalWindow
from pointsman.tray.question_view import approval_view, ended_sentence, gone_sentence
from pointsman.tray.samples import AT, NOW, dollars
from pointsman.wire.admin import Answer
from tests.tray.tree import check

CTRL = Qt.KeyboardModifier.ControlModifier


def make(theme, qtbot, dead_ms=0):
    """A window that shows the question about money."""
    window = ApprovalWindow(theme, dead_ms)
    qtbot.addWidget(window)
    ask(window)
    window.appear()
    qtbot.waitExposed(window)
    return window


def ask(window, question=None, of=1):
    """Show a question."""
    window.show_view(approval_view(samples.question() if question is None else question, 1, of, NOW))


@pytest.fixture
def window(theme, qtbot):
    """A window that is awake at once."""
    return make(theme, qtbot)


@pytest.mark.parametrize(
    ("name", "question"),
    [
        ("approval-money", samples.question()),
        ("approval-consent", samples.consent()),
        ("approval-price", samples.price()),
        ("approval-soft", samples.soft()),
        ("approval-shortened", samples.shortened()),
        ("approval-runaway", samples.runaway()),
    ],
)
def test_the_tree_that_a_screen_reader_meets(window, name, question):
    """Committed as text."""
    ask(window, question, of=3)
    check(window, name)


def test_every_button_has_a_name(window):
    """Also the arrows of the queue."""
    ask(window, of=3)
    for one in window.findChildren(QAbstractButton):
        if one.isVisible():
            assert QAccessible.queryAccessibleInterface(one).text(QAccessible.Text.Name)


def test_it_never_takes_the_focus(window):
    """Keys that are meant for another window stay there."""
    assert window.testAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
    assert window.windowFlags() & Qt.WindowType.WindowStaysOnTopHint


def test_it_opens_beside_what_it_would_hide(window):
    """At the top right, or left of the popover that is there."""
    right = window.x()
    popover = QRect(420, 10, 340, 600)
    window.appear(popover)
    assert window.x() < right
    window.appear(QRect(420, 700, 340, 60))
    assert window.x() == right


def test_esc_denies(window, qtbot):
    """From anywhere in the window."""
    with qtbot.waitSignal(window.answered) as told:
        qtbot.keyClick(window.choices.rows[1], Qt.Key.Key_Escape)
    assert told.args == [Answer("q1", "deny")]


def test_l_answers_on_this_machine(window, qtbot):
    """Free, so no modifier."""
    with qtbot.waitSignal(window.answered) as told:
        qtbot.keyClick(window, Qt.Key.Key_L)
    assert told.args == [Answer("q1", "local")]


def test_l_does_nothing_without_a_local_model(window, qtbot):
    """And its button is not there."""
    ask(window, replace(samples.question(number=2), local_model=None))
    assert not window.local.isVisible()
    with qtbot.assertNotEmitted(window.answered):
        qtbot.keyClick(window, Qt.Key.Key_L)


@pytest.mark.parametrize("start", ["window", "choice", "allow"])
def test_ctrl_return_allows_what_is_chosen(window, qtbot, start):
    """The default, from wherever the focus is."""
    where = {"window": window, "choice": window.choices.rows[0], "allow": window.allow}[start]
    with qtbot.waitSignal(window.answered) as told:
        qtbot.keyClick(where, Qt.Key.Key_Return, CTRL)
    assert told.args == [Answer("q1", "approve", "request")]


@pytest.mark.parametrize("start", ["window", "choice", "allow", "amount"])
def test_return_alone_never_allows(window, qtbot, start):
    """Not in the window, on a choice, on the button, in a field."""
    where = {
        "window": window,
        "choice": window.choices.rows[0],
        "allow": window.allow,
        "amount": window.choices.rows[1].amount_edit,
    }[start]
    with qtbot.assertNotEmitted(window.answered):
        qtbot.keyClick(where, Qt.Key.Key_Return)
        qtbot.keyClick(where, Qt.Key.Key_Enter)


def test_return_on_deny_denies(window, qtbot):
    """It is the safe answer."""
    with qtbot.waitSignal(window.answered) as told:
        qtbot.keyClick(window.deny, Qt.Key.Key_Return)
    assert told.args == [Answer("q1", "deny")]


def test_digits_choose_and_the_button_follows(window, qtbot):
    """It names the act."""
    names = []
    for key in (Qt.Key.Key_1, Qt.Key.Key_2, Qt.Key.Key_3):
        qtbot.keyClick(window, key)
        names.append(window.allow.text())
    assert names == ["Allow once", "Allow this session", "Raise and allow"]


def test_return_on_a_choice_chooses_it(window, qtbot):
    """And no more."""
    qtbot.keyClick(window.choices.rows[2], Qt.Key.Key_Return)
    assert window.choices.chosen() is window.choices.rows[2]


def test_an_amount_is_edited_where_it_stands(window, qtbot):
    """Typing chooses its row; what is sent is what stands there."""
    field = window.choices.rows[2].amount_edit
    field.selectAll()
    qtbot.keyClicks(field, "15")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert field.text() == "$15.00"
    with qtbot.waitSignal(window.answered) as told:
        qtbot.keyClick(window, Qt.Key.Key_Return, CTRL)
    assert told.args == [Answer("q1", "approve", "cap", dollars(5))]


def test_esc_in_an_amount_puts_back_what_stood_there(window, qtbot):
    """It leaves the field and denies nothing."""
    field = window.choices.rows[1].amount_edit
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field, "77")
    with qtbot.assertNotEmitted(window.answered):
        qtbot.keyClick(field, Qt.Key.Key_Escape)
    assert field.text() == "$5.00"


@pytest.mark.parametrize("text", ["nine", "0.10"])
def test_a_wrong_amount_cannot_be_sent(window, qtbot, text):
    """Its sentence stands below it and the button sleeps."""
    field = window.choices.rows[1].amount_edit
    field.setText(text)
    assert not window.allow.isEnabled()
    assert window.choices.rows[1]._problem.isVisible()
    with qtbot.assertNotEmitted(window.answered):
        qtbot.keyClick(window, Qt.Key.Key_Return, CTRL)


def test_typed_amounts_survive_the_ticking_clock(window):
    """The same question a second later."""
    window.choices.rows[1].amount_edit.setText("$7.50")
    ask(window, replace(samples.question(), waits_until=AT + 20))
    assert window.choices.rows[1].amount_edit.text() == "$7.50"


def test_nothing_answers_in_the_dead_time(theme, qtbot):
    """Neither a key nor a click that was meant for another window."""
    window = make(theme, qtbot, dead_ms=60_000)
    with qtbot.assertNotEmitted(window.answered):
        qtbot.keyClick(window, Qt.Key.Key_Escape)
        qtbot.keyClick(window, Qt.Key.Key_L)
        qtbot.keyClick(window, Qt.Key.Key_Return, CTRL)
        qtbot.keyClick(window.deny, Qt.Key.Key_Space)
        qtbot.mouseClick(window.allow, Qt.MouseButton.LeftButton)


def test_the_dead_time_ends(theme, qtbot):
    """Then the same key answers."""
    window = make(theme, qtbot, dead_ms=50)
    qtbot.waitUntil(window._awake)
    with qtbot.waitSignal(window.answered):
        qtbot.keyClick(window, Qt.Key.Key_Escape)


def test_another_question_sleeps_anew(theme, qtbot):
    """A key for the one before must not answer the next."""
    window = make(theme, qtbot, dead_ms=60_000)
    window._awake_at = 0.0
    ask(window)
    assert window._awake()
    ask(window, samples.question("Codex", 2))
    assert not window._awake()


def test_an_answer_is_sent_once(window, qtbot):
    """While it is under way, nothing answers."""
    window.deny.click()
    with qtbot.assertNotEmitted(window.answered):
        window.deny.click()
        qtbot.keyClick(window, Qt.Key.Key_Return, CTRL)


def test_a_failed_answer_can_be_given_again(window, qtbot):
    """Why, and one link."""
    window.allow.click()
    window.say_failed("The gateway is not answering.")
    assert window.error.accessibleName() == "Your answer did not arrive: The gateway is not answering."
    assert window.allow.isEnabled()
    with qtbot.waitSignal(window.again):
        next(one for one in window.error.findChildren(QAbstractButton) if one.text() == "Try again").click()


@pytest.mark.parametrize(("key", "by"), [(Qt.Key.Key_Left, -1), (Qt.Key.Key_Right, 1)])
def test_ctrl_arrows_turn_the_queue(window, qtbot, key, by):
    """As its arrows do."""
    ask(window, of=3)
    with qtbot.waitSignal(window.moved) as told:
        qtbot.keyClick(window, key, CTRL)
    assert told.args == [by]


def test_ctrl_m_puts_it_away_without_an_answer(window, qtbot):
    """The icon goes on asking."""
    with qtbot.waitSignal(window.put_away), qtbot.assertNotEmitted(window.answered):
        qtbot.keyClick(window, Qt.Key.Key_M, CTRL)


def test_ctrl_d_shows_the_details(window, qtbot):
    """Request, session, sizes and where the price is from."""
    qtbot.keyClick(window, Qt.Key.Key_D, CTRL)
    assert window.details.isVisible()
    assert "Price from genai-prices of 3 Nov 2026" in window.details.accessibleName()


def test_an_expired_question_says_so_and_answers_nothing(window, qtbot):
    """Only Close is left."""
    window.say_over(ended_sentence(samples.question(), "expired"))
    assert window.clock.accessibleName().startswith("Denied: nobody answered in time.")
    assert [one.text() for one in window.findChildren(QAbstractButton) if one.isVisible()] == ["Close"]
    with qtbot.assertNotEmitted(window.answered):
        qtbot.keyClick(window, Qt.Key.Key_Return, CTRL)


def test_esc_closes_a_question_that_is_over(window, qtbot):
    """It denies nothing more."""
    window.say_over(ended_sentence(samples.question(), "withdrawn"))
    with qtbot.waitSignal(window.put_away), qtbot.assertNotEmitted(window.answered):
        qtbot.keyClick(window, Qt.Key.Key_Escape)


def test_a_stopped_gateway_offers_to_start_it(window, qtbot):
    """The question is gone with it."""
    window.say_over(gone_sentence("Claude Code"), start=True)
    with qtbot.waitSignal(window.start):
        window.begin.click()


def test_a_question_after_an_ended_one_is_whole_again(window):
    """Choices, buttons and reason are back."""
    window.say_over(ended_sentence(samples.question(), "expired"))
    ask(window, samples.question("Codex", 2))
    assert all(part.isVisible() for part in (window.choices, window.why, window.deny, window.allow, window.more))
    assert window.allow.isEnabled()


def test_quitting_the_tray_does_not_deny(window, qtbot):
    """Only a window manager that closes the window does."""
    with qtbot.assertNotEmitted(window.answered):
        window.closeEvent(QCloseEvent())


def test_buttons_that_do_not_fit_become_a_column(window, qtbot):
    """Never cut."""
    window.deny.setText("Ablehnen und weitermachen wie bisher")
    window.local.setText("Auf diesem Rechner beantworten")
    window._fit()
    window.layout().activate()
    assert window.deny.y() > window.allow.y()
