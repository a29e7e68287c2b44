"""`pointsman status`, `doctor`, `pause` and `resume`: how things stand, and stop or go."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from pointsman.cli import answers, show, words
from pointsman.cli.client import send, snapshot
from pointsman.wire import admin

Agent = Annotated[str | None, typer.Argument(metavar="[AGENT]", help="One agent; all, where none is named.")]
Span = Annotated[
    float | None, typer.Option("--for", parser=words.seconds, metavar="TIME", help="For so long, such as 30m or 2h.")
]


def status(json: show.Json = False) -> None:
    """Show where Pointsman listens, what today cost and what runs."""
    found = snapshot()
    if json:
        show.as_json(found)
        return
    for text in lines(found):
        show.line(text)


def lines(found: admin.Snapshot) -> list[str]:
    """The status as a person reads it."""
    today = found.today
    waiting = len(found.approvals)
    return [
        f"Pointsman {found.version} at {found.address}, since {words.clock(found.started, found.at)}",
        *([f"Paused{_until(found)}. Go on with 'pointsman resume'."] if found.paused else []),
        f"Today    {_today(today)}",
        f"Requests {_counts(today)}",
        f"Running  {len(found.running)}, {waiting} waiting for you",
        *(f"         {run.agent}  {run.model}  {run.tier}  {run.state}" for run in found.running),
        f"Agents   {', '.join(agent.name for agent in found.agents) or 'none'}",
        f"Models   {', '.join(f'{model.name} ({model.state})' for model in found.models) or 'none'}",
        *([found.proposal] if found.proposal else []),
        *found.notices,
    ]


def _counts(today: admin.Today) -> str:
    """What ran where, and what did not: the parts are the whole."""
    parts = {"local": today.local, "private": today.private, "cloud": today.cloud}
    told = [f"{count:,} {tier}" for tier, count in parts.items()]
    stopped = today.requests - sum(parts.values())
    told += [f"{stopped:,} refused or not run"] if stopped else []
    return f"{today.requests:,}: {', '.join(told)}"


def _today(today: admin.Today) -> str:
    held = f", {words.money(today.held)} held" if today.held else ""
    saved = f", about {words.money(today.saved)} saved" if today.saved else ""
    of = f" of {words.money(today.cap.limit)}, {words.rest(today.cap.left)} left" if today.cap else ""
    return f"{words.money(today.spent)}{of}{held}{saved}"


def _until(found: admin.Snapshot) -> str:
    return f" until {words.clock(found.paused_until, found.at)}" if found.paused_until else ""


def pause(agent: Agent = None, span: Span = None) -> None:
    """Stop one agent, or all of them."""
    until = time.time() + span if span else None
    send(admin.Pause(agent, until), answers.Done)
    ends = f" until {words.clock(until, time.time())}" if until else ""
    show.line(f"{agent or 'Every agent'} is paused{ends}. Go on with 'pointsman resume{f' {agent}' if agent else ''}'.")


def resume(agent: Agent = None) -> None:
    """Let one agent, or all of them, go on."""
    send(admin.Resume(agent), answers.Done)
    show.line(f"{agent or 'Every agent'} may go on.")


def doctor(json: show.Json = False) -> None:
    """Say what works and what does not; exit code 1 when something does not."""
    found = send(admin.Doctor(), list[answers.Finding])
    if json:
        show.as_json(found)
    else:
        rows = [[_state(row), row.name, row.sentence] for row in found]
        show.table(["State", "What", "Finding"], rows, none="There is nothing to look at.")
    if not all(row.ok for row in found):
        raise typer.Exit(1)


def _state(row: answers.Finding) -> str:
    return (row.state or "works") if row.ok else "FAILS"
