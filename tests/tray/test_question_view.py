"""What the approval window draws and what its choices send."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from pointsman.tray import samples
from pointsman.tray.question_view import approval_view, card_view, decided, ended_sentence, phase, wrong
from pointsman.tray.samples import AT, NOW, dollars
from pointsman.tray.words import plain
from pointsman.wire.admin import Answer


def view(question=None, place=1, of=1):
    """The window for a question about money, or another."""
    return approval_view(samples.question() if question is None else question, place, of, NOW)


def test_money_is_asked_in_one_sentence():
    """Who, what, about and at most how much."""
    assert plain(view().sentence) == "Claude Code wants claude-opus-4-5: about $0.42, at most $1.10."


def test_a_bound_is_rounded_up():
    """What is allowed covers what may be charged."""
    sub = replace(samples.question(), about=dollars(0.421), at_most=dollars(1.101), over=dollars(0.701))
    shown = view(sub)
    assert plain(shown.sentence).endswith("about $0.42, at most $1.11.")
    assert shown.choices[0].caption == "Adds $0.71 to today\u2019s cap, for this request only"


def test_the_cap_says_what_is_left_and_why_it_asks():
    """With its meter."""
    why = view().why
    assert (why.title, plain(why.amounts)) == ("Daily cap $10.00", "$9.38 spent · $0.22 held · $0.40 left")
    assert why.text == (
        "You are asked because the most this request can cost is $0.70 over what is left. "
        "The cap starts anew at midnight."
    )
    assert why.meter.level == "warn"


def test_the_three_choices_of_money_send_what_they_say():
    """Once; for the session up to five dollars; the cap to twelve."""
    first, session, cap = view().choices
    assert decided(first, None) == Answer("q1", "approve", "request")
    assert decided(session, 5_000_000) == Answer("q1", "approve", "session", 5_000_000)
    assert cap.text == "Raise today\u2019s cap to {}"
    assert cap.amount == dollars(12)
    assert decided(cap, dollars(15)) == Answer("q1", "approve", "cap", dollars(5))
    assert [one.button for one in (first, session, cap)] == ["Allow once", "Allow this session", "Raise and allow"]


def test_a_proposed_amount_always_covers_the_request():
    """Also for a request that costs more than the usual proposal."""
    dear = replace(samples.question(), at_most=dollars(42.5), over=dollars(42.1))
    _, session, cap = view(dear).choices
    assert (session.amount, cap.amount) == (dollars(43), dollars(53))
    assert [wrong(one, one.amount) for one in (session, cap)] == ["", ""]


def test_an_amount_that_is_too_small_says_what_is_needed():
    """Before it is sent."""
    _, session, cap = view().choices
    assert wrong(session, dollars(0.5)) == "This request needs at least $0.70."
    assert wrong(cap, dollars(10.5)) == "This request needs at least $10.70."
    assert wrong(cap, None) == "Write an amount such as 4.00."


def test_a_small_cap_is_raised_by_half_dollars():
    """$1 to $1.50."""
    small = replace(samples.question(), cap=samples.cap(0.97, limit=1.0), over=dollars(0.07), at_most=dollars(0.10))
    assert view(small).choices[2].amount == dollars(1.5)


def test_the_soft_mark_asks_although_it_fits():
    """Nothing is added to a cap."""
    shown = view(samples.soft())
    assert shown.why.text.startswith(
        "You are asked because this cap asks once 80\u00a0% of it is used. The request still fits."
    )
    assert [choice.caption for choice in shown.choices] == ["Up to $0.30, once", "Up to {} without asking again"]


def test_a_rule_can_be_allowed_once():
    """The gateway takes nothing wider for it."""
    shown = view(replace(samples.question(), kind="rule", rule="big ones ask", over=0))
    assert "the rule “big ones ask” asks." in shown.why.text
    assert [choice.answer.scope for choice in shown.choices] == ["request"]


def test_consent_proposes_this_machine_first():
    """Nothing leaves by default."""
    shown = view(samples.consent())
    assert plain(shown.sentence) == "Codex wants to send private data to gpt-5.1 at OpenAI."
    assert [decided(choice, None) for choice in shown.choices] == [
        Answer("q2", "local"),
        Answer("q2", "approve", "request"),
    ]
    assert [choice.button for choice in shown.choices] == ["Answer here", "Send as it is"]


def test_consent_names_what_was_found_and_the_rule():
    """Kinds and counts, never values."""
    why = view(samples.consent()).why
    assert [(chip.text, chip.secret) for chip in why.chips] == [
        ("2 e-mail addresses", False),
        ("1 card number", False),
        ("1 secret key", True),
    ]
    assert why.text == (
        "Also in this request: 31 messages, 12,480 tokens, nothing else found. "
        "You are asked by the rule “private data stays here”."
    )


def test_consent_without_a_local_model_offers_only_to_send():
    """And no way to the local model."""
    shown = view(replace(samples.consent(), local_model=None))
    assert ([choice.button for choice in shown.choices], shown.local) == (["Send as it is"], None)


def test_an_unknown_price_cannot_be_allowed():
    """How to set one is said in words."""
    shown = view(samples.price())
    assert plain(shown.sentence) == "OpenClaw wants mistral-large-2512. Its price is not known."
    assert shown.choices == ()
    assert shown.local == Answer("q4", "local")
    assert "[targets.mistral-large-2512], such as price = { input = 3.0, output = 15.0 }" in shown.why.body


def test_the_agents_connection_and_the_question_have_two_clocks():
    """Open, then told to send it again, then expired."""
    question = samples.question()
    phases = [
        phase(replace(question, waits_until=AT + wait, expires=AT + life), NOW)
        for wait, life in ((1, 900), (0, 900), (-9, 0))
    ]
    assert phases == ["open", "told", "expired"]


def test_the_clock_says_what_its_end_means():
    """A countdown, then that the answer still counts."""
    assert view().clock == "Denies itself in 0:38."
    told = replace(samples.question(), waits_until=AT - 1)
    assert view(told).clock == "Claude Code was told to send it again. Your answer counts for that."
    assert view(told).ratio == 0


def test_the_bar_is_the_part_of_the_wait_that_remains():
    """38 of 45 seconds."""
    assert view().ratio == pytest.approx(38 / 45)


def test_the_queue_shows_only_when_there_is_one():
    """And how many requests a question covers."""
    assert (view().queue, view(place=2, of=3).queue) == ("", "2 of 3")
    assert view(replace(samples.question(), covers=3)).origin == "atlas · session 3 h 12 min · Covers 3 requests"


def test_a_card_says_enough_to_know_and_not_to_spend():
    """Sentence, clock, and whether a local model could answer."""
    card = card_view(samples.question(), NOW)
    assert plain(card.sentence) == ("It wants claude-opus-4-5: about $0.42, at most $1.10. The daily cap leaves $0.40.")
    assert (card.title, card.clock, card.local) == ("Claude Code asks", "Denies itself in 0:38", True)


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        (
            samples.consent(),
            "It wants to send private data to gpt-5.1: 2 e-mail addresses, 1 card number, 1 secret key.",
        ),
        (samples.price(), "It wants mistral-large-2512. Its price is not known."),
    ],
)
def test_a_card_for_each_kind(question, sentence):
    """Consent names the finds, price says that it is unknown."""
    assert plain(card_view(question, NOW).sentence) == sentence


def test_how_a_question_ended_is_said_once():
    """What was answered elsewhere needs no sentence."""
    assert ended_sentence("Codex", "withdrawn") == "Codex left. Nothing was charged."
    assert ended_sentence("Codex", "expired").startswith("Denied: nobody answered in time.")
    assert ended_sentence("Codex", "approved") == ""
