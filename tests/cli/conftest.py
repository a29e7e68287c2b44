"""An admin door to ask, and a way to give a command and see all of what comes out."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pointsman.__main__ import main
from tests.fakes.fake_admin import FakeAdmin, serving


class Ran(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def door(home: Path) -> Iterator[FakeAdmin]:
    """A gateway's admin door for this home."""
    with serving(home / "gateway.json") as fake:
        yield fake


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Give a command, with a text on standard input."""

    def run(*argv: str, stdin: str = "") -> Ran:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        code = main(argv)
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return run
