"""The approval machine: every way through it, and that there is no other."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pointsman.core import approval
from pointsman.core.approval import Case

NOW = 1_000.0


def new() -> Case:
    """A question asked now."""
    return approval.ask("q1", "who what", "money", NOW)


def test_a_question_has_two_clocks() -> None:
    """The connection waits 45 s, the question lives 15 minutes."""
    assert (new().waits_until - NOW, new().expires - NOW) == (45.0, 900.0)


def test_an_approval_keeps_scope_and_amount() -> None:
    """What was allowed is kept with the case."""
    case = approval.answer(new(), "approve", "session", 5, NOW + 1)
    assert (case.state, case.scope, case.amount, case.ended) == ("approved", "session", 5, NOW + 1)


def test_an_answer_after_the_connection_is_gone_still_counts() -> None:
    """Between the two clocks an approval counts for the retry."""
    assert approval.answer(new(), "approve", "request", 0, NOW + 100).state == "approved"


def test_an_answer_after_the_end_does_not_count() -> None:
    """Past its life the question is expired, whatever is answered."""
    assert approval.answer(new(), "approve", "request", 0, NOW + 900).state == "expired"


def test_an_unknown_verdict_changes_nothing() -> None:
    """Only approve, deny and local are answers."""
    assert approval.answer(new(), "maybe", "request", 0, NOW) == new()


def test_a_denied_question_is_quiet_for_a_minute() -> None:
    """The same question is denied without asking for 60 s, then asked again."""
    case = approval.answer(new(), "deny", "request", 0, NOW)
    assert approval.quiet(case, NOW + 59)
    assert not approval.quiet(case, NOW + 60)


class Approvals(RuleBasedStateMachine):
    """Answers, expiry and withdrawal in any order and at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.case = new()
        self.now = NOW
        self.seen = [self.case.state]

    @rule(seconds=st.floats(0, 400))
    def time_passes(self, seconds: float) -> None:
        """The clock only goes forward."""
        self.now += seconds

    @rule(verdict=st.sampled_from(["approve", "deny", "local", "maybe"]), amount=st.integers(-5, 5))
    def answer(self, verdict: str, amount: int) -> None:
        """The person answers."""
        late = self.now >= self.case.expires
        self.move(approval.answer(self.case, verdict, "request", amount, self.now))
        assert not (late and self.case.state in ("approved", "denied", "local") and self.case.ended == self.now)

    @rule()
    def expire(self) -> None:
        """Somebody looks at the clock."""
        self.move(approval.expire(self.case, self.now))

    @rule()
    def withdraw(self) -> None:
        """Nobody waits any more."""
        self.move(approval.withdraw(self.case, self.now))

    def move(self, case: Case) -> None:
        """Keep the states that were seen."""
        self.case = case
        self.seen.append(case.state)

    @invariant()
    def ends_once(self) -> None:
        """Once closed, a case never changes its state."""
        closed = [state for state in self.seen if state != "pending"]
        assert len(set(closed)) <= 1
        assert self.seen == ["pending"] * (len(self.seen) - len(closed)) + closed

    @invariant()
    def never_negative(self) -> None:
        """No answer makes a negative allowance."""
        assert self.case.amount >= 0


Approvals.TestCase.settings = settings(max_examples=60, stateful_step_count=12, deadline=None)
TestApprovals = Approvals.TestCase
