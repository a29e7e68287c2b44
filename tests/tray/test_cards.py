"""The price card and the rule card inside the approval window: what they take, and what they let through."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton

from pointsman.tray import samples
from pointsman.tray.approval_window import ApprovalWindow
from pointsman.tray.question_view import approval_view, ended_sentence
from pointsman.tray.samples import AT, NOW, dollars
from pointsman.wire.admin import Answer
from tests.tray.tree import check

CTRL = Qt.KeyboardModifier.ControlModifier


def ask(window, question, of=1):
    """Show a question."""
    window.show_view(approval_view(question, 1, of, NOW))


@pytest.fixture
def window(theme, qtbot):
    """A window that is awake at once, with the question about money."""
    made = ApprovalWindow(theme, dead_ms=0)
    qtbot.addWidget(made)
    ask(made, samples.question())
    with qtbot.waitExposed(made):
        made.appear()
    return made


@pytest.fixture
def priced(window):
    """The same with the question about a price."""
    ask(window, samples.price())
    return window


def buttons(window):
    """The texts of the wide buttons that show."""
    return [one.text() for one in window.findChildren(QAbstractButton) if one.isVisible() and one.text() in WIDE]


WIDE = {"Deny", "Back", "Use local", "See the rule…", "Save rule and allow", "Keep it paused", "Let it go on"}


def turn(window, qtbot):
    """To the rule."""
    qtbot.keyClick(window, Qt.Key.Key_4)
    qtbot.keyClick(window, Qt.Key.Key_Return, CTRL)


def test_always_shows_its_rule_before_it_is_saved(window, qtbot):
    """Nothing is answered by turning the card."""
    with qtbot.assertNotEmitted(window.answered):
        turn(window, qtbot)
    assert buttons(window) == ["Back", "Save rule and allow"]
    assert window.rule.code.toPlainText() == samples.question().allowance.strip()
    assert not window.choices.isVisible()
    check(window, "approval-rule")


def test_the_rule_is_saved_by_its_own_button(window, qtbot):
    """The second Ctrl+Return, with the rule in sight."""
    turn(window, qtbot)
    with qtbot.waitSignal(window.answered) as told:
        qtbot.keyClick(window, Qt.Key.Key_Return, CTRL)
    assert told.args == [Answer("q1", "approve", "always")]


@pytest.mark.parametrize("way", ["button", "esc"])
def test_back_turns_it_again_and_denies_nothing(window, qtbot, way):
    """The choice is still made."""
    turn(window, qtbot)
    with qtbot.assertNotEmitted(window.answered):
        if way == "esc":
            qtbot.keyClick(window.rule.code, Qt.Key.Key_Escape)
        else:
            qtbot.mouseClick(window.back, Qt.MouseButton.LeftButton)
    assert window.choices.chosen() is window.choices.rows[3]
    assert buttons(window) == ["Deny", "Use local", "See the rule…"]


def test_the_rule_stays_while_the_clock_ticks(window, qtbot):
    """And goes with its question."""
    turn(window, qtbot)
    ask(window, replace(samples.question(), waits_until=AT + 20))
    assert window.rule.isVisible()
    ask(window, samples.soft())
    assert (window.rule.isVisible(), window.choices.isVisible()) == (False, True)


def test_what_turned_the_card_does_not_save_it(theme, qtbot):
    """A double press reaches a card that sleeps."""
    window = ApprovalWindow(theme, dead_ms=60_000)
    qtbot.addWidget(window)
    ask(window, samples.question())
    window.appear()
    window._awake_at = 0.0
    with qtbot.assertNotEmitted(window.answered):
        turn(window, qtbot)
        qtbot.keyClick(window, Qt.Key.Key_Return, CTRL)
    assert window.rule.isVisible()


def test_on_the_rule_no_other_key_answers(window, qtbot):
    """Neither the local model nor a digit."""
    turn(window, qtbot)
    with qtbot.assertNotEmitted(window.answered):
        qtbot.keyClick(window, Qt.Key.Key_L)
        qtbot.keyClick(window, Qt.Key.Key_1)
        qtbot.keyClick(window, Qt.Key.Key_Return)
    assert window.choices.chosen() is window.choices.rows[3]


def test_the_rule_can_be_read_and_not_written(window, qtbot):
    """Selected by mouse and keyboard."""
    turn(window, qtbot)
    code = window.rule.code
    qtbot.keyClicks(code, "x")
    code.selectAll()
    assert code.isReadOnly()
    assert code.textCursor().selectedText().startswith("[[allowances]]")


def test_an_expired_question_shows_no_rule(window, qtbot):
    """Only that it is over."""
    turn(window, qtbot)
    window.say_over(ended_sentence(samples.question(), "expired"))
    assert not window.rule.isVisible()
    assert buttons(window) == []


def test_the_digit_again_goes_through_the_lengths_of_time(window, qtbot):
    """This session, an hour, until midnight, and round; the button and the name follow."""
    said = []
    for _ in range(4):
        qtbot.keyClick(window, Qt.Key.Key_2)
        said.append(window.allow.text())
    assert said == ["Allow this session", "Allow 1 hour", "Allow today", "Allow this session"]
    qtbot.keyClick(window, Qt.Key.Key_2)
    assert window.choices.rows[1].accessibleName().startswith("2 of 4, This agent and model, for 1 hour. Adds up to")


def test_a_length_of_time_is_sent_with_its_amount(window, qtbot):
    """This agent and model for an hour, up to what is written."""
    row = window.choices.rows[1]
    row._menu.actions()[1].trigger()
    row.amount_edit.setText("$7.50")
    with qtbot.waitSignal(window.answered) as told:
        qtbot.keyClick(window, Qt.Key.Key_Return, CTRL)
    assert told.args == [Answer("q1", "approve", "agent", dollars(7.5), 3600)]


def test_a_chosen_length_survives_the_ticking_clock(window):
    """The same question a second later."""
    window.choices.rows[1].take_way(2)
    ask(window, replace(samples.question(), waits_until=AT + 20))
    assert window.allow.text() == "Allow today"


def test_a_price_is_needed_to_save_it(priced, qtbot):
    """Until both are there the button sleeps."""
    assert not priced.allow.isEnabled()
    priced.price.fields[0].setText("2,00")
    with qtbot.assertNotEmitted(priced.answered):
        qtbot.keyClick(priced, Qt.Key.Key_Return, CTRL)


def test_prices_are_sent_as_they_are_written(priced, qtbot):
    """Comma and point are both understood, and the sum follows at once."""
    for field, text in zip(priced.price.fields, ("2,00", "6.00"), strict=True):
        qtbot.keyClicks(field, text)
    assert priced.price._sum.accessibleName() == "at most $0.07"
    with qtbot.waitSignal(priced.answered) as told:
        qtbot.keyClick(priced.price.fields[1], Qt.Key.Key_Return, CTRL)
    assert told.args == [Answer("q4", "approve", "request", price=(dollars(2), dollars(6)))]


def test_return_in_a_price_goes_on_and_never_allows(priced, qtbot):
    """From input to output, then out of the field."""
    priced.activateWindow()
    priced.price.fields[0].setFocus()
    with qtbot.assertNotEmitted(priced.answered):
        qtbot.keyClicks(priced.price.fields[0], "2")
        qtbot.keyClick(priced.price.fields[0], Qt.Key.Key_Return)
        qtbot.keyClicks(priced.price.fields[1], "6")
        qtbot.keyClick(priced.price.fields[1], Qt.Key.Key_Return)
    assert priced.price.prices() == (dollars(2), dollars(6))


def test_esc_in_a_price_puts_back_first_and_then_denies(priced, qtbot):
    """What was typed goes; a second one is the window's."""
    field = priced.price.fields[0]
    qtbot.keyClicks(field, "77")
    with qtbot.assertNotEmitted(priced.answered):
        qtbot.keyClick(field, Qt.Key.Key_Escape)
    assert field.text() == ""
    with qtbot.waitSignal(priced.answered) as told:
        qtbot.keyClick(field, Qt.Key.Key_Escape)
    assert told.args == [Answer("q4", "deny")]


