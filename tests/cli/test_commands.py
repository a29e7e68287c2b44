from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pointsman.wire import admin
from tests.cli.conftest import Ran
from tests.fakes import admin_values as values
from tests.fakes.fake_admin import TOKEN, FakeAdmin

Run = Callable[..., Ran]


class TestDoor:
    """How a command reaches the gateway, and what it says when it does not."""

    def test_no_gateway_is_one_sentence_and_2(self, run: Run) -> None:
        """Without a runtime file the command says how to start one."""
        assert run("status") == (2, "", "Pointsman is not running. Start it with 'pointsman gateway'.\n")

    def test_a_gateway_that_died_is_not_running(self, run: Run, home: Path, door: FakeAdmin) -> None:
        """A runtime file whose port nobody serves is the same as none."""
        told = json.loads((home / "gateway.json").read_text())
        (home / "gateway.json").write_text(json.dumps({**told, "admin_port": 9}))
        assert run("agents", "list") == (2, "", "Pointsman is not running. Start it with 'pointsman gateway'.\n")

    def test_the_token_of_the_runtime_file_is_sent(self, run: Run, door: FakeAdmin) -> None:
        """The admin token travels as a bearer token."""
        run("resume")
        assert door.tokens == [f"Bearer {TOKEN}"]

    def test_a_problem_is_its_sentence_and_1(self, run: Run, door: FakeAdmin) -> None:
        """The gateway's sentence goes to standard error as it is."""
        door.answers[admin.RemoveAgent] = admin.Problem("not_found", "There is no agent named x.")
        assert run("agents", "remove", "x") == (1, "", "There is no agent named x.\n")

    def test_an_answer_of_another_version_is_one_sentence(self, run: Run, door: FakeAdmin) -> None:
        """An answer that does not fit is no traceback."""
        door.answers[admin.Listing] = {"something": "else"}
        ran = run("agents", "list")
        assert (ran.code, ran.err.count("\n"), "could not be read" in ran.err) == (1, 1, True)

    def test_a_proxy_never_sees_the_token(self, run: Run, door: FakeAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
        """The command talks to the gateway directly, whatever proxy the shell names."""
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        assert run("resume").code == 0


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        (["agents", "add", "x"], admin.AddAgent("x")),
        (["agents", "rotate", "x"], admin.RotateAgent("x")),
        (["agents", "remove", "x"], admin.RemoveAgent("x")),
        (["keys", "test", "openai"], admin.TestKey("openai")),
        (["keys", "remove", "openai"], admin.RemoveKey("openai")),
        (["models", "load", "starter"], admin.LoadModel("starter")),
        (["models", "unload", "starter"], admin.UnloadModel("starter")),
        (["caps", "set", "daily", "10.00"], admin.SetCap(name="daily", limit=10_000_000)),
        (
            [
                *["caps", "set", "mine", "$0.5", "--window", "week", "--scope", "agent", "--match", "x"],
                *["--warn", "50", "--at-soft", "ask", "--at-limit", "refuse"],
            ],
            admin.SetCap(
                name="mine", limit=500_000, window="week", scope="agent", match="x", soft_percent=50, at_soft="ask",
                at_limit="refuse",
            ),
        ),
        (["models", "reload"], admin.Reload()),
        (["caps", "remove", "daily"], admin.RemoveCap("daily")),
        (["approvals", "approve", "q1"], admin.Answer("q1", "approve")),
        (
            ["approvals", "approve", "q1", "--scope", "cap", "--amount", "5.00"],
            admin.Answer("q1", "approve", "cap", 5_000_000),
        ),
        (["approvals", "deny", "q1"], admin.Answer("q1", "deny")),
        (["approvals", "local", "q1"], admin.Answer("q1", "local")),
        (["pause"], admin.Pause()),
        (["pause", "x"], admin.Pause("x")),
        (["resume"], admin.Resume()),
        (["resume", "x"], admin.Resume("x")),
    ],
)  # fmt: skip
def test_a_command_line_is_one_command(run: Run, door: FakeAdmin, argv: list[str], command: admin.Command) -> None:
    """Each command line sends exactly the command that it names."""
    door.answers[admin.AddAgent] = door.answers[admin.RotateAgent] = {"name": "x", "key": "pm-new"}
    ran = run(*argv)
    assert (ran.code, door.commands) == (0, [command])


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["nonsense"], "No such command 'nonsense'. See 'pointsman --help'."),
        (["agents"], "Say what to do. See 'pointsman agents --help'."),
        (["caps", "set", "daily"], "Say which DOLLARS. See 'pointsman caps set --help'."),
        (["caps", "set", "daily", "-5"], "'-5' is below zero; write 0 or more."),
        (["caps", "set", "daily", "--", "$-5"], "'$-5' is below zero; write an amount such as 4.00, or 0 for nothing."),
        (["caps", "set", "my", "1", "2"], "'2' is too much; put a name of words in quotes."),
        (["caps", "set", "daily", "1", "--warn", "x"], "--warn: write a whole number."),
        (["caps", "set", "daily", "1", "--window", "year"], "--window: 'year' is not one of 'once', 'hour'"),
        (["audit", "list", "--limit", "0"], "--limit: write 1 or more."),
        (["audit", "list", "--limit"], "'--limit' needs a value after it."),
        (["agents", "ad"], "No such command 'ad'. Did you mean 'add'? See"),
        (["agents", "keep", "x", "maybe"], "SWITCH: 'maybe' is not one of 'on', 'off'."),
        (["caps", "set", "daily", "ten"], "'ten' is not an amount"),
        (["caps", "set", "daily", "--", "-1"], "'-1' is below zero"),
        (["caps", "set", "daily", "10,50"], "'10,50' is not an amount"),
        (["caps", "set", "daily", "nan"], "'nan' is not an amount"),
        (["caps", "set", "daily", "0.0000001"], "at most six decimals"),
        (["caps", "set", "daily", "1", "--warn", "101"], "--warn: write 100 or less."),
        (["pause", "--for", "soon"], "'soon' is not a span of time"),
        (["spend", "--since", "yesterday"], "'yesterday' is not a date"),
        (["approvals", "approve", "q1", "--scope", "all"], "'all'"),
        (["explain", "-", "--header", "nothing"], "'nothing' is not a header"),
    ],
)
def test_a_wrong_command_line_is_one_line(run: Run, argv: list[str], problem: str) -> None:
    """What cannot be meant is refused before anything is sent, with what to write instead."""
    ran = run(*argv)
    assert (ran.code, ran.out, ran.err.count("\n"), problem in ran.err) == (2, "", 1, True), ran.err


