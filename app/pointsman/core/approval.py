"""One question to the person: pending -> approved | denied | local | expired | withdrawn. All transitions are here.

Two clocks: the agent's connection waits until `waits_until`; the question lives until `expires`. An approval after
the connection is gone leaves a grant, so that the agent's retry goes through. Silence is a denial.

    pending   --answer(approve)--> approved     --answer(deny)--> denied      --answer(local)--> local
    pending   --expire------------> expired      --withdraw-----> withdrawn    (the agent left for good)
    anything else                 -> unchanged
"""

from __future__ import annotations

import msgspec

WAIT = 45.0
LIFE = 15 * 60.0
QUIET = 60.0  # a question like one just denied is denied without asking again

VERDICTS = {"approve": "approved", "deny": "denied", "local": "local"}


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A question in its state. `key` is equal for equal questions: who, what and why."""

    id: str
    key: str
    kind: str
    asked: float
    waits_until: float
    expires: float
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
    """Nobody waits any more and no answer would help."""
    return msgspec.structs.replace(case, state="withdrawn", ended=now) if case.open else case


def quiet(case: Case, now: float) -> bool:
    """Whether a question with the same key is denied without asking: the person just said no."""
    return case.state == "denied" and case.ended is not None and now < case.ended + QUIET
