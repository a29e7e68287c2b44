"""The audit as a file: page by page from the gateway, so that neither side ever holds it whole."""

from __future__ import annotations

import contextlib
import csv
import os
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from pointsman.cli.client import send
from pointsman.core.errors import SetupError
from pointsman.wire import admin

Out = Annotated[str, typer.Option(metavar="FILE", help="The file to write; '-' is standard output.")]
Span = tuple[float | None, float | None]
Rows = Iterable[dict[str, Any]]

# Spreadsheets take a cell that begins like this for a formula; ' is here so that what is added can be told apart.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'", "\uff1d", "\uff0b", "\uff0d", "\uff20")

_INTERNAL = ("counted",)
"""What only the counters look at; it says nothing that the other fields do not."""


class Format(StrEnum):
    """How an export is written."""

    JSONL = "jsonl"
    CSV = "csv"


def export(format_: Format, span: Span, out: str) -> None:
    """Write the rows of a span of time. A file is there whole, or not at all."""
    write = _jsonl if format_ is Format.JSONL else _csv
    if out == "-":
        write(rows(span), sys.stdout)
        return
    path = Path(out).expanduser()
    part = path.with_name(path.name + ".part")
    try:
        with _opened(part) as sink:
            write(rows(span), sink)
        part.replace(path)
    except OSError as error:
        raise SetupError(f"{path} cannot be written ({error.strerror}): name another file with --out.") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def rows(span: Span) -> Iterator[dict[str, Any]]:
    """All rows of a span of time, in order."""
    since, until = span
    after = 0
    while page := send(admin.AuditPage(after=after, since=since, until=until), list[dict[str, Any]]):
        yield from (shown(row) for row in page)
        after = page[-1]["seq"]


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row without what is of no use outside, those inside it too."""
    told = {name: value for name, value in row.items() if name not in _INTERNAL}
    return told if "earlier" not in told else told | {"earlier": [shown(one) for one in told["earlier"]]}


def cell(value: Any) -> str:
    """A value as a cell of CSV. A text that a spreadsheet would take for a formula gets a ' before it."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return admin.encode(value).decode()
    return f"'{value}" if value.startswith(_FORMULA) or value.lstrip().startswith(_FORMULA) else value


def _opened(path: Path) -> IO[str]:
    """For its owner alone: the rows name sessions, projects and agents."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8", newline="")


def _jsonl(found: Rows, sink: IO[str]) -> None:
    sink.writelines(admin.encode(row).decode() + "\n" for row in found)


def _csv(found: Rows, sink: IO[str]) -> None:
    writer = csv.writer(sink, lineterminator="\n")
    for number, row in enumerate(found):
        if number == 0:
            writer.writerow(row)
        writer.writerow([cell(value) for value in row.values()])
