"""What the approval window draws and what its choices send."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from pointsman.tray import samples
from pointsman.tray.question_view import approval_view, card_view, ended_sentence, phase
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


def test_the_soft_mark_asks_although_it_fits():
    """The request fits; the cap wants a word all the same."""
    assert view(samples.soft()).why.text.startswith(
        "You are asked because this cap asks once 80\u00a0% of it is used. The request still fits."
    )


def test_a_rule_is_named():
    """As why the person is asked."""
    assert (
        "the rule “big ones ask” asks." in view(replace(samples.question(), kind="rule", rule="big ones ask")).why.text
    )


def test_consent_names_what_was_found_the_rule_and_what_becomes_of_it():
    """Kinds and counts, never values; and what the provider says of data."""
    why = view(samples.consent()).why
    assert [(chip.text, chip.secret) for chip in why.chips] == [
        ("2 e-mail addresses", False),
        ("1 card number", False),
        ("1 secret key", True),
    ]
    assert why.text == (
        "OpenAI does not say where data stays, keeps it for 30 days, and does not train on it. "
        "Also in this request: 31 messages, 12,480 tokens, nothing else found. "
        "You are asked by the rule “private data stays here”."
    )


@pytest.mark.parametrize(
    ("action", "tail"),
    [
        ("ask", "left. The"),
        ("local", ", and no local model can answer it."),
        ("cheaper", ", and no cheaper model fits."),
        ("shorten", ", and what is left pays for no useful answer."),
        ("defer", ", and it cannot wait."),
    ],
)
def test_what_the_cap_would_rather_do_did_not_help(action, tail):
    """So it asks, and says so."""
    capped = replace(samples.question(), cap=replace(samples.cap(9.38, 0.22), at_limit=action))
    assert tail in view(capped).why.text


def test_the_gateways_own_reason_is_said_in_full():
    """In the place of the general words for the same, between the sum and when the cap starts anew."""
    sentence = "The daily cap shortens answers, yet what is left pays for 12 tokens: an answer is not cut below 64."
    capped = replace(samples.question(), cap=replace(samples.cap(9.38, 0.22), at_limit="shorten"), sentence=sentence)
    assert view(capped).why.text == (
        f"You are asked because the most this request can cost is $0.70 over what is left. {sentence} "
        "The cap starts anew at midnight."
    )


def test_an_unknown_price_is_asked_for():
    """Never treated as free; the local model is there all the same."""
    shown = view(samples.price())
    assert plain(shown.sentence) == "OpenClaw wants mistral-large-2512. Its price is not known."
    assert shown.why.body.startswith("Pointsman never treats an unknown price as free.")
    assert (shown.price.tokens, shown.local) == ("18,400 tokens in, at most 4,096 out", Answer("q4", "local"))


def test_a_runaway_agent_is_told_in_plain_words():
    """What was seen, that it is paused, and two answers; a local model does not help."""
    shown = view(samples.runaway())
    assert plain(shown.sentence) == "Aider sent 12 near-equal requests in 40 seconds. It is paused."
    assert [span.text for span in shown.sentence if span.strong] == ["Aider"]
    assert (shown.deny_text, shown.only.button, shown.local) == ("Keep it paused", "Let it go on", None)
    assert shown.only.answer == Answer("q5", "approve", "request")
    assert shown.clock == "0:38 to answer."


def test_a_runaway_agent_without_a_sentence_has_one():
    """The gateway may not say more."""
    assert plain(view(replace(samples.runaway(), sentence="")).sentence) == (
        "Aider may be going round in circles. It is paused."
    )


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
        (samples.runaway(), "Aider sent 12 near-equal requests in 40 seconds. It is paused."),
    ],
)
def test_a_card_for_each_kind(question, sentence):
    """Consent names the finds, price says that it is unknown."""
    assert plain(card_view(question, NOW).sentence) == sentence


def test_how_a_question_ended_is_said_once():
    """What was answered elsewhere needs no sentence."""
    assert ended_sentence(samples.consent(), "withdrawn") == "Codex left. Nothing was charged."
    assert ended_sentence(samples.question(), "withdrawn") == "Held money came back; it ran without asking."
    assert ended_sentence(samples.consent(), "expired").startswith("Denied: nobody answered in time.")
    assert ended_sentence(samples.runaway(), "expired") == (
        "Nobody answered in time. Aider stays paused until it is resumed."
    )
    assert ended_sentence(samples.runaway(), "withdrawn") == "Aider was resumed."
    assert ended_sentence(samples.question(), "approved") == ""
