"""The ways to allow a question, what each sends, and what is wrong with an amount. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from pointsman.tray import words
from pointsman.tray.cap_view import lower, title
from pointsman.tray.words import Sentence, marked
from pointsman.wire.admin import Answer, CapState, Question

SESSION_AMOUNT = 5 * words.DOLLAR
HOUR = 3600
MILLION = 1_000_000
WRONG_AMOUNT = "Write an amount such as 4.00."


class ChoiceView(msgspec.Struct, frozen=True):
    """One way to allow. `amount` may be edited where `{}` stands, in `text` or in `caption`.

    It is at least `least`; what is sent is the part over `base`. The grant ends at `until`. `others` are other
    lengths of time for the same row. `turns`: the rule is shown before it is sent. `priced`: the prices go with it.
    """

    text: str
    caption: str
    button: str
    answer: Answer
    amount: int | None = None
    base: int = 0
    least: int = 0
    until: float | None = None
    others: tuple[ChoiceView, ...] = ()
    turns: bool = False
    priced: bool = False


class PriceView(msgspec.Struct, frozen=True):
    """What a price is worked out over. `exact`: the tokens in are a bound, so that the sum is one too."""

    tokens: str
    tokens_in: int
    tokens_out: int
    exact: bool


Prices = tuple[int | None, int | None]


def choices(question: Question, now: datetime) -> tuple[ChoiceView, ...]:
    """The radio rows, narrowest first; none where there is only one thing to allow."""
    if question.kind == "runaway":
        return ()
    if question.kind == "consent":
        return _consent(question)
    if question.kind == "price":
        return _price(question)
    once = Answer(question.id, "approve", "request")
    first = ChoiceView("Just this request", _once(question), "Allow once", once)
    return (first, *_wider(question, now)) if question.kind in {"money", "soft"} else (first,)


def only(question: Question) -> ChoiceView | None:
    """What the one button allows where there are no rows."""
    if question.kind != "runaway":
        return None
    return ChoiceView("", "", "Let it go on", Answer(question.id, "approve", "request"))


def price_view(question: Question) -> PriceView | None:
    """The price card of a question about an unknown price."""
    if question.kind != "price":
        return None
    tokens_in = question.tokens_bound or question.tokens_in
    tokens = f"{tokens_in:,} tokens in, at most {question.tokens_out:,} out"
    return PriceView(tokens, tokens_in, question.tokens_out, question.tokens_bound is not None)


def sum_of(view: PriceView, prices: Prices) -> Sentence:
    """What the request costs at these prices per million tokens; an en dash until both are there."""
    price_in, price_out = prices
    if price_in is None or price_out is None:
        return marked(words.UNKNOWN)
    micro = -(-(view.tokens_in * price_in + view.tokens_out * price_out) // MILLION)
    return marked(f"at most **{words.bound(micro)}**" if view.exact else f"about **{words.money(micro)}**")


def wrong(choice: ChoiceView, amount: int | None) -> str:
    """What is wrong with the amount as edited; empty where it can be sent."""
    if choice.amount is None:
        return ""
    if amount is None:
        return WRONG_AMOUNT
    return f"This request needs at least {words.bound(choice.least)}." if amount < choice.least else ""


def decided(choice: ChoiceView, amount: int | None, prices: Prices = (None, None), at: float = 0.0) -> Answer:
    """The answer that this choice sends at `at`, with the amount and the prices as edited."""
    answer = choice.answer
    if choice.amount is not None and amount is not None:
        answer = replace(answer, amount=amount - choice.base)
    if choice.until is not None:
        answer = replace(answer, seconds=max(int(choice.until - at), 1))
    price_in, price_out = prices
    if choice.priced and price_in is not None and price_out is not None:
        answer = replace(answer, price=(price_in, price_out))
    return answer


def _once(question: Question) -> str:
    if question.kind == "money":
        return f"Adds {words.bound(question.over)} to {_this(question.cap)}, for this request only"
    return f"Up to {words.bound(question.at_most)}, once"


def _wider(question: Question, now: datetime) -> tuple[ChoiceView, ...]:
    rows = [_session(question, now)]
    if question.kind == "money" and question.cap and question.cap.scope != "request":
        rows.append(_raise(question, question.cap))
    if question.allowance is not None:
        always = Answer(question.id, "approve", "always")
        caption = "Writes a rule. You see it before it is saved."
        rows.append(ChoiceView("Always for this agent and model", caption, "See the rule…", always, turns=True))
    return tuple(rows)


def _session(question: Question, now: datetime) -> ChoiceView:
    """For the session; or, in its place, for this agent and model for a time."""
    amount = max(SESSION_AMOUNT, _up(question.at_most or 0, words.DOLLAR))
    answer = Answer(question.id, "approve", "session", amount)
    session = ChoiceView(
        f"This session, until {question.agent} quits", _up_to(question, "it"), "Allow this session", answer,
        amount, least=question.over,
    )  # fmt: skip
    alike = replace(session, caption=_up_to(question, "them"), answer=replace(answer, scope="agent"))
    text = "This agent and model, {}"
    hour = replace(
        alike, text=text.format("for 1 hour"), button="Allow 1 hour", answer=replace(alike.answer, seconds=HOUR)
    )
    today = replace(alike, text=text.format("until midnight"), button="Allow today", until=_midnight(question, now))
    return replace(session, others=(hour, today))


def _up_to(question: Question, whom: str) -> str:
    if question.kind == "money":
        return f"Adds up to {{}} to {_this(question.cap)}, for {whom} alone"
    return "Up to {} without asking again"


def _midnight(question: Question, now: datetime) -> float:
    if question.cap is not None and question.cap.window == "day" and question.cap.ends is not None:
        return question.cap.ends
    return (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


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
    return "today\u2019s cap" if cap.window == "day" and not cap.match else f"the {lower(title(cap))}"


def _up(micro: int, step: int) -> int:
    return -(-micro // step) * step


def _consent(question: Question) -> tuple[ChoiceView, ...]:
    as_is = Answer(question.id, "approve", "request")
    cost = f"At most {words.bound(question.at_most)}. " if question.at_most is not None else ""
    send = ChoiceView("Send as it is, this once", f"{cost}What was found leaves this machine.", "Send as it is", as_is)
    if question.local_model is None:
        return (send,)
    here = Answer(question.id, "local")
    return ChoiceView(
        "Answer on this machine", f"{question.local_model}, free. Nothing leaves.", "Answer here", here
    ), send


def _price(question: Question) -> tuple[ChoiceView, ...]:
    kept = Answer(question.id, "approve", "request")
    caption = "Kept in your price list with today\u2019s date"
    save = ChoiceView("Use this price from now on", caption, "Save and allow", kept, priced=True)
    if question.local_model is None:
        return (save,)
    here = Answer(question.id, "local")
    name = f"Use {question.local_model}"
    return save, ChoiceView(f"{name} instead", "On this machine, free", name, here)
