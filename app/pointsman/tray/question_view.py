"""What the approval window and the popover's cards draw, worked out from a question. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from pointsman.tray import words
from pointsman.tray.cap_view import MeterView, Pace, anew, in_the_way, lower, meter_view, title
from pointsman.tray.choice_view import ChoiceView, PriceView, choices, only, price_view
from pointsman.tray.words import Sentence, marked
from pointsman.wire.admin import Answer, CapState, Question

Phase = Literal["open", "told", "expired"]

_PRICE_WHY = "Pointsman never treats an unknown price as free. Say what it costs, or take a model with a known price."
_RUNAWAY_WHY = (
    "It sends nothing while it is paused. Look at what it is doing: if it works as it should, let it go on. "
    "If it goes round in circles, keep it paused and stop it."
)


class CardView(msgspec.Struct, frozen=True):
    """A question in the popover: enough to see what it is, never enough to spend by a glance."""

    question: str
    title: str
    clock: str
    ratio: float
    sentence: Sentence
    local: bool
    deny: str = "Deny"


class ChipView(msgspec.Struct, frozen=True):
    """Finds of one kind."""

    text: str
    secret: bool


class WhyView(msgspec.Struct, frozen=True):
    """Why the person is asked: a cap with its meter, finds, or only a sentence."""

    title: str = ""
    amounts: Sentence = ()
    meter: MeterView | None = None
    chips: tuple[ChipView, ...] = ()
    text: str = ""
    body: str = ""


class ApprovalView(msgspec.Struct, frozen=True, kw_only=True):
    """The approval window for one question of a queue."""

    question: str
    agent: str
    initials: str
    identity: str
    origin: str
    queue: str
    sentence: Sentence
    why: WhyView
    choices: tuple[ChoiceView, ...]
    only: ChoiceView | None
    price: PriceView | None
    rule: str
    local: Answer | None
    deny: Answer
    deny_text: str
    at: float
    phase: Phase
    clock: str
    ratio: float
    details: str


def phase(question: Question, now: datetime) -> Phase:
    """Two clocks: the agent's connection waits a while, the question lives on."""
    if now.timestamp() >= question.expires:
        return "expired"
    return "told" if now.timestamp() >= question.waits_until else "open"


def card_view(question: Question, now: datetime) -> CardView:
    """A question as the popover shows it."""
    rest = (
        "" if question.cap is None else f" The {lower(title(question.cap))} leaves **{words.left(question.cap.left)}**."
    )
    if question.kind == "runaway":
        sentence = _runaway(question)
    elif question.kind == "consent":
        sentence = f"It wants to send private data to **{question.model}**: {_finds(question)}."
    elif question.at_most is None:
        sentence = f"It wants **{question.model}**. Its price is not known."
    else:
        sentence = f"It wants **{question.model}**: {_price(question)}.{rest}"
    return CardView(
        question.id,
        f"{question.agent} asks",
        _short_clock(question, now),
        _ratio(question, now),
        marked(sentence),
        _local(question) is not None,
        deny_text(question),
    )


def approval_view(question: Question, place: int, of: int, now: datetime) -> ApprovalView:
    """The window for `question`, the `place`th of `of` (from 1)."""
    return ApprovalView(
        question=question.id,
        agent=question.agent,
        initials=words.initials(question.agent),
        identity="Known by its key only",
        origin=_origin(question, now),
        queue=f"{place} of {of}" if of > 1 else "",
        sentence=marked(asked(question)),
        why=_why(question, now),
        choices=choices(question, now),
        only=only(question),
        price=price_view(question),
        rule=question.allowance or "",
        local=_local(question),
        deny=Answer(question.id, "deny"),
        deny_text=deny_text(question),
        at=now.timestamp(),
        phase=phase(question, now),
        clock=_clock(question, now),
        ratio=_ratio(question, now),
        details=_details(question),
    )


def ended_sentence(question: Question, outcome: str) -> str:
    """What the window says of a question that ended without an answer from here; empty closes it at once."""
    if outcome == "expired" and question.kind == "runaway":
        return f"Nobody answered in time. {question.agent} stays paused until it is resumed."
    if outcome == "expired":
        return "Denied: nobody answered in time. If it asks again you will be asked again."
    if outcome != "withdrawn":
        return ""
    if question.kind == "runaway":
        return f"{question.agent} was resumed."
    if question.kind in {"money", "soft"}:
        return "Held money came back; it ran without asking."
    return f"{question.agent} left. Nothing was charged."


def gone_sentence(agent: str) -> str:
    """What the window says when the gateway is gone."""
    return f"The gateway stopped, so this question is gone. {agent} can ask again."


def deny_text(question: Question) -> str:
    """What the safe button says."""
    return "Keep it paused" if question.kind == "runaway" else "Deny"