def test_digits_in_a_price_choose_no_row(priced, qtbot):
    """They are what is typed; typing means the row that uses the price."""
    priced.choices.choose(2)
    qtbot.keyClicks(priced.price.fields[0], "2")
    assert priced.choices.chosen() is priced.choices.rows[0]


def test_a_wrong_price_says_how_to_write_one(priced):
    """Below the fields."""
    assert not priced.price._problem.isVisible()
    priced.price.fields[0].setText("two")
    assert priced.price._problem.isVisible()


def test_a_typed_price_survives_the_ticking_clock_and_not_the_question(priced):
    """A second later, then another model's."""
    priced.price.fields[0].setText("2")
    ask(priced, replace(samples.price(), waits_until=AT + 20))
    assert priced.price.fields[0].text() == "2"
    ask(priced, replace(samples.price(), id="q9"))
    assert priced.price.fields[0].text() == ""


def test_the_local_model_needs_no_price(priced, qtbot):
    """The second row, or its key."""
    qtbot.keyClick(priced, Qt.Key.Key_2)
    assert (priced.allow.text(), priced.allow.isEnabled()) == ("Use Qwen3 8B", True)
    with qtbot.waitSignal(priced.answered) as told:
        qtbot.keyClick(priced, Qt.Key.Key_L)
    assert told.args == [Answer("q4", "local")]


def test_a_runaway_agent_goes_on_or_stays_paused(window, qtbot):
    """Two buttons; the safe one is Esc."""
    ask(window, samples.runaway())
    assert buttons(window) == ["Keep it paused", "Let it go on"]
    with qtbot.waitSignal(window.answered) as told:
        qtbot.keyClick(window, Qt.Key.Key_Return, CTRL)
    assert told.args == [Answer("q5", "approve", "request")]
    window._waits(going=False)
    with qtbot.waitSignal(window.answered) as told:
        qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert told.args == [Answer("q5", "deny")]


def test_tab_goes_in_reading_order(priced):
    """Fields, rows, buttons."""
    priced.price.fields[0].setText("2")
    priced.price.fields[1].setText("6")
    found, at = [], priced.price.fields[0]
    while at not in found:
        found.append(at)
        at = at.nextInFocusChain()
    order = [found.index(one) for one in (*priced.price.fields, *priced.choices.rows, priced.deny, priced.allow)]
    assert order == sorted(order)
