"""`pointsman audit`: how each request was decided, what left the machine, and whether the record is whole."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated, Any

import typer

from pointsman.cli import answers, show, told, words
from pointsman.cli.client import Refused, plain, send
from pointsman.cli.export import Format, Out, export, shown
from pointsman.cli.spend import Since, Until, span
from pointsman.wire import admin

app = typer.Typer(help="One row for each request, approval and change.")
Request = Annotated[str, typer.Argument(help="The request's id, as the answer header names it.")]
_SHOWN = {
    "requests": "Requests",
    "answered_first": "First",
    "by_fallback": "Fallback",
    "escalated": "Escalated",
    "queued": "Queued",
    "rejected": "Rejected",
    "timed_out": "Timed out",
    "failed": "Failed",
    "stopped": "Stopped",
}


@app.command("list")
def list_audit(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many of the newest.")] = 50,
    agent: Annotated[str | None, typer.Option(help="Only this agent.")] = None,
    json: show.Json = False,
) -> None:
    """List the newest rows."""
    found = [shown(row) for row in send(admin.AuditList(limit, agent), list[dict[str, Any]])]
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
            words.exact(row.get("cost")) if row.get("target") else "",
            str(row.get("reason") or ""),
        ]
        for row in found
    ]
    heads = ["Time", "Request", "Agent", "Asked for", "Target", "Tier", "Outcome", "Cost", "Why"]
    show.table(heads, rows, right=["Cost"], none="No request was made yet.")


@app.command("show")
def show_audit(
    request: Request,
    body: Annotated[bool, typer.Option("--body", help="Show what was kept of it: the request and its answer.")] = False,
    json: show.Json = False,
) -> None:
    """Show what was decided about one request, where it went, why, and what it cost."""
    found = shown(send(admin.ShowBody(request) if body else admin.AuditShow(request), dict[str, Any]))
    if json:
        show.as_json(found)
    elif body:
        for name in ("body", "answer"):
            for line in (f"--- {name}", *str(found.get(name, "")).splitlines()):
                show.line(line)
    else:
        for label, text in told.lines(found, time.time()):
            show.line(f"{label:<10}{text}")


@app.command()
def verify(json: show.Json = False) -> None:
    """Find any row that was changed, removed, moved or cut from the end. The exit code is 1 if there is one."""
    checked = send(admin.AuditVerify(), answers.Checked)
    while not checked.done and checked.problem is None:
        checked = send(admin.AuditVerify(checked.after, checked.hash), answers.Checked)
    if json:
        show.as_json({"whole": checked.done, "rows": checked.after, "hash": checked.hash, "problem": checked.problem})
        raise typer.Exit(0 if checked.done else 1)
    if checked.problem is not None:
        raise Refused(checked.problem)
    show.line(f"The audit is whole: {checked.after:,} rows. The newest has the hash {checked.hash or 'of nothing'}.")


@app.command("export")
def export_audit(
    format_: Annotated[Format, typer.Option("--format", help="One JSON object a line, or a table.")] = Format.JSONL,
    since: Since = None,
    until: Until = None,
    out: Out = "-",
) -> None:
    """Write all rows to a file, or with '-' to standard output."""
    export(format_, span(since, until), out)


@app.command()
def egress(since: Since = None, until: Until = None, json: show.Json = False) -> None:
    """Show what went to which provider; ever, where no date is given."""
    command = admin.Egress(*span(since, until))
    if json:
        show.as_json(plain(command))
        return
    rows = [
        [
            *(row.provider, row.region or words.UNKNOWN, row.sensitivity, row.consent or "not needed"),
            *(f"{row.requests:,}", f"{row.bytes:,}", words.money(row.cost)),
        ]
        for row in send(command, list[answers.EgressRow])
    ]
    heads = ["Provider", "Region", "Sensitivity", "Consent", "Requests", "Bytes", "Cost"]
    show.table(heads, rows, right=heads[4:], none="Nothing left this machine.")


@app.command()
def counters(since: Since = None, until: Until = None, json: show.Json = False) -> None:
    """Show how requests fared at each target and for each agent; today, where no date is given."""
    begins, ends = span(since, until)
    command = admin.Counters(begins if begins is not None or ends is not None else _midnight(), ends)
    if json:
        show.as_json(plain(command))
        return
    found = send(command, answers.CounterTables)
    _counts("Target", found.by_target)
    if found.by_agent:
        show.line("")
        _counts("Agent", found.by_agent)
    if found.handovers:
        show.line("")
        rows = [[one.source, one.target, one.why, str(one.count)] for one in found.handovers]
        show.table(["From", "To", "Why", "Times"], rows, right=["Times"], none="")


@app.command()
def forget(
    before: Annotated[float | None, typer.Option(parser=words.moment, metavar="DATE", help="What came before.")] = None,
    agent: Annotated[str | None, typer.Option(help="Only of this agent.")] = None,
) -> None:
    """Remove kept requests and answers. The audit's rows stay."""
    removed = send(admin.ForgetBodies(before, agent), answers.Removed).removed
    show.line("Nothing was kept of it." if not removed else f"Removed what was kept of {removed:,} requests.")


def _counts(head: str, found: list[dict[str, Any]]) -> None:
    rows = [[row["name"] or "(none)", *(str(row.get(name, 0)) for name in _SHOWN)] for row in found]
    heads = [head, *_SHOWN.values()]
    show.table(heads, rows, right=heads[1:], none="No request was made.")


def _midnight() -> float:
    return words.moment(f"{datetime.now().astimezone():%Y-%m-%d}")
