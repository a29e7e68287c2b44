"""One question to the person: pending -> approved | denied | local | expired | withdrawn. All transitions are here.

Two clocks: the agent's connection waits until `waits_until`; the question lives until `expires`. An approval after
the connection is gone leaves a grant, so that the agent's retry goes through. Silence is a denial.

    pending   --answer(approve)--> approved     --answer(deny)--> denied      --answer(local)--> local
    pending   --expire------------> expired      --withdraw-----> withdrawn    (held money came back, nobody else waits)
    pending   --join, leave-------> pending      (an equal request waits too; a client went away)
    anything else                 -> unchanged

Neither a tray that dies nor a client that leaves closes a question: only an answer, its end, or money does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal
from urllib.parse import quote, unquote

import msgspec

WAIT = 45.0
LIFE = 15 * 60.0
QUIET = 60.0  # a question like one just denied is denied without asking again
OPEN_EACH = 5  # open questions of one agent: more would bury the person
HOUR = 3_600
DAY = 24 * HOUR

Scope = Literal["request", "session", "cap", "agent", "always"]
VERDICTS = {"approve": "approved", "deny": "denied", "local": "local"}


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A question in its state. `key` is equal for equal questions: who, what and why. `waiting` connections are held."""

    id: str
    key: str
    kind: str
    asked: float
    waits_until: float
    expires: float
    agent: str = ""
    waiting: int = 0
    state: str = "pending"
    scope: str = "request"
    amount: int = 0
    ended: float | None = None

    @property
    def open(self) -> bool:
        """Whether an answer still counts."""
        return self.state == "pending"


def ask(id_: str, key: str, kind: str, now: float, wait: float = WAIT) -> Case:
    """A new question; both clocks start."""
    return Case(id=id_, key=key, kind=kind, asked=now, waits_until=now + wait, expires=now + max(wait, LIFE))


def join(case: Case, now: float, wait: float = WAIT) -> Case:
    """One more connection waits for it, from now; the question's own life does not grow."""
    if not case.open:
        return case
    waits = max(case.waits_until, min(now + wait, case.expires))
    return msgspec.structs.replace(case, waits_until=waits, waiting=case.waiting + 1)


def leave(case: Case) -> Case:
    """A connection is over, or its client went away; the question stays, for the retry."""
    return msgspec.structs.replace(case, waiting=max(0, case.waiting - 1))


def answer(case: Case, verdict: str, scope: str, amount: int, now: float) -> Case:
    """The person's answer; too late, or a second one, changes nothing."""
    if not case.open or now >= case.expires or verdict not in VERDICTS:
        return expire(case, now)
    return msgspec.structs.replace(case, state=VERDICTS[verdict], scope=scope, amount=max(0, amount), ended=now)


def expire(case: Case, now: float) -> Case:
    """Past its life a pending question is closed as expired, which counts as a denial."""
    if not case.open or now < case.expires:
        return case
    return msgspec.structs.replace(case, state="expired", ended=now)


def withdraw(case: Case, now: float) -> Case:
    """Held money came back and the request that waited runs: not needed any more, unless another one waits too."""
    left = expire(leave(case), now)
    return msgspec.structs.replace(left, state="withdrawn", ended=now) if left.open and not left.waiting else left


def quiet(case: Case, now: float) -> bool:
    """Whether a question with the same key is denied without asking: the person just said no."""
    return case.state == "denied" and case.ended is not None and now < case.ended + QUIET


def counts(case: Case, now: float) -> bool:
    """Whether an equal question is this one: it is open, was answered for its retry, or was just denied."""
    return (case.open and now < case.expires) or case.state == "local" or quiet(case, now)


def forgotten(case: Case, now: float) -> bool:
    """Whether an ended case is of no use to any retry."""
    return case.ended is not None and now > case.ended + LIFE


def crowded(cases: Iterable[Case], agent: str, now: float) -> bool:
    """Whether this agent has as many open questions as a person can look at."""
    return sum(case.agent == agent and case.open and now < case.expires for case in cases) >= OPEN_EACH


def binding(scope: str, *parts: str) -> str:
    """To whom a grant is bound, such as "agent:name/target"; no two lists of parts give the same text."""
    return f"{scope}:{'/'.join(quote(part, safe=' ') for part in parts)}"


def ends(scope: str, asked_expires: float, window_ends: float | None, seconds: int | None, now: float) -> float:
    """When a grant ends: a request's with its question, a session's with the window, an agent's after its time."""
    if scope == "agent":
        return now + min(max(seconds or HOUR, 1), DAY)
    return (window_ends or now + DAY) if scope == "session" else asked_expires


def bound(text: str) -> tuple[str, str]:
    """The scope of a binding, and to whom it is bound, as a person reads it."""
    scope, _, parts = text.partition(":")
    return scope, ", ".join(unquote(part) for part in parts.split("/"))
