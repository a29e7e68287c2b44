"""`pointsman approvals`: the questions that wait for the person, where there is no screen."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated, Literal

import typer

from pointsman.cli import answers, show, words
from pointsman.cli.client import plain, send
from pointsman.core.errors import SetupError
from pointsman.wire import admin

app = typer.Typer(help="Questions that wait for you.")
Id = Annotated[str, typer.Argument(metavar="ID", help="The question, as 'approvals list' names it.")]


class Scope(StrEnum):
    """How far an approval reaches."""

    REQUEST = "request"
    SESSION = "session"
    CAP = "cap"


@app.command("list")
def list_approvals(json: show.Json = False) -> None:
    """List the questions that wait."""
    listing = admin.Listing("approvals")
    if json:
        show.as_json(plain(listing))
        return
    found = send(listing, list[admin.Question])
    now = time.time()
    rows = [
        [
            question.id,
            question.agent,
            question.kind,
            question.model,
            words.exact(question.about),
            words.bound(question.at_most),
            words.money(question.cap.left) if question.cap else "",
            words.left(question.expires, now),
        ]
        for question in found
    ]
    heads = ["ID", "Agent", "Asked because", "Model", "About", "At most", "Left in cap", "Time left"]
    show.table(heads, rows, right=heads[4:], none="No question waits.")


@app.command()
def approve(
    question: Id,
    scope: Annotated[Scope, typer.Option(help="This request, this session, or raise the cap.")] = Scope.REQUEST,
    amount: Annotated[
        int | None, typer.Option(parser=words.dollars, metavar="DOLLARS", help="How much for session or cap.")
    ] = None,
) -> None:
    """Let the request through."""
    if scope is not Scope.REQUEST and amount is None:
        raise SetupError(f"Say how much with --amount, such as --scope {scope.value} --amount 5.00.")
    send(admin.Answer(question, "approve", scope.value, amount), answers.Done)
    show.line("Approved.")


@app.command()
def deny(question: Id) -> None:
    """Refuse the request."""
    _answer(question, "deny")
    show.line("Denied.")


@app.command()
def local(question: Id) -> None:
    """Let a model on this machine answer instead."""
    _answer(question, "local")
    show.line("A model on this machine answers.")


def _answer(question: str, verdict: Literal["deny", "local"]) -> None:
    send(admin.Answer(question, verdict), answers.Done)
