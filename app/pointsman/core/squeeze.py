"""What follows where an amount does not fit: wait for holds of others, or what the caps say, and how far to shorten.

Nothing here looks at a clock or a store: shorts and attempts in, choices out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from pointsman.core import budget
from pointsman.core.budget import Account, Short, Subject
from pointsman.core.catalog import Allowance, Batch
from pointsman.core.pricing import Rates
from pointsman.core.routing import Attempt

Action = Literal["refuse", "local", "ask", "defer", "cheaper", "shorten"]
Place = tuple[str, str]
"""An account now: the cap's id and the key."""

LEAST_OUTPUT = 256
"""An answer is never shortened below so many tokens: the person is asked instead."""
_STRICTEST: tuple[Action, ...] = ("refuse", "local", "ask", "defer", "cheaper", "shorten")
_MILLION = 1_000_000
_CENT = 10_000
_ROUNDING = 16  # micro-dollars: each rate at a percentage is rounded up by itself, a millionth for each token


class Shortened(Struct, frozen=True):
    """An attempt with a smaller output limit, and the sentence that says so."""

    attempt: Attempt
    note: str


def worst(shorts: Sequence[Short]) -> Short:
    """The account that stands most in the way."""
    return max(shorts, key=lambda short: (not short.soft, short.over))


def action(shorts: Sequence[Short], *, background: bool) -> Action:
    """What the caps say; the strictest word where they differ. Nobody waits for hours in front of a screen."""
    said = {_word(short) for short in shorts}
    found: Action = next((one for one in _STRICTEST if one in said), "ask")
    return "ask" if found == "defer" and not background else found


def refusing(shorts: Sequence[Short]) -> tuple[Short, ...]:
    """Those whose cap refuses, for the sentence that names one."""
    return tuple(short for short in shorts if _word(short) == "refuse")


def _word(short: Short) -> str:
    return short.account.cap.at_soft if short.soft else short.account.cap.at_limit


def place(account: Account) -> Place:
    """Which account this is, in whichever window."""
    return account.cap.id, account.key


def waiting_helps(shorts: Sequence[Short], amount: int, allowed: Mapping[Place, int]) -> bool:
    """Whether the amount would fit if all holds of others came back; `allowed` is what the person lets pass there."""
    return bool(shorts) and all(_would_fit(short, amount, allowed.get(place(short.account), 0)) for short in shorts)


def _would_fit(short: Short, amount: int, allowed: int) -> bool:
    account = short.account
    return account.held > 0 and account.spent + amount <= _mark(short) + allowed


def _mark(short: Short) -> int:
    return short.account.soft_mark if short.soft else short.account.limit


def deferrable(shorts: Sequence[Short], amount: int) -> bool:
    """Whether a window may come in which the amount fits."""
    return all(amount <= _mark(short) and _turns(short.account) for short in shorts)


def _turns(account: Account) -> bool:
    return account.window.ends is not None or account.held > 0


def uses(waited_for: Collection[Account], subject: Subject) -> bool:
    """Whether a hold of this subject falls into one of these accounts."""
    return any(budget.account_key(account.cap, subject) == account.key for account in waited_for)


def cheaper(attempt: Attempt, plan: Sequence[Attempt], tried: Collection[str]) -> list[Attempt]:
    """The plan's other attempts that may cost less and need no question, the cheapest first."""
    dear = attempt.at_most or 0
    found = [
        one
        for one in plan
        if one.target not in tried and one.ask is None and one.at_most is not None and one.at_most < dear
    ]
    return sorted(found, key=lambda one: one.at_most or 0)


def shorten(attempt: Attempt, shorts: Sequence[Short], n: int) -> Shortened | None:
    """The attempt with the largest output limit that headroom pays for; None where that is not worth an answer.

    `n` is how many answers the request asks for.
    """
    tight = min(shorts, key=_room)
    output = _affordable(attempt, _room(tight), n)
    if output is None or not LEAST_OUTPUT <= output < attempt.output:
        return None
    note = f"answer limited to {output} tokens by the {tight.account.cap.name} cap"
    return Shortened(cut(attempt, output, n), note)


