"""The figures as plain tables."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pointsman.bench.figures import Check, Figures, Memory, Runs, figures

_HEADS = ("p50", "p99", "+p50", "+p99", "first", "+first", "gap", "+gap", "a second", "cpu")


def cases(runs: Runs, titles: Mapping[str, str], systems: Sequence[str]) -> str:
    """A block for each case: milliseconds, what is added to direct, requests a second, processor time a request."""
    shown = [
        [(title, *_HEADS), *(_row(name, figures(runs, case, name)) for name in systems)]
        for case, title in titles.items()
    ]
    return "\n\n".join(_table(rows) for rows in shown)


def _row(name: str, found: Figures | None) -> tuple[str, ...]:
    if found is None:
        return (f"  {name}", "none")
    added = found.added
    times = (found.p50, found.p99, added.p50, added.p99, found.first, added.first, found.gap, added.gap)
    return (f"  {name}", *(f"{value:.2f}" for value in times), f"{found.per_second:.0f}", f"{found.cpu:.3f}")


def bounds(checks: Sequence[Check]) -> str:
    """Each bound with its figure and whether it holds."""
    rows = [("", "measured", "bound", "aim", "")]
    for one in checks:
        sign = "at least" if one.least else "at most"
        measured = "" if one.value is None else f"{one.value:.2f}"
        aim = "" if one.aim is None else f"{one.aim:g}"
        rows.append((one.name, measured, f"{sign} {one.bound:g}", aim, one.word))
    return _table(rows)


def rest(memory: Memory | None, colds: Mapping[str, float]) -> str:
    """Memory and starts."""
    lines = [f"{name} answers {seconds:.2f} s after its start." for name, seconds in colds.items()]
    if memory is not None:
        lines.append(
            f"pointsman holds {memory.before:.1f} MB, after {memory.requests:,} more requests {memory.after:.1f} MB."
        )
    return "\n".join(lines)


def plain(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows as they are."""
    return _table(rows)


def give(shown: str, data: Mapping[str, Any], file: str | None) -> None:
    """Print the tables, and write the figures where they are wished; - is standard output, tables go aside then."""
    written = msgspec.json.format(msgspec.json.encode(data), indent=2).decode() + "\n"
    if file == "-":
        print(shown, file=sys.stderr)
        sys.stdout.write(written)
        return
    print(shown)
    if file:
        Path(file).write_text(written, "utf-8")


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    columns = max(len(row) for row in rows)
    filled = [row + ("",) * (columns - len(row)) for row in rows]
    widths = [max(len(row[at]) for row in filled) for at in range(columns)]
    lines = []
    for row in filled:
        cells = [
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
