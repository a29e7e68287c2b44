"""`pointsman audit export`: the file is the table, page by page, whole or not at all, and no spreadsheet runs it."""

from __future__ import annotations

import csv
import io
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.cli.export import cell
from pointsman.wire import admin
from tests.cli.conftest import Ran
from tests.fakes.fake_admin import FakeAdmin

Run = Callable[..., Ran]
ROWS = [
    {"seq": number, "at": number + 0.5, "agent": f"=cmd|'{number}'", "cost": -number, "code": None, "estimated": True}
    for number in range(1, 8)
]


@pytest.fixture
def table(door: FakeAdmin) -> FakeAdmin:
    """A gateway with seven rows, three on a page."""

    def reply(_method: str, _path: str, body: bytes) -> tuple[int, bytes]:
        asked = admin.decode_command(body)
        assert isinstance(asked, admin.AuditPage)
        door.commands.append(asked)
        return 200, admin.encode([row for row in ROWS if row["seq"] > asked.after][:3])

    door.reply = reply  # type: ignore[method-assign]
    return door


def test_jsonl_equals_the_table(run: Run, table: FakeAdmin) -> None:
    """A row a line, every field with its type."""
    lines = run("audit", "export").out.splitlines()
    assert [json.loads(line) for line in lines] == ROWS


@pytest.mark.parametrize("format_", ["csv", "jsonl"])
def test_what_only_the_counters_read_is_not_exported(run: Run, door: FakeAdmin, format_: str) -> None:
    """A text with control characters between its parts is of no use to anybody else."""
    pages = [[{"seq": 1, "agent": "x", "counted": "request\x1fx"}], []]
    door.reply = lambda *_: (200, admin.encode(pages.pop(0)))  # type: ignore[method-assign]
    out = run("audit", "export", "--format", format_).out
    assert "agent" in out
    assert "counted" not in out
    assert "\\u001f" not in out


def test_csv_equals_the_table(run: Run, table: FakeAdmin) -> None:
    """The heads are the fields; what is not known is empty."""
    read = list(csv.DictReader(io.StringIO(run("audit", "export", "--format", "csv").out)))
    assert read == [{name: cell(value) for name, value in row.items()} for row in ROWS]
    assert read[0] == {"seq": "1", "at": "1.5", "agent": "'=cmd|'1'", "cost": "-1", "code": "", "estimated": "true"}


def test_each_page_follows_the_one_before(run: Run, table: FakeAdmin) -> None:
    """With the same span, until a page is empty."""
    run("audit", "export", "--since", "2026-11-20")
    asked = [command for command in table.commands if isinstance(command, admin.AuditPage)]
    assert [page.after for page in asked] == [0, 3, 6, 7]
    assert len({(page.since, page.until) for page in asked}) == 1


def test_a_file_is_for_its_owner_alone(run: Run, table: FakeAdmin, tmp_path: Path) -> None:
    """And nothing is left beside it."""
    out = tmp_path / "rows.jsonl"
    assert run("audit", "export", "--out", str(out)) == (0, "", "")
    assert [json.loads(line) for line in out.read_text().splitlines()] == ROWS
    assert (stat.S_IMODE(out.stat().st_mode), list(tmp_path.glob("rows*"))) == (0o600, [out])


def test_an_export_that_breaks_off_leaves_the_old_file(run: Run, door: FakeAdmin, tmp_path: Path) -> None:
    """A half one would look whole."""
    out = tmp_path / "rows.csv"
    out.write_text("the old one")
    answers: list[Any] = [ROWS[:3], admin.Problem("unavailable", "The database is away.")]

    def reply(_method: str, _path: str, body: bytes) -> tuple[int, bytes]:
        answer = answers.pop(0)
        return (409 if isinstance(answer, admin.Problem) else 200), admin.encode(answer)

    door.reply = reply  # type: ignore[method-assign]
    assert run("audit", "export", "--format", "csv", "--out", str(out)) == (1, "", "The database is away.\n")
    assert (out.read_text(), list(tmp_path.glob("rows*"))) == ("the old one", [out])


def test_a_place_that_cannot_be_written_is_one_sentence(run: Run, table: FakeAdmin, tmp_path: Path) -> None:
    """It names the file and the way out."""
    out = tmp_path / "missing" / "rows.jsonl"
    says = f"{out} cannot be written (No such file or directory): name another file with --out.\n"
    assert run("audit", "export", "--out", str(out)) == (1, "", says)


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\uff1d1", "'=1", "=cmd|' /C calc'!A0"],
)
def test_no_cell_is_a_formula(text: str) -> None:
    """What a spreadsheet would run gets a ' before it."""
    assert cell(text) == f"'{text}"


@given(st.text(), st.text())
def test_two_texts_never_become_one(one: str, two: str) -> None:
    """What was added can be told apart from what was there."""
    assert (cell(one) == cell(two)) == (one == two)


@given(st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False)))
def test_numbers_stay_numbers(value: float) -> None:
    """A negative amount is no formula, and no digit is lost."""
    assert type(value)(cell(value)) == value
