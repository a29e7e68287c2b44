from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from pointsman.cli import caps
from pointsman.core import budget
from pointsman.wire import admin
from tests.cli.conftest import Ran
from tests.fakes import admin_values as values
from tests.fakes.fake_admin import FakeAdmin

Run = Callable[..., Ran]
RULE = '[[allowances]]\nname = "n"\nover = 0.7\n'
ASKED = values.changed(values.QUESTION, allowance=RULE)
GRANT = admin.GrantState(
    id="q1-0", scope="agent", bound="Claude Code, big", cap="daily", amount=700_000, left=250_000, expires=0.0
)


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        (["--scope", "agent", "--for", "2h"], admin.Answer("q1", "approve", "agent", None, 7_200)),
        (["--scope", "agent", "--amount", "5"], admin.Answer("q1", "approve", "agent", 5_000_000)),
        (["--scope", "always", "--yes"], admin.Answer("q1", "approve", "always")),
        (
            ["--price-in", "3.00", "--price-out", "15.00"],
            admin.Answer("q1", "approve", price=(3_000_000, 15_000_000)),
        ),
    ],
)
def test_an_approval_says_how_far(run: Run, door: FakeAdmin, argv: list[str], command: admin.Answer) -> None:
    """Scope, amount, time and price travel as they were typed."""
    assert run("approvals", "approve", "q1", *argv).code == 0
    assert door.commands == [command]


def test_always_shows_the_rule_before_it_is_written(run: Run, door: FakeAdmin) -> None:
    """The very text, then a question; a no writes nothing."""
    door.answers[admin.Listing] = [ASKED]
    ran = run("approvals", "approve", "q1", "--scope", "always", stdin="n\n")
    assert (ran.code, RULE.strip() in ran.out) == (1, True)
    assert ran.err.endswith("Nothing was written, and the question still waits.\n")
    ran = run("approvals", "approve", "q1", "--scope", "always", "--amount", "5", stdin="y\n")
    assert (ran.code, "over = $5.00, as you said" in ran.out) == (0, True)
    assert door.commands[-1] == admin.Answer("q1", "approve", "always", 5_000_000)


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--price-in", "3"], "A price has two parts"),
        (["--for", "1h"], "add --scope agent"),
        (["--scope", "session"], "--amount"),
        (["--scope", "agent", "--for", "soon"], "'soon' is not a span of time"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(run: Run, door: FakeAdmin, argv: list[str], sentence: str) -> None:
    """Nothing is sent."""
    ran = run("approvals", "approve", "q1", *argv)
    assert (ran.code != 0, door.commands, sentence in ran.err) == (True, [], True)


def test_a_question_without_a_rule_cannot_be_allowed_for_good(run: Run, door: FakeAdmin) -> None:
    """Consent and prices have none."""
    door.answers[admin.Listing] = [values.QUESTION]
    ran = run("approvals", "approve", "q1", "--scope", "always")
    assert (ran.code, ran.err.startswith("No rule can allow this question")) == (1, True)


def test_grants_are_listed_and_taken_back(run: Run, door: FakeAdmin) -> None:
    """For whom, over which cap, what is left, until when; rules stay for good."""
    rule = values.changed(GRANT, id="my rule", scope="always", expires=None)
    door.answers[admin.Listing] = [GRANT, rule]
    rows = run("approvals", "grants").out.splitlines()
    assert rows[1].split()[:5] == ["q1-0", "agent", "Claude", "Code,", "big"]
    assert rows[1].split()[6:8] == ["$0.70", "$0.25"]
    assert rows[2].endswith("for good")
    assert json.loads(run("approvals", "grants", "--json").out)[0]["left"] == 250_000
    assert run("approvals", "revoke", "my rule").out == "Taken back.\n"
    assert door.commands[-1] == admin.RevokeGrant("my rule")


def test_a_raised_cap_is_listed_with_the_grants(run: Run, door: FakeAdmin) -> None:
    """Which cap, by how much, what is left of that, until when."""
    raised = values.changed(GRANT, scope="cap", bound="everybody", left=3_410, expires=4e9)
    door.answers[admin.Listing] = [raised]
    row = run("approvals", "grants").out.splitlines()[1].split()
    assert row[1:6] == ["cap", "everybody", "daily", "$0.70", "$0.0034"]


def test_a_question_says_why_it_is_asked(run: Run, door: FakeAdmin) -> None:
    """What a person can do about a paused agent is said for that alone."""
    sentence = "The daily cap shortens answers, yet what is left pays for 9 tokens."
    runaway = values.changed(ASKED, id="q2", kind="runaway", sentence="Codex goes round in circles.")
    door.answers[admin.Listing] = [values.changed(ASKED, sentence=sentence), runaway]
    lines = run("approvals", "list").out.splitlines()
    assert lines[-2] == f"q1: {sentence}"
    assert lines[-1].endswith("Approve lets it go on; deny keeps it paused until 'resume'.")


def test_no_grants_are_one_sentence(run: Run, door: FakeAdmin) -> None:
    """An empty list says so."""
    door.answers[admin.Listing] = []
    assert run("approvals", "grants").out == "Nothing is allowed beyond the caps.\n"


@pytest.mark.parametrize(
    ("words", "known"),
    [
        (caps.Scope, budget.SCOPES),
        (caps.Window, budget.WINDOWS),
        (caps.AtSoft, budget.AT_SOFT),
        (caps.AtLimit, budget.AT_LIMIT),
    ],
)
def test_caps_set_knows_every_word(words: type[caps.Scope], known: tuple[str, ...]) -> None:
    """The command line and the ledger have the same scopes, windows and actions."""
    assert tuple(word.value for word in words) == known


def test_only_what_is_said_of_a_cap_is_sent(run: Run, door: FakeAdmin) -> None:
    """The rest stays as it was, or as a new cap has it."""
    run("caps", "set", "each", "0.50", "--scope", "request", "--at-limit", "shorten")
    sent = admin.SetCap(name="each", limit=500_000, scope="request", at_limit="shorten")
    assert door.commands == [sent]


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--scope", "planet"], "'planet'"),
        (["--window", "year"], "'year'"),
        (["--at-soft", "refuse"], "'refuse'"),
        (["--at-limit", "go"], "'go'"),
    ],
)
def test_a_wrong_word_is_named_with_those_there_are(run: Run, door: FakeAdmin, argv: list[str], sentence: str) -> None:
    """One sentence on standard error, and nothing is sent."""
    ran = run("caps", "set", "daily", "1", *argv)
    assert (ran.code != 0, door.commands, sentence in ran.err) == (True, [], True)