class TestAgents:
    """The agents and their keys."""

    def test_add_prints_the_key_alone(self, run: Run, door: FakeAdmin) -> None:
        """Standard output is the key, so that a script can take it."""
        door.answers[admin.AddAgent] = {"name": "x", "key": "pm-new"}
        assert run("agents", "add", "x") == (0, "pm-new\n", "This is the key of x. It is not shown again.\n")

    def test_add_as_json(self, run: Run, door: FakeAdmin) -> None:
        """With --json it is name and key."""
        door.answers[admin.AddAgent] = {"name": "x", "key": "pm-new"}
        assert json.loads(run("agents", "add", "x", "--json").out) == {"name": "x", "key": "pm-new"}

    def test_a_brought_key_comes_from_standard_input(self, run: Run, door: FakeAdmin) -> None:
        """With --key-stdin the key is the line on standard input."""
        door.answers[admin.AddAgent] = {"name": "x", "key": "pm-brought"}
        run("agents", "add", "x", "--key-stdin", stdin="pm-brought\n")
        assert door.commands == [admin.AddAgent("x", "pm-brought")]

    def test_the_list_is_a_table(self, run: Run, door: FakeAdmin) -> None:
        """Columns line up, numbers end flush, a moment that never was is an en dash."""
        door.answers[admin.Listing] = [values.AGENT, values.changed(values.AGENT, name="n8n", paused=True)]
        assert run("agents", "list").out.splitlines() == [
            "Agent        Key    Requests today  Spent today  Last request  State",
            "Claude Code  …x7Qa              12        $3.84  –             ready",  # noqa: RUF001 what the app writes
            "n8n          …x7Qa              12        $3.84  –             paused",  # noqa: RUF001 what the app writes
        ]

    @pytest.mark.parametrize(
        ("changes", "state"),
        [
            ({"all_paused": True}, "paused with all agents"),
            ({"all_paused": True, "all_paused_until": 60.0}, "paused with all agents until 1970"),
            ({"all_paused": True, "paused": True}, "paused with all agents, paused"),
            ({"paused": True, "paused_until": 60.0}, "paused until 1970"),
        ],
    )
    def test_a_pause_of_all_shows_at_each(self, run: Run, door: FakeAdmin, changes: Any, state: str) -> None:
        """An agent that asks in vain is not ready."""
        door.answers[admin.Listing] = [values.changed(values.AGENT, **changes)]
        row = run("agents", "list").out.splitlines()[1].partition(values.UNKNOWN)[2].strip()
        assert row.startswith(state)
        assert "ready" not in row

    def test_no_agents_is_a_sentence(self, run: Run, door: FakeAdmin) -> None:
        """An empty list says what to do."""
        door.answers[admin.Listing] = []
        assert run("agents", "list").out == "There are no agents. Add one with 'pointsman agents add NAME'.\n"


