"""What the tray knows of the gateway behind it. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec.structs import replace

PATIENCE = 3.0


class Link(msgspec.Struct, frozen=True):
    """`loading` no snapshot yet, `live`, `lost` under three seconds, `gone` after that or with its process.

    `since` is when the last values were true, or the tray began. `hangs`: its process lives but does not answer.
    `slow`: the first snapshot takes long. `problem` is why a start failed, or what is wrong with the one that runs.
    """

    state: Literal["loading", "live", "lost", "gone"] = "loading"
    since: float = 0.0
    hangs: bool = False
    slow: bool = False
    starting: bool = False
    problem: str | None = None


def lost(link: Link, at: float) -> Link:
    """The stream ended; a start that is under way goes on."""
    return replace(link, state="lost", since=at) if link.state == "live" else link


def started(link: Link) -> Link:
    """The person, or the tray, starts the gateway."""
    return replace(link, starting=True, problem=None, hangs=False)


def failed(link: Link, sentence: str) -> Link:
    """The start did not work."""
    return replace(link, state="gone", starting=False, problem=f"It did not start: {sentence}")


def aged(link: Link, now: float, *, lives: bool, trouble: str | None) -> Link:
    """A second later: a dead process is gone at once, one that lives after three seconds without an answer."""
    if link.state == "live" or link.starting:
        return replace(link, slow=link.state == "loading" and now - link.since >= PATIENCE)
    if now - link.since < PATIENCE and lives:
        return link
    problem = (trouble or link.problem) if lives else link.problem
    return replace(link, state="gone", hangs=lives, slow=False, problem=problem)
