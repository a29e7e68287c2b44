"""How a download goes, in a terminal: one line that changes, or a line for each change where nobody watches."""

from __future__ import annotations

import shutil
import sys
import time

import typer

from pointsman.cli import show
from pointsman.cli.client import send
from pointsman.wire import admin

_EVERY = 0.5  # seconds between two looks
_ENDED = ("done", "failed", "paused")
_WORDS = {"waiting": "Waits for its turn", "checking": "Checking what is here"}


def follow(begun: admin.Download, *, quiet: bool = False) -> admin.Download:
    """Show a download until it ends, or is paused; what it was then."""
    shown = _Line(begun.name, quiet=quiet)
    now = begun
    try:
        shown.put(now)
        while now.state not in _ENDED:
            time.sleep(_EVERY)
            now = _found(now)
            shown.put(now)
    except KeyboardInterrupt:
        shown.end()
        print(f"The download goes on by itself. 'pointsman models pause {begun.name}' lets it rest.", file=sys.stderr)
        raise typer.Exit(130) from None
    shown.end()
    return now


def _found(before: admin.Download) -> admin.Download:
    for one in send(admin.ListPulls(), list[admin.Download]):
        if one.source == before.source or one.name == before.name:
            return one
    return admin.Download(
        name=before.name, source=before.source, state="failed", received=0, total=before.total, sentence="Given up."
    )


class _Line:
    def __init__(self, name: str, *, quiet: bool) -> None:
        self._name = name
        self._quiet = quiet
        self._watched = sys.stdout.isatty()
        self._last = ""

    def put(self, now: admin.Download) -> None:
        """The line as it is now."""
        if self._quiet:
            return
        if self._watched:
            width = shutil.get_terminal_size().columns - 1
            sys.stdout.write("\r" + show.plain(f"{self._name}: {told(now)}")[:width].ljust(width))
            sys.stdout.flush()
            return
        kind = now.state + now.sentence
        if kind != self._last:
            show.line(f"{self._name}: {told(now)}")
            sys.stdout.flush()
        self._last = kind

    def end(self) -> None:
        """No more of it."""
        if self._watched and not self._quiet:
            sys.stdout.write("\n")


def told(now: admin.Download) -> str:
    """How a download stands, in words."""
    done = f"{size(now.received)} of {size(now.total)}"
    if now.state == "downloading":
        return _running(now, done)
    if now.state == "paused":
        return f"Paused at {done}"
    if now.state == "done":
        return f"Ready, {size(now.total)}, checked. {now.sentence}".rstrip()
    return now.sentence or _WORDS.get(now.state, now.state)


def _running(now: admin.Download, done: str) -> str:
    parts = [done]
    if now.total:
        parts.append(f"{now.received * 100 // now.total} %")
    if now.bytes_per_second:
        parts.append(f"{size(int(now.bytes_per_second))}/s")
    if now.seconds_left is not None:
        parts.append(f"{left(now.seconds_left)} left")
    return ", ".join(parts)


def size(count: int) -> str:
    """Bytes as people count them."""
    for unit, one in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= one:
            return f"{count / one:.1f} {unit}"
    return f"{count} bytes"


def left(seconds: float) -> str:
    """A time still to go, as exact as it can be known."""
    if seconds >= 5400:
        return f"{seconds / 3600:.0f} h"
    if seconds >= 90:
        return f"{seconds / 60:.0f} min"
    return f"{max(1, seconds):.0f} s"
