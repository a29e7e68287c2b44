"""`pointsman spend` and `pointsman audit`: what it cost, and how each request was decided."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from pointsman.cli import answers, show, words
from pointsman.cli.client import plain, send
from pointsman.wire import admin

audit = typer.Typer(help="One row for each request.")
Since = Annotated[float | None, typer.Option(parser=words.moment, metavar="DATE", help="From this local date or time.")]
Until = Annotated[float | None, typer.Option(parser=words.end_moment, metavar="DATE", help="Up to and with this date.")]


def spend(
    by: Annotated[
        str, typer.Option(help="person, project, label, agent, session, task, model, tier or day.")
    ] = "agent",
    since: Since = None,
    until: Until = None,
    json: show.Json = False,
) -> None:
    """Show what was spent; today, where no date is given."""
    command = admin.Spend(by, since, until)
    if json:
        show.as_json(plain(command))
        return
    found = send(command, answers.SpendTable)
    rows = [[row.name, str(row.requests), f"{row.tokens:,}", words.money(row.amount)] for row in found.rows]
    total = ["Total", str(sum(row.requests for row in found.rows)), "", words.money(found.total)]
    heads = [found.by.capitalize(), "Requests", "Tokens", "Spent"]
    show.table(heads, [*rows, total] if rows else [], right=heads[1:], none="Nothing was spent.")


@audit.command("list")
def list_audit(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many of the newest.")] = 50,
    agent: Annotated[str | None, typer.Option(help="Only this agent.")] = None,
    json: show.Json = False,
) -> None:
    """List the newest requests."""
    found = send(admin.AuditList(limit, agent), list[dict[str, Any]])
    if json:
        show.as_json(found)
        return
    now = time.time()
    fields = ["agent", "model_asked", "target", "tier", "outcome"]
    rows = [
        [
            words.clock(row.get("at"), now),
            str(row.get("request") or row.get("kind") or ""),
            *(str(row.get(field) or "") for field in fields),
            words.exact(row.get("cost")),
            str(row.get("reason") or ""),
        ]
        for row in found
    ]
    heads = ["Time", "Request", "Agent", "Asked for", "Target", "Tier", "Outcome", "Cost", "Why"]
    show.table(heads, rows, right=["Cost"], none="No request was made yet.")


@audit.command("show")
def show_audit(
    request: Annotated[str, typer.Argument(help="The request's id, as the answer header names it.")],
    json: show.Json = False,
) -> None:
    """Show all that is known of one request."""
    found = send(admin.AuditShow(request), dict[str, Any])
    if json:
        show.as_json(found)
        return
    rows = [[name, _cell(name, value)] for name, value in found.items() if value is not None and value != ""]
    show.table(["Field", "Value"], rows, none="Nothing is known of it.")


def _cell(name: str, value: Any) -> str:
    if name == "at" and isinstance(value, float | int):
        return words.clock(float(value), time.time())
    if name == "cost" and isinstance(value, int):
        return words.exact(value)
    return value if isinstance(value, str) else admin.encode(value).decode()
