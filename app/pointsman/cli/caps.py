"""`pointsman caps`: limits on what a scope may spend in a window."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from pointsman.cli import answers, show, words
from pointsman.cli.client import plain, send
from pointsman.wire import admin

app = typer.Typer(help="Caps: limits on spending.")
Name = Annotated[str, typer.Argument(help="The cap's name.")]
Limit = Annotated[int, typer.Argument(parser=words.dollars, metavar="DOLLARS", help="The limit, such as 10.00.")]


class Scope(StrEnum):
    """What a cap counts."""

    EVERYTHING = "everything"
    PERSON = "person"
    PROJECT = "project"
    LABEL = "label"
    AGENT = "agent"
    SESSION = "session"
    TASK = "task"
    MODEL = "model"
    TIER = "tier"
    REQUEST = "request"


class Window(StrEnum):
    """When a cap starts anew, in local time."""

    ONCE = "once"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    SESSION = "session"


class AtSoft(StrEnum):
    """What happens at the soft mark."""

    GO = "go"
    ASK = "ask"
    LOCAL = "local"
    CHEAPER = "cheaper"
    SHORTEN = "shorten"
    DEFER = "defer"


class AtLimit(StrEnum):
    """What happens at the limit."""

    ASK = "ask"
    LOCAL = "local"
    CHEAPER = "cheaper"
    SHORTEN = "shorten"
    DEFER = "defer"
    REFUSE = "refuse"


_ACTIONS = (
    "ask: you are asked. local: a model on this machine answers. cheaper: a cheaper model of the plan that fits. "
    "shorten: a shorter answer that fits. defer: work in the background waits."
)


@app.command("list")
def list_caps(json: show.Json = False) -> None:
    """List the caps and what is left of each."""
    listing = admin.Listing("caps")
    if json:
        show.as_json(plain(listing))
        return
    found = send(listing, list[admin.CapState])
    table(found)


@app.command("set")
def set_cap(  # noqa: PLR0913 each option of the command is an argument
    name: Name,
    limit: Limit,
    *,
    window: Annotated[
        Window | None,
        typer.Option(help="When it starts anew, in your local time; session: with each session.", show_default="day"),
    ] = None,
    scope: Annotated[Scope | None, typer.Option(help="What it counts.", show_default="everything")] = None,
    match: Annotated[str | None, typer.Option(help="Which one of the scope; without it, each by itself.")] = None,
    warn: Annotated[
        int | None, typer.Option(min=1, max=100, help="The soft mark, in percent of the limit.", show_default="80")
    ] = None,
    at_soft: Annotated[
        AtSoft | None, typer.Option(help="At the soft mark; go: nothing happens.", show_default="go")
    ] = None,
    at_limit: Annotated[
        AtLimit | None, typer.Option(help=f"At the limit. {_ACTIONS} refuse: it does not run.", show_default="ask")
    ] = None,
) -> None:
    """Make a cap, or change the one with this name: what is not said stays as it is."""
    command = admin.SetCap(
        name=name,
        limit=limit,
        window=window and window.value,
        scope=scope and scope.value,
        match=match,
        soft_percent=warn,
        at_soft=at_soft and at_soft.value,
        at_limit=at_limit and at_limit.value,
    )
    send(command, answers.Done)
    said = "." if limit else ": nothing may be spent under it. Models on this machine go on."
    show.line(f"The cap {name} is {words.money(limit)}{said}")


@app.command()
def remove(name: Name) -> None:
    """Remove a cap."""
    send(admin.RemoveCap(name), answers.Done)
    show.line(f"The cap {name} is removed.")


def table(found: list[admin.CapState]) -> None:
    """Print caps as rows."""
    rows = [
        [
            cap.name,
            f"{cap.scope} {words.owner(cap.match)}".rstrip(),
            cap.window,
            _limit(cap),
            words.money(cap.spent),
            words.money(cap.held),
            words.rest(cap.left),
            f"{cap.soft_percent} %: {cap.at_soft}",
            cap.at_limit,
        ]
        for cap in found
    ]
    heads = ["Cap", "Counts", "Window", "Limit", "Spent", "Held", "Left", "Warns at", "At the limit"]
    none = "There are no caps. Set one with 'pointsman caps set daily 10.00'."
    show.table(heads, rows, right=heads[3:7], none=none)


def _limit(cap: admin.CapState) -> str:
    return (
        f"{words.money(cap.limit - cap.raised)} + {words.money(cap.raised)}" if cap.raised else words.money(cap.limit)
    )
