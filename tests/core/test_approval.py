"""The approval machine: every way through it, and that there is no other."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from pointsman.core import approval
from pointsman.core.approval import Case

NOW = 1_000.0
SOAK = os.environ.get("POINTSMAN_SOAK") == "1"


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


class Asking(RuleBasedStateMachine):
    """A desk of questions as gateway/approvals keeps it: many agents ask, people answer, clients leave, trays die."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.cases: dict[str, Case] = {}
        self.seen: dict[str, list[str]] = {}
        self.answered: dict[str, str] = {}

    @rule(key=st.sampled_from(["a one", "a two", "a three", "a four", "a five", "a six", "b one"]))
    def ask(self, key: str) -> None:
        """An equal question that counts is joined, a seventh one of an agent is not put."""
        equal = [case for case in self.cases.values() if case.key == key and approval.counts(case, self.now)]
        assert len(equal) <= 1
        agent = key[0]
        if equal:
            self.move(approval.join(equal[0], self.now))
            return
        if approval.crowded(self.cases.values(), agent, self.now):
            assert sum(one.open and one.agent == agent for one in self.cases.values()) >= approval.OPEN_EACH
            return
        id_ = f"q{len(self.cases)}"
        self.seen[id_] = ["pending"]
        self.move(approval.join(replace(approval.ask(id_, key, "money", self.now), agent=agent), self.now))

    @rule(seconds=st.sampled_from([0.0, 1.0, 44.0, 46.0, 61.0, 500.0, 901.0]))
    def time_passes(self, seconds: float) -> None:
        """The clock only goes forward; whoever looks closes what has run out."""
        self.now += seconds
        for case in list(self.cases.values()):
            self.move(approval.expire(case, self.now))

    @rule(data=st.data(), verdict=st.sampled_from(["approve", "deny", "local", "maybe"]), amount=st.integers(-5, 5))
    def answer(self, data: st.DataObject, verdict: str, amount: int) -> None:
        """In time or late, for the first or the second time, from the window or the command line."""
        case = self.any(data)
        if case is None:
            return
        after = approval.answer(case, verdict, "request", amount, self.now)
        assert after.state == case.state or case.open
        assert (after.state == "approved") <= (case.state == "approved" or self.now < case.expires)
        self.move(after)

    @rule(data=st.data())
    def a_client_leaves(self, data: st.DataObject) -> None:
        """Its question stays as it is, for the retry."""
        if case := self.any(data):
            assert approval.leave(case).state == case.state
            self.move(approval.leave(case))

    @rule()
    def the_tray_dies(self) -> None:
        """Whoever starts anew sees the same questions: nothing is kept in a window."""
        assert all(case == self.cases[case.id] for case in self.cases.values())

    @rule(data=st.data())
    def money_comes_back(self, data: st.DataObject) -> None:
        """Not needed any more, unless an equal request waits too."""
        case = self.any(data)
        if case is None:
            return
        after = approval.withdraw(case, self.now)
        assert (after.state == "withdrawn") == (
            case.state == "withdrawn" or (case.open and self.now < case.expires and case.waiting <= 1)
        )
        self.move(after)

    def any(self, data: st.DataObject) -> Case | None:
        """One of the questions, if there is one."""
        return self.cases[data.draw(st.sampled_from(sorted(self.cases)))] if self.cases else None

    def move(self, case: Case) -> None:
        """Keep the states that were seen."""
        self.cases[case.id] = case
        self.seen[case.id].append(case.state)

    @invariant()
    def each_ends_once(self) -> None:
        """Once closed, a case never changes its state."""
        for states in self.seen.values():
            closed = [state for state in states if state != "pending"]
            assert len(set(closed)) <= 1
            assert states == ["pending"] * (len(states) - len(closed)) + closed

    @invariant()
    def the_clocks_hold(self) -> None:
        """A connection never waits longer than its question lives, and no question longer than its life."""
        for case in self.cases.values():
            assert case.waits_until <= case.expires == case.asked + approval.LIFE
            assert not (case.open and self.now >= case.expires)

    @invariant()
    def nobody_is_buried(self) -> None:
        """At most five questions of one agent are open."""
        for agent in "ab":
            assert sum(case.open and case.agent == agent for case in self.cases.values()) <= approval.OPEN_EACH

    @invariant()
    def a_denial_is_quiet_for_a_minute(self) -> None:
        """And only for a minute."""
        for case in self.cases.values():
            quiet = case.state == "denied" and case.ended is not None and self.now < case.ended + 60
            assert approval.quiet(case, self.now) == quiet

    @invariant()
    def nothing_is_negative(self) -> None:
        """No answer makes a negative allowance, and nobody leaves who was not there."""
        assert all(case.amount >= 0 and case.waiting >= 0 for case in self.cases.values())


Asking.TestCase.settings = settings(
    max_examples=500 if SOAK else 40, stateful_step_count=50 if SOAK else 25, deadline=None
)
TestAsking = Asking.TestCase


def test_an_equal_question_is_joined_and_its_life_does_not_grow() -> None:
    """The retry's connection waits anew, up to the end of the question."""
    first = approval.join(new(), NOW)
    late = approval.join(first, NOW + 880)
    assert (late.waiting, late.waits_until, late.expires) == (2, NOW + 900, NOW + 900)


def test_a_question_is_withdrawn_only_when_nobody_else_waits() -> None:
    """Two equal requests wait: one runs without asking, the other's question stays."""
    both = approval.join(approval.join(new(), NOW), NOW)
    one = approval.withdraw(both, NOW + 1)
    assert (one.state, one.waiting) == ("pending", 1)
    assert approval.withdraw(one, NOW + 2).state == "withdrawn"


def test_a_local_answer_counts_for_the_retry() -> None:
    """Until it is forgotten with the question's life."""
    case = approval.answer(new(), "local", "request", 0, NOW)
    assert approval.counts(case, NOW + 500)
    assert not approval.forgotten(case, NOW + 900)
    assert approval.forgotten(case, NOW + 901)


@given(st.lists(st.text(max_size=5), min_size=1, max_size=4), st.lists(st.text(max_size=5), min_size=1, max_size=4))
def test_no_two_are_bound_alike(one: list[str], other: list[str]) -> None:
    """Whatever is in a name, the grant of one agent, session or model is never that of another."""
    same = approval.binding("session", *one) == approval.binding("session", *other)
    assert same == (one == other)
    assert approval.binding("agent", *one) != approval.binding("session", *one)


def test_a_binding_is_read_as_people_do() -> None:
    """Names come back as they were written."""
    assert approval.binding("agent", "Claude Code", "big") == "agent:Claude Code/big"
    assert approval.bound(approval.binding("agent", "Claude Code", "openai/big")) == (
        "agent",
        "Claude Code, openai/big",
    )


@pytest.mark.parametrize(
    ("scope", "window_ends", "seconds", "ends"),
    [
        ("request", NOW + 500, 60, NOW + 900),
        ("session", NOW + 500, None, NOW + 500),
        ("session", None, None, NOW + 86_400),
        ("agent", NOW + 500, None, NOW + 3_600),
        ("agent", NOW + 500, 60, NOW + 60),
        ("agent", NOW + 500, 10**9, NOW + 86_400),
        ("agent", NOW + 500, -5, NOW + 1),
    ],
)
def test_a_grant_ends(scope: str, window_ends: float | None, seconds: int | None, ends: float) -> None:
    """With its question, with the window, or after its time: an hour, and never more than a day."""
    assert approval.ends(scope, NOW + 900, window_ends, seconds, NOW) == ends
