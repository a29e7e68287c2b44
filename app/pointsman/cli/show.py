"""What commands print: aligned tables for people, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import typer

from pointsman.wire import admin

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def as_json(value: Any) -> None:
    """Print any struct or plain value as JSON with line breaks."""
    sys.stdout.write(msgspec.json.format(admin.encode(value), indent=2).decode() + "\n")


def line(text: str) -> None:
    """Print one line, without anything that steers a terminal."""
    print(plain(text))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = (), none: str) -> None:
    """Print columns under their heads; those in `right` end flush. `none` is the sentence for an empty table."""
    if not rows:
        print(none)
        return
    cells = [[plain(cell) for cell in row] for row in [heads, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    for row in cells:
        padded = [
            cell.rjust(width) if head in right else cell.ljust(width)
            for cell, width, head in zip(row, widths, heads, strict=True)
        ]
        print("  ".join(padded).rstrip())


def plain(text: str) -> str:
    """The text with a question mark for each character that could steer a terminal; agents choose some of it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
