"""The ways to allow, and what each sends."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from pointsman.tray import samples
from pointsman.tray.choice_view import choices, decided, only, price_view, sum_of, wrong
from pointsman.tray.samples import AT, NOW, dollars
from pointsman.tray.words import parse_price, plain
from pointsman.wire.admin import Answer


def rows(question=None):
    """The choices of a question about money, or another."""
    return choices(samples.question() if question is None else question, NOW)


def test_the_choices_of_money_send_what_they_say():
    """Once; for the session up to five dollars; the cap to twelve; always."""
    first, session, cap, always = rows()
    assert decided(first, None) == Answer("q1", "approve", "request")
    assert decided(session, 5_000_000) == Answer("q1", "approve", "session", 5_000_000)
    assert (cap.text, cap.amount) == ("Raise today\u2019s cap to {}", dollars(12))
    assert decided(cap, dollars(15)) == Answer("q1", "approve", "cap", dollars(5))
    assert decided(always, None) == Answer("q1", "approve", "always")
    buttons = [one.button for one in (first, session, cap, always)]
    assert buttons == ["Allow once", "Allow this session", "Raise and allow", "See the rule…"]


def test_only_always_turns_the_card_over():
    """A rule is seen before it is written."""
    assert [one.turns for one in rows()] == [False, False, False, True]


def test_without_a_rule_to_write_there_is_no_always():
    """The gateway says when it cannot."""
    assert len(rows(replace(samples.question(), allowance=None))) == 3


def test_the_session_row_has_two_other_lengths():
    """This agent and model for an hour, or until midnight; the amount is the same."""
    hour, today = rows()[1].others
    assert [one.button for one in (hour, today)] == ["Allow 1 hour", "Allow today"]
    assert decided(hour, dollars(7), at=AT) == Answer("q1", "approve", "agent", dollars(7), 3600)
    assert decided(today, dollars(7), at=AT) == Answer("q1", "approve", "agent", dollars(7), 34_080)


def test_midnight_without_a_daily_cap_is_the_persons_own():
    """In the time zone of the machine."""
    weekly = replace(samples.question(), cap=replace(samples.cap(9.38, 0.22), window="week", ends=AT + 400_000))
    assert rows(weekly)[1].others[1].until == samples.MIDNIGHT + 86_400


def test_a_grant_never_ends_before_it_begins():
    """Midnight passed while the window stood there."""
    today = rows()[1].others[1]
    assert decided(today, dollars(7), at=today.until + 5).seconds == 1


def test_a_proposed_amount_always_covers_the_request():
    """Also for a request that costs more than the usual proposal."""
    dear = replace(samples.question(), at_most=dollars(42.5), over=dollars(42.1))
    _, session, cap, _ = rows(dear)
    assert (session.amount, cap.amount) == (dollars(43), dollars(53))
    assert [wrong(one, one.amount) for one in (session, cap)] == ["", ""]


def test_an_amount_that_is_too_small_says_what_is_needed():
    """Before it is sent."""
    _, session, cap, _ = rows()
    assert wrong(session, dollars(0.5)) == "This request needs at least $0.70."
    assert wrong(cap, dollars(10.5)) == "This request needs at least $10.70."
    assert wrong(cap, None) == "Write an amount such as 4.00."


def test_a_small_cap_is_raised_by_half_dollars():
    """$1 to $1.50."""
    small = replace(samples.question(), cap=samples.cap(0.97, limit=1.0), over=dollars(0.07), at_most=dollars(0.10))
    assert rows(small)[2].amount == dollars(1.5)


def test_a_cap_for_each_request_is_not_raised():
    """It would be the same as just this request."""
    each = replace(samples.cap(0.5, limit=0.5), scope="request", window="once", match="r-1")
    buttons = [one.button for one in rows(replace(samples.question(), cap=each))]
    assert "Raise and allow" not in buttons
    assert rows(replace(samples.question(), cap=each))[0].caption == (
        "Adds $0.70 to the cap for each request, for this request only"
    )


def test_past_the_soft_mark_nothing_is_added_to_a_cap():
    """Up to so much, without asking again."""
    captions = [one.caption for one in rows(samples.soft())]
    assert captions[:2] == ["Up to $0.30, once", "Up to {} without asking again"]


def test_a_rule_can_be_allowed_once():
    """The gateway takes nothing wider for it."""
    shown = rows(replace(samples.question(), kind="rule", rule="big ones ask", over=0))
    assert [choice.answer.scope for choice in shown] == ["request"]


def test_a_runaway_agent_has_one_way_on():
    """No rows, one button."""
    assert (rows(samples.runaway()), only(samples.runaway()).button) == ((), "Let it go on")
    assert only(samples.question()) is None


def test_a_price_is_sent_with_its_answer():
    """Only by the row that uses it."""
    save, instead = rows(samples.price())
    prices = (dollars(2), dollars(6))
    assert decided(save, None, prices) == Answer("q4", "approve", "request", price=prices)
    assert decided(instead, None, prices) == Answer("q4", "local")
    assert (save.caption, instead.text) == ("Kept in your price list with today\u2019s date", "Use Qwen3 8B instead")


def test_without_a_local_model_only_the_price_is_left():
    """One row."""
    assert [one.button for one in rows(replace(samples.price(), local_model=None))] == ["Save and allow"]


def test_the_sum_is_a_bound_over_the_bound_of_tokens():
    """18,400 in at $2, 4,096 out at $6: $0.061376, rounded up; an en dash until both are there."""
    view = price_view(samples.price())
    assert plain(sum_of(view, (dollars(2), dollars(6)))) == "at most $0.07"
    assert plain(sum_of(view, (dollars(2), None))) == "\u2013"
    assert price_view(samples.question()) is None


def test_the_sum_over_likely_tokens_is_no_bound():
    """Then it says about."""
    view = price_view(replace(samples.price(), tokens_bound=None))
    assert (view.tokens, plain(sum_of(view, (dollars(2), dollars(6))))) == (
        "16,900 tokens in, at most 4,096 out",
        "about $0.06",
    )


@pytest.mark.parametrize(
    ("text", "micro"),
    [
        ("2.00", 2_000_000),
        ("2,00", 2_000_000),
        (" $0,15 ", 150_000),
        ("0.075", 75_000),
        ("3", 3_000_000),
        ("0", 0),
        ("", None),
        ("two", None),
        ("1.2.3", None),
        ("1,000.00", None),
        ("-1", None),
    ],
)
def test_a_price_is_understood_with_a_comma_or_a_point(text, micro):
    """To the micro-dollar, and nothing is guessed."""
    assert parse_price(text) == micro