class TestKeys:
    """The providers' keys."""

    def test_the_value_comes_from_standard_input_and_is_not_shown(self, run: Run, door: FakeAdmin) -> None:
        """The key is sent to the gateway and to nowhere else."""
        ran = run("keys", "set", "openai", stdin="sk-secret\n")
        assert door.commands == [admin.SetKey("openai", "sk-secret")]
        assert (ran.code, "sk-secret" in ran.out + ran.err) == (0, False)

    def test_no_value_is_refused(self, run: Run, door: FakeAdmin) -> None:
        """An empty standard input keeps nothing."""
        ran = run("keys", "set", "openai")
        assert (ran.code, door.commands) == (1, [])

    def test_the_list_says_where_a_key_is(self, run: Run, door: FakeAdmin) -> None:
        """Each provider with its state and place."""
        door.answers[admin.Listing] = [{"provider": "openai", "state": "environment", "where": "OPENAI_API_KEY"}]
        assert run("keys", "list").out.splitlines()[1] == "openai    environment  OPENAI_API_KEY"


def test_pause_for_a_while_sends_the_moment(run: Run, door: FakeAdmin) -> None:
    """A span becomes the moment at which the pause ends."""
    before = time.time()
    run("pause", "--for", "30m")
    sent = door.commands[0]
    assert isinstance(sent, admin.Pause) and sent.until is not None
    assert before + 1800 <= sent.until <= time.time() + 1800


def test_an_approval_beyond_the_request_needs_an_amount(run: Run, door: FakeAdmin) -> None:
    """Raising a cap by an unsaid amount is refused here."""
    ran = run("approvals", "approve", "q1", "--scope", "cap")
    assert (ran.code, door.commands, "--amount" in ran.err) == (1, [], True)


def test_approvals_show_the_bound_rounded_up(run: Run, door: FakeAdmin) -> None:
    """The most that a request can cost is never shown as less than it is."""
    door.answers[admin.Listing] = [values.QUESTION]
    assert "$0.0420" in (row := run("approvals", "list").out.splitlines()[1])
    assert "$0.1101" in row


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        ("1e3", "The cap daily is $1,000.00.\n"),
        ("0.005", "The cap daily is $0.005.\n"),
        ("0", "The cap daily is $0.00: nothing may be spent under it. Models on this machine go on.\n"),
    ],
)
def test_caps_set_says_what_the_cap_is(run: Run, door: FakeAdmin, amount: str, said: str) -> None:
    """As it was understood; a cap of nothing says what that means."""
    assert run("caps", "set", "daily", amount).out == said


def test_a_raised_cap_shows_by_how_much(run: Run, door: FakeAdmin) -> None:
    """The cap's own limit and the raise; of two keys both are told."""
    door.answers[admin.Listing] = [values.changed(values.CAP, limit=15_000_000, raised=5_000_000, match="a\x1fs1")]
    row = run("caps", "list").out.splitlines()[1]
    assert "everything a, s1" in row
    assert "$10.00 + $5.00" in row


def test_caps_list(run: Run, door: FakeAdmin) -> None:
    """A cap with its limit, what is spent, held and left, and what happens at its marks."""
    door.answers[admin.Listing] = [values.CAP]
    row = run("caps", "list").out.splitlines()[1]
    assert row == "daily  everything  day     $10.00  $3.84  $0.16  $6.00  80 %: ask  ask"


def test_status(run: Run, door: FakeAdmin) -> None:
    """Address, money, share and what waits, each on a line."""
    door.snapshot = values.SNAPSHOT
    lines = run("status").out.splitlines()
    assert lines[0].startswith("Pointsman 0.1.0 at http://127.0.0.1:4477/v1, since ")
    assert lines[1:4] == [
        "Today    $3.84 of $10.00, $6.00 left, $0.16 held, about $1.20 saved",
        "Requests 12: 8 local, 1 private, 3 cloud",
        "Running  0, 1 waiting for you",
    ]


def test_status_counts_what_did_not_run(run: Run, door: FakeAdmin) -> None:
    """The parts are the whole: what was refused is one of them."""
    door.snapshot = values.changed(values.SNAPSHOT, today=values.changed(values.TODAY, requests=1_212))
    assert run("status").out.splitlines()[2] == "Requests 1,212: 8 local, 1 private, 3 cloud, 1,200 refused or not run"


def test_status_as_json_is_the_snapshot(run: Run, door: FakeAdmin) -> None:
    """Programs get the whole snapshot."""
    door.snapshot = values.SNAPSHOT
    assert admin.decode_snapshot(run("status", "--json").out.encode()) == values.SNAPSHOT


