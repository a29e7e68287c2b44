"""`pointsman audit` and `agents keep`: what they send, and what they print."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import pytest

from pointsman.wire import admin
from tests.cli.conftest import Ran
from tests.fakes.fake_admin import FakeAdmin

Run = Callable[..., Ran]
MIDNIGHT = datetime(2026, 11, 20).astimezone().timestamp()
NEXT = datetime(2026, 11, 21).astimezone().timestamp()
WHOLE = {"after": 3, "hash": "ab" * 32, "done": True, "problem": None}
COUNT = {"name": "small", "requests": 4, "answered_first": 3, "by_fallback": 1}
COUNTERS = {
    "by_target": [COUNT],
    "by_agent": [COUNT | {"name": ""}],
    "handovers": [{"source": "big", "target": "small", "why": "timed_out", "count": 1}],
}
LEFT = {"provider": "openai", "region": "us", "tier": "cloud", "sensitivity": "personal", "consent": "consented"}
EGRESS = [LEFT | {"requests": 2, "attempts": 3, "bytes": 12_345, "cost": 5_000_000, "first": 1.0, "last": 2.0}]


def answering(door: FakeAdmin, answers: Iterable[Any]) -> None:
    """Give these answers, one after the other, to whatever is asked."""
    waiting = iter(answers)

    def reply(_method: str, _path: str, body: bytes) -> tuple[int, bytes]:
        door.commands.append(admin.decode_command(body))
        return 200, admin.encode(next(waiting))

    door.reply = reply  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("argv", "command", "answer"),
    [
        ("audit egress", admin.Egress(), []),
        ("audit egress --since 2026-11-20", admin.Egress(MIDNIGHT), []),
        ("audit egress --since 2026-11-20 --until 2026-11-20", admin.Egress(MIDNIGHT, NEXT), []),
        ("audit counters --since 2026-11-20", admin.Counters(MIDNIGHT), COUNTERS),
        ("audit counters --until 2026-11-20", admin.Counters(None, NEXT), COUNTERS),
        ("audit verify", admin.AuditVerify(), WHOLE),
        ("audit show r1 --body", admin.ShowBody("r1"), {"body": "", "answer": ""}),
        ("audit forget --before 2026-11-20", admin.ForgetBodies(MIDNIGHT), {"removed": 0}),
        ("audit forget --agent x", admin.ForgetBodies(None, "x"), {"removed": 1}),
        ("audit export", admin.AuditPage(), []),
        ("agents keep x on", admin.KeepBodies("x", True), {"ok": True}),
        ("agents keep x off", admin.KeepBodies("x", False), {"ok": True}),
    ],
)
def test_a_command_line_is_one_command(run: Run, door: FakeAdmin, argv: str, command: Any, answer: Any) -> None:
    """Each command line sends exactly the command that it names, with local dates."""
    answering(door, [answer])
    ran = run(*argv.split())
    assert (ran.code, door.commands, ran.err) == (0, [command], "")


@pytest.mark.parametrize("argv", ["audit export --format xml", "agents keep x maybe", "audit egress --since soon"])
def test_a_wrong_command_line_is_one_line(run: Run, argv: str) -> None:
    """What cannot be meant is refused before anything is sent."""
    ran = run(*argv.split())
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    ("argv", "answer"),
    [("audit egress", EGRESS), ("audit counters", COUNTERS), ("audit show r1 --body", {"body": "x"})],
)
def test_json_is_what_the_gateway_said(run: Run, door: FakeAdmin, argv: str, answer: Any) -> None:
    """With all fields, also those that the table leaves out."""
    answering(door, [answer])
    assert json.loads(run(*argv.split(), "--json").out) == answer


@pytest.mark.parametrize("argv", ["spend", "audit egress", "audit counters", "audit export"])
def test_a_span_that_ends_before_it_begins_is_one_sentence(run: Run, door: FakeAdmin, argv: str) -> None:
    """An empty answer would look like no spending at all."""
    ran = run(*argv.split(), "--since", "2026-11-20", "--until", "2026-11-10")
    assert (ran.code, door.commands, ran.out) == (1, [], "")
    assert ran.err.startswith("--since comes after --until")


def test_counters_of_today_are_the_usual_ones(run: Run, door: FakeAdmin) -> None:
    """From this local midnight."""
    answering(door, [COUNTERS])
    run("audit", "counters")
    [asked] = door.commands
    assert isinstance(asked, admin.Counters) and asked.since is not None
    then = datetime.fromtimestamp(asked.since).astimezone()
    assert (then.hour, then.minute, then.second) == (0, 0, 0)


def test_counters_are_two_tables_and_the_handovers(run: Run, door: FakeAdmin) -> None:
    """Each with its heads; what has no name says so."""
    answering(door, [COUNTERS])
    lines = run("audit", "counters").out.splitlines()
    assert lines[0].split() == [
        *("Target", "Requests", "First", "Fallback", "Escalated", "Queued", "Rejected", "Timed", "out", "Failed"),
        "Stopped",
    ]
    assert lines[1].split() == ["small", "4", "3", "1", "0", "0", "0", "0", "0", "0"]
    assert lines[4].split()[0] == "(none)"
    assert lines[-1].split() == ["big", "small", "timed_out", "1"]


def test_egress_is_a_table(run: Run, door: FakeAdmin) -> None:
    """Who got what."""
    answering(door, [[*EGRESS, EGRESS[0] | {"region": "", "consent": ""}]])
    lines = run("audit", "egress").out.splitlines()
    assert lines[1].split() == ["openai", "us", "personal", "consented", "2", "12,345", "$5.00"]
    assert "not needed" in lines[2]


def test_no_egress_is_a_sentence(run: Run, door: FakeAdmin) -> None:
    """An empty table would leave it open."""
    answering(door, [[]])
    assert run("audit", "egress").out == "Nothing left this machine.\n"


class TestVerify:
    """Piece by piece, until the end or the first row that does not fit."""

    def test_each_piece_follows_the_one_before(self, run: Run, door: FakeAdmin) -> None:
        """The link that was checked last is where the next begins."""
        answering(door, [{"after": 2, "hash": "cd", "done": False}, WHOLE])
        ran = run("audit", "verify")
        assert door.commands == [admin.AuditVerify(), admin.AuditVerify(2, "cd")]
        assert (ran.code, ran.out) == (0, f"The audit is whole: 3 rows. The newest has the hash {'ab' * 32}.\n")

    def test_a_problem_is_its_sentence_and_1(self, run: Run, door: FakeAdmin) -> None:
        """On standard error, as every other problem."""
        answering(door, [{"after": 2, "hash": "cd", "done": False, "problem": "Row 3 is missing."}])
        assert run("audit", "verify") == (1, "", "Row 3 is missing.\n")

    def test_as_json_both_are_told(self, run: Run, door: FakeAdmin) -> None:
        """And the exit code stays."""
        answering(door, [WHOLE, {"after": 2, "hash": "cd", "done": False, "problem": "Row 3 is missing."}])
        whole, broken = (run("audit", "verify", "--json") for _ in range(2))
        assert (whole.code, json.loads(whole.out)["whole"]) == (0, True)
        assert (broken.code, json.loads(broken.out)["problem"]) == (1, "Row 3 is missing.")


def test_a_kept_body_cannot_steer_the_terminal(run: Run, door: FakeAdmin) -> None:
    """Agents and models chose what is in it."""
    answering(door, [{"body": '{"a":\n"\x1b[2J"}', "answer": "fine"}])
    assert run("audit", "show", "r1", "--body").out == '--- body\n{"a":\n"?[2J"}\n--- answer\nfine\n'


@pytest.mark.parametrize(
    ("removed", "says"), [(0, "Nothing was kept of it.\n"), (3, "Removed what was kept of 3 requests.\n")]
)
def test_forgetting_says_how_many(run: Run, door: FakeAdmin, removed: int, says: str) -> None:
    """So that a wrong name is noticed."""
    answering(door, [{"removed": removed}])
    assert run("audit", "forget", "--agent", "x").out == says
