"""What the approval window and the popover's cards draw, worked out from a question. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from pointsman.tray import words
from pointsman.tray.cap_view import MeterView, Pace, anew, meter_view, title
from pointsman.tray.words import Sentence, marked
from pointsman.wire.admin import Answer, CapState, Question

Phase = Literal["open", "told", "expired"]
SESSION_AMOUNT = 5 * words.DOLLAR


class CardView(msgspec.Struct, frozen=True):
    """A question in the popover: enough to see what it is, never enough to spend by a glance."""

    question: str
    title: str
    clock: str
    ratio: float
    sentence: Sentence
    local: bool


class ChoiceView(msgspec.Struct, frozen=True):
    """One way to allow. `amount` may be edited where `{}` stands, in `text` or in `caption`.

    It is at least `least`; what is sent is the part over `base`.
    """

    text: str
    caption: str
    button: str
    answer: Answer
    amount: int | None = None
    base: int = 0
    least: int = 0


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
    local: Answer | None
    deny: Answer
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
        ""
        if question.cap is None
        else f" The {_lower(title(question.cap))} leaves **{words.left(question.cap.left)}**."
    )
    if question.kind == "consent":
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
        question.local_model is not None,
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
        sentence=marked(_sentence(question)),
        why=_why(question, now),
        choices=_choices(question),
        local=Answer(question.id, "local") if question.local_model else None,
        deny=Answer(question.id, "deny"),
        phase=phase(question, now),
        clock=_clock(question, now),
        ratio=_ratio(question, now),
        details=_details(question),
    )


def wrong(choice: ChoiceView, amount: int | None) -> str:
    """What is wrong with the amount as edited; empty where it can be sent."""
    if choice.amount is None:
        return ""
    if amount is None:
        return "Write an amount such as 4.00."
    return f"This request needs at least {words.bound(choice.least)}." if amount < choice.least else ""


def decided(choice: ChoiceView, amount: int | None) -> Answer:
    """The answer that this choice sends, with the amount as edited."""
    if choice.amount is None or amount is None:
        return choice.answer
    return msgspec.structs.replace(choice.answer, amount=amount - choice.base)


def ended_sentence(agent: str, outcome: str) -> str:
    """What the window says of a question that ended without an answer from here; empty closes it at once."""
    if outcome == "expired":
        return "Denied: nobody answered in time. If it asks again you will be asked again."
    return f"{agent} left. Nothing was charged." if outcome == "withdrawn" else ""


def gone_sentence(agent: str) -> str:
    """What the window says when the gateway is gone."""
    return f"The gateway stopped, so this question is gone. {agent} can ask again."


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]


def _price(question: Question) -> str:
    return f"about **{words.money(question.about)}**, at most **{words.bound(question.at_most)}**"


def _sentence(question: Question) -> str:
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
        return WhyView(body=_price_why(question))
    reason = {
        "money": f"You are asked because the most this request can cost is {words.bound(question.over)} over what is left.",
        "soft": f"You are asked because this cap asks once {_soft(question)} of it is used. The request still fits.",
    }.get(question.kind, f"You are asked because the rule “{question.rule}” asks.")
    if question.cap is None:
        return WhyView(text=reason)
    amounts = marked(_amounts(question.cap))
    meter = meter_view(question.cap, Pace())
    shown = f"{title(question.cap)} {words.money(question.cap.limit)}"
    return WhyView(shown, amounts, meter, text=f"{reason} {anew(question.cap, now)}".strip())


def _soft(question: Question) -> str:
    return words.percent(question.cap.soft_percent) if question.cap else "a part"


def _amounts(cap: CapState) -> str:
    held = f"{words.bound(cap.held)} held · " if cap.held else ""
    return f"{words.money(cap.spent)} spent · {held}**{words.left(cap.left)} left**"


def _consent_why(question: Question) -> WhyView:
    chips = tuple(ChipView(words.found(one.kind, one.count), one.kind == "secret_key") for one in question.findings)
    size = f"{words.count(question.messages, 'message')}, {words.count(question.tokens_in, 'token')}"
    text = f"Also in this request: {size}, nothing else found. You are asked by the rule “{question.rule}”."
    return WhyView(title="What would leave this machine", chips=chips, text=text)


def _price_why(question: Question) -> str:
    instead = f", or use {question.local_model}, which is free." if question.local_model else "."
    return (
        "Pointsman never treats an unknown price as free. Set its price in models.toml, under "
        f"[targets.{question.model}], such as price = {{ input = 3.0, output = 15.0 }} in dollars per million tokens, "
        f"and let {question.agent} ask again{instead}"
    )


def _choices(question: Question) -> tuple[ChoiceView, ...]:
    if question.kind == "consent":
        return _consent_choices(question)
    if question.kind == "price":
        return ()
    once = Answer(question.id, "approve", "request")
    first = ChoiceView("Just this request", _once(question), "Allow once", once)
    return (first, *_wider(question)) if question.kind in {"money", "soft"} else (first,)


def _once(question: Question) -> str:
    if question.kind == "money":
        return f"Adds {words.bound(question.over)} to {_this(question.cap)}, for this request only"
    return f"Up to {words.bound(question.at_most)}, once"


def _wider(question: Question) -> tuple[ChoiceView, ...]:
    amount = max(SESSION_AMOUNT, _up(question.at_most or 0, words.DOLLAR))
    caption = "Up to {} without asking again"
    if question.kind == "money":
        caption = f"Adds up to {{}} to {_this(question.cap)}, for it alone"
    session = Answer(question.id, "approve", "session", amount)
    text = f"This session, until {question.agent} quits"
    longer = (ChoiceView(text, caption, "Allow this session", session, amount, least=question.over),)
    return (*longer, _raise(question, question.cap)) if question.kind == "money" and question.cap else longer


def _raise(question: Question, cap: CapState) -> ChoiceView:
    step = words.DOLLAR if cap.limit >= 5 * words.DOLLAR else words.DOLLAR // 2
    limit = _up(max(cap.limit * 12 // 10, cap.limit + question.over), step)
    answer = Answer(question.id, "approve", "cap", limit - cap.limit)
    who = f"For {cap.match}" if cap.match else "For every agent"
    until = {"day": ", until midnight"}.get(cap.window, "")
    return ChoiceView(
        f"Raise {_this(cap)} to {{}}",
        who + until,
        "Raise and allow",
        answer,
        limit,
        cap.limit,
        cap.limit + question.over,
    )


def _this(cap: CapState | None) -> str:
    if cap is None:
        return "the cap"
    return "today\u2019s cap" if cap.window == "day" and not cap.match else f"the {_lower(title(cap))}"


def _up(micro: int, step: int) -> int:
    return -(-micro // step) * step


def _consent_choices(question: Question) -> tuple[ChoiceView, ...]:
    here = Answer(question.id, "local")
    as_is = Answer(question.id, "approve", "request")
    cost = f"At most {words.bound(question.at_most)}. " if question.at_most is not None else ""
    send = ChoiceView("Send as it is, this once", f"{cost}What was found leaves this machine.", "Send as it is", as_is)
    if question.local_model is None:
        return (send,)
    return ChoiceView(
        "Answer on this machine", f"{question.local_model}, free. Nothing leaves.", "Answer here", here
    ), send


def _ratio(question: Question, now: datetime) -> float:
    whole = question.waits_until - question.asked
    return min(max((question.waits_until - now.timestamp()) / whole, 0.0), 1.0) if whole > 0 else 0.0


def _short_clock(question: Question, now: datetime) -> str:
    left = question.waits_until - now.timestamp()
    return f"Denies itself in {words.countdown(left)}" if left > 0 else "Waits for your answer"


def _clock(question: Question, now: datetime) -> str:
    at = phase(question, now)
    if at == "expired":
        return ended_sentence(question.agent, "expired")
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