def test_status_says_that_all_is_paused(run: Run, door: FakeAdmin) -> None:
    """A pause of everything is the second line."""
    door.snapshot = values.changed(values.SNAPSHOT, paused=True)
    assert run("status").out.splitlines()[1] == "Paused. Go on with 'pointsman resume'."


def test_audit_list_cannot_steer_the_terminal(run: Run, door: FakeAdmin) -> None:
    """What an agent chose is printed without its control characters."""
    row = {"at": 0.0, "request": "r1", "agent": "x", "model_asked": "\x1b[2Jbad", "cost": 42_000, "outcome": "done"}
    door.answers[admin.AuditList] = [row]
    out = run("audit", "list", "--limit", "5").out
    assert "?[2Jbad" in out
    assert "\x1b" not in out
    assert door.commands == [admin.AuditList(5)]


class TestDoctor:
    """What works and what does not."""

    def test_all_well_is_0(self, run: Run, door: FakeAdmin) -> None:
        """A clean bill ends with 0."""
        door.answers[admin.Doctor] = [{"name": "keychain", "ok": True, "sentence": "It is open."}]
        assert run("doctor").code == 0

    def test_a_fault_is_1(self, run: Run, door: FakeAdmin) -> None:
        """A fault is shown, and a script sees it in the exit code."""
        door.answers[admin.Doctor] = [{"name": "keychain", "ok": False, "sentence": "It is locked."}]
        ran = run("doctor")
        assert (ran.code, ran.out.splitlines()[1]) == (1, "FAILS  keychain  It is locked.")

    def test_what_is_absent_does_not_work_and_is_no_fault(self, run: Run, door: FakeAdmin) -> None:
        """Nobody reads that it works what is not there."""
        absent = {"name": "keychain", "ok": True, "state": "absent", "sentence": "There is none."}
        door.answers[admin.Doctor] = [absent]
        ran = run("doctor")
        assert (ran.code, ran.out.splitlines()[1]) == (0, "absent  keychain  There is none.")


EXPLANATION = {
    "sentence": "It would go to starter on this machine.", "class": "chat", "sensitivity": "public", "findings": {"mail_address": 2},
    "size": {"tokens": 12, "at_most_tokens": 40}, "rule": None, "dropped": [{"target": "big", "reason": "dearer"}], "caps": [values.CAP],
    "outcome": "allow",
    "attempts": [{"target": "starter", "tier": "local", "about": 0, "at_most": 0, "ask": "consent"}],
}  # fmt: skip


class TestExplain:
    """What would happen to a request."""

    def test_a_file_is_sent_as_it_is(self, run: Run, door: FakeAdmin, tmp_path: Path) -> None:
        """The body travels as its own text, with agent and headers."""
        door.answers[admin.Explain] = EXPLANATION
        (tmp_path / "body.json").write_text('{ "model":  "auto" }')
        run("explain", str(tmp_path / "body.json"), "--agent", "x", "--header", "X-Pointsman-Tier: local")
        assert door.commands == [admin.Explain('{ "model":  "auto" }', "x", {"x-pointsman-tier": "local"})]

    def test_a_dash_is_standard_input(self, run: Run, door: FakeAdmin) -> None:
        """The body can be piped in."""
        door.answers[admin.Explain] = EXPLANATION
        run("explain", "-", stdin="{}")
        assert door.commands == [admin.Explain("{}")]

    def test_it_reads_as_sentence_plan_and_caps(self, run: Run, door: FakeAdmin) -> None:
        """First the verdict, then each attempt, what was dropped and why, and the caps."""
        door.answers[admin.Explain] = EXPLANATION
        lines = run("explain", "-", stdin="{}").out.splitlines()
        assert lines[0] == "It would go to starter on this machine."
        assert "1        starter  local   free     free              consent" in lines
        assert "big       dearer" in lines
        assert "  Found: 2 mail_address" in lines

    def test_as_json_is_the_answer(self, run: Run, door: FakeAdmin) -> None:
        """Programs get every field, those too that this command does not know."""
        door.answers[admin.Explain] = {**EXPLANATION, "caps": [], "of_next_year": 1}
        assert json.loads(run("explain", "-", "--json", stdin="{}").out) == {
            **EXPLANATION,
            "caps": [],
            "of_next_year": 1,
        }

    def test_a_missing_file_is_one_sentence(self, run: Run, door: FakeAdmin) -> None:
        """A file that is not there is named."""
        assert run("explain", "/nowhere") == (1, "", "/nowhere cannot be read (No such file or directory).\n")


@pytest.mark.parametrize("argv", ["agents list", "keys list", "models list", "caps list", "approvals list"])
def test_every_listing_takes_json(run: Run, door: FakeAdmin, argv: str) -> None:
    """Programs read every list."""
    door.answers[admin.Listing] = []
    assert json.loads(run(*argv.split(), "--json").out) == []
