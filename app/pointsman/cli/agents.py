"""`pointsman agents`: who may ask, each with a key of its own."""

from __future__ import annotations

import sys
import time
from enum import StrEnum
from typing import Annotated

import typer

from pointsman.cli import answers, show, words
from pointsman.cli.client import plain, send
from pointsman.wire import admin

app = typer.Typer(help="Agents and their keys.")


class Switch(StrEnum):
    """Whether bodies are kept."""

    ON = "on"
    OFF = "off"


Name = Annotated[str, typer.Argument(help="The agent's name.")]


@app.command()
def add(
    name: Name,
    key_stdin: Annotated[bool, typer.Option("--key-stdin", help="Read the key to use from standard input.")] = False,
    json: show.Json = False,
) -> None:
    """Add an agent and print its key, once."""
    key = sys.stdin.readline().strip() if key_stdin else None
    _print(send(admin.AddAgent(name, key), answers.NewKey), json=json)


@app.command("list")
def list_agents(json: show.Json = False) -> None:
    """List the agents."""
    listing = admin.Listing("agents")
    if json:
        show.as_json(plain(listing))
        return
    found = send(listing, list[admin.AgentState])
    now = time.time()
    rows = [
        [
            agent.name,
            f"…{agent.key_hint}",
            str(agent.requests_today),
            words.money(agent.spent_today),
            words.clock(agent.last_request, now),
            _state(agent, now),
        ]
        for agent in found
    ]
    heads = ["Agent", "Key", "Requests today", "Spent today", "Last request", "State"]
    show.table(heads, rows, right=heads[2:4], none="There are no agents. Add one with 'pointsman agents add NAME'.")


@app.command()
def rotate(name: Name, json: show.Json = False) -> None:
    """Give an agent a new key and print it, once. The old one stops working."""
    _print(send(admin.RotateAgent(name), answers.NewKey), json=json)


@app.command()
def remove(name: Name) -> None:
    """Remove an agent. Its key stops working; what it spent stays in the books."""
    send(admin.RemoveAgent(name), answers.Done)
    show.line(f"{name} is removed.")


@app.command()
def keep(
    name: Name,
    switch: Annotated[Switch, typer.Argument(help="on or off.")],
) -> None:
    """Keep this agent's requests and answers on this machine, or do not. What was kept already stays."""
    send(admin.KeepBodies(name, switch is Switch.ON), answers.Done)
    said = "are kept" if switch is Switch.ON else "are not kept any more"
    show.line(f"Requests and answers of {name} {said}.")


def _print(made: answers.NewKey, *, json: bool) -> None:
    if json:
        show.as_json(made)
        return
    show.line(made.key)
    sys.stdout.flush()
    print(f"This is the key of {made.name}. It is not shown again.", file=sys.stderr)


def _state(agent: admin.AgentState, now: float) -> str:
    said = []
    if agent.all_paused:
        said.append(f"paused with all agents{_until(agent.all_paused_until, now)}")
    if agent.paused:
        said.append(f"paused{_until(agent.paused_until, now)}")
    return ", ".join(said) or "ready"


def _until(ends: float | None, now: float) -> str:
    return f" until {words.clock(ends, now)}" if ends else ""