def _local(question: Question) -> Answer | None:
    if question.local_model is None or question.kind == "runaway":
        return None
    return Answer(question.id, "local")


def _runaway(question: Question) -> str:
    """What was seen, in the gateway's own sentence, with the agent's name strong."""
    seen = question.sentence.removeprefix(question.agent) or " may be going round in circles."
    paused = "" if "paused" in seen else " It is paused."
    return f"**{question.agent}** {seen.strip()}{paused}"


def _price(question: Question) -> str:
    return f"about **{words.money(question.about)}**, at most **{words.bound(question.at_most)}**"


def asked(question: Question) -> str:
    """Who wants what, in one sentence; `**` round names and money."""
    if question.kind == "runaway":
        return _runaway(question)
    if question.kind == "consent":
        at = f" at {question.provider}" if question.provider else ""
        return f"**{question.agent}** wants to send private data to **{question.model}**{at}."
    if question.at_most is None:
        return f"**{question.agent}** wants **{question.model}**. Its price is not known."
    return f"**{question.agent}** wants **{question.model}**: {_price(question)}."


def _origin(question: Question, now: datetime) -> str:
    lasts = words.span_of_time(now.timestamp() - question.session_since)
    parts = [question.project or "", f"session {lasts}"]
    if question.covers > 1:
        parts.append(f"Covers {question.covers} requests")
    return " · ".join(part for part in parts if part)


def _finds(question: Question) -> str:
    return ", ".join(words.found(one.kind, one.count) for one in question.findings) or "private data"


def _why(question: Question, now: datetime) -> WhyView:
    if question.kind == "consent":
        return _consent_why(question)
    if question.kind == "price":
        return WhyView(body=_PRICE_WHY)
    if question.kind == "runaway":
        return WhyView(body=_RUNAWAY_WHY)
    reason = {
        "money": f"You are asked because the most this request can cost is {words.bound(question.over)} over what is left{_unhelped(question)}.",
        "soft": f"You are asked because this cap asks once {_soft(question)} of it is used. The request still fits.",
    }.get(question.kind, f"You are asked because the rule “{question.rule}” asks.")
    if question.cap is None:
        return WhyView(text=reason)
    amounts = marked(_amounts(question.cap))
    meter = meter_view(question.cap, Pace())
    shown = f"{title(question.cap)} {words.money(question.cap.limit)}"
    told = (reason, question.sentence, anew(question.cap, now))
    return WhyView(shown, amounts, meter, text=" ".join(part for part in told if part))


def _unhelped(question: Question) -> str:
    """Why the cap's own way out did not help, where the gateway does not say it in a sentence of its own."""
    return in_the_way(question.cap.at_limit) if question.cap and not question.sentence else ""


def _soft(question: Question) -> str:
    return words.percent(question.cap.soft_percent) if question.cap else "a part"


def _amounts(cap: CapState) -> str:
    held = f"{words.bound(cap.held)} held · " if cap.held else ""
    return f"{words.money(cap.spent)} spent · {held}**{words.left(cap.left)} left**"


def _consent_why(question: Question) -> WhyView:
    chips = tuple(ChipView(words.found(one.kind, one.count), one.kind == "secret_key") for one in question.findings)
    size = f"{words.count(question.messages, 'message')}, {words.count(question.tokens_in, 'token')}"
    text = f"Also in this request: {size}, nothing else found. You are asked by the rule “{question.rule}”."
    told = f"{question.sentence} {text}".strip()  # what becomes of it there comes first
    return WhyView(title="What would leave this machine", chips=chips, text=told)


def _ratio(question: Question, now: datetime) -> float:
    whole = question.waits_until - question.asked
    return min(max((question.waits_until - now.timestamp()) / whole, 0.0), 1.0) if whole > 0 else 0.0


def _short_clock(question: Question, now: datetime) -> str:
    left = question.waits_until - now.timestamp()
    if left <= 0:
        return "Waits for your answer"
    rest = words.countdown(left)
    return f"{rest} to answer" if question.kind == "runaway" else f"Denies itself in {rest}"


def _clock(question: Question, now: datetime) -> str:
    at = phase(question, now)
    if at == "expired":
        return ended_sentence(question, "expired")
    if at == "told":
        return f"{question.agent} was told to send it again. Your answer counts for that."
    return f"{_short_clock(question, now)}."


def _details(question: Question) -> str:
    facts = [
        f"Request {question.id}",
        f"Session {question.session}",
        f"Rule “{question.rule}”" if question.rule else "",
        f"{words.count(question.messages, 'message')}, {question.tokens_in:,} tokens in, at most {question.tokens_out:,} out",
        f"Price from {question.price_source}" if question.price_source else "",
    ]
    return " · ".join(fact for fact in facts if fact)