def _room(short: Short) -> int:
    return budget.room(short.account, soft=short.soft)


def _affordable(attempt: Attempt, room: int, n: int) -> int | None:
    """How many tokens of output fit, when each token less saves its price."""
    rate = _least_rate(attempt.rates) * n
    missing = (attempt.at_most or 0) - room
    if rate == 0 or missing <= 0:
        return None
    return attempt.output - -(-missing * _MILLION // rate)


def why_asked(attempt: Attempt, shorts: Sequence[Short], n: int) -> str:
    """Why the person is asked although the caps say something else; empty where they say ask."""
    said = action(shorts, background=False)
    if said == "cheaper":
        return f"The {worst(shorts).account.cap.name} cap takes a cheaper model, and none of the plan fits."
    if said != "shorten":
        return ""
    tight = min(shorts, key=_room)
    output = _affordable(attempt, _room(tight), n)
    head = f"The {tight.account.cap.name} cap shortens answers, yet"
    if output is None:
        return f"{head} a shorter one of {attempt.target} would not cost less."
    if output >= LEAST_OUTPUT:
        return f"{head} this one cannot be given a limit."
    paid = f"pays for {output} tokens" if output > 0 else f"does not even pay for what {attempt.target} has to read"
    return f"{head} what is left {paid}: an answer is not cut below {LEAST_OUTPUT}."


def cut(attempt: Attempt, output: int, n: int) -> Attempt:
    """The same attempt with a smaller output limit; its bound stays a bound at each of its rates."""
    saved = (attempt.output - output) * n * _least_rate(attempt.rates) // _MILLION
    at_most = (attempt.at_most or 0) - saved
    return replace(attempt, output=output, at_most=at_most, about=min(attempt.about or 0, at_most))


def _least_rate(rates: Rates | None) -> int:
    return 0 if rates is None else min([rates.output, *(higher.output for _, higher in rates.above)])


def at_batch_price(attempt: Attempt, batch: Batch) -> Attempt:
    """The same attempt at the provider's price for work that can wait."""
    if attempt.rates is None or attempt.at_most is None:
        return attempt
    return replace(
        attempt,
        rates=_percent(attempt.rates, batch.percent),
        at_most=_part(attempt.at_most, batch.percent) + _ROUNDING,
        about=_part(attempt.about or 0, batch.percent),
        service_tier=batch.service_tier,
    )


def _percent(rates: Rates, percent: int) -> Rates:
    fields = ("input", "cache_read", "cache_write_short", "cache_write_long", "output", "per_request")
    less = {field: _part(getattr(rates, field), percent) for field in fields}
    above = tuple((passed, _percent(higher, percent)) for passed, higher in rates.above)
    return replace(rates, **less, above=above, source=f"{rates.source}, batch at {percent} %")


def _part(amount: int, percent: int) -> int:
    return -(-amount * percent // 100)


def allowance(agent: str, target: str, short: Short, known: Sequence[Allowance]) -> Allowance:
    """The rule that lets this agent and model past this cap by what is missing now, rounded up to a cent.

    One that is known already, and does not reach, is made larger.
    """
    cap = short.account.cap.name
    over = -(-short.over // _CENT) * _CENT
    for one in allowances(known, agent, target):
        if one.cap == cap:
            return replace(one, over=one.over + over)
    name = f"{agent} may use {target} over the {cap} cap"
    return Allowance(name=name, agent=agent, target=target, cap=cap, over=over)


def allowances(allowed: Sequence[Allowance], agent: str, target: str) -> tuple[Allowance, ...]:
    """The rules that speak of this agent and this model."""
    return tuple(one for one in allowed if (one.agent, one.target) == (agent, target))
