"""`pointsman approvals`: the questions that wait for the person, and what was allowed, where there is no screen."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated, Literal

import typer

from pointsman.cli import answers, show, words
from pointsman.cli.client import plain, send
from pointsman.core.errors import SetupError
from pointsman.wire import admin

app = typer.Typer(help="Questions that wait for you, and what you allowed.")
Id = Annotated[str, typer.Argument(metavar="ID", help="The question, as 'approvals list' names it.")]


class Scope(StrEnum):
    """How far an approval reaches."""

    REQUEST = "request"
    SESSION = "session"
    CAP = "cap"
    AGENT = "agent"
    ALWAYS = "always"


_REACH = (
    "request: this one. session: its session. cap: raise the cap in its window. agent: this agent and model for a "
    "time. always: a rule in your models.toml."
)
_AMOUNT = "How much; for agent and always, what is missing now if left out."
Reach = Annotated[Scope, typer.Option(help=_REACH)]
Amount = Annotated[int | None, typer.Option(parser=words.dollars, metavar="DOLLARS", help=_AMOUNT)]
_SPAN = "How long for agent: an hour if left out, a day at most."
Span = Annotated[float | None, typer.Option("--for", parser=words.seconds, metavar="TIME", help=_SPAN)]
_PRICE = "For an unknown price, in dollars: a million tokens"
PriceIn = Annotated[int | None, typer.Option(parser=words.dollars, metavar="DOLLARS", help=f"{_PRICE} in.")]
PriceOut = Annotated[int | None, typer.Option(parser=words.dollars, metavar="DOLLARS", help=f"{_PRICE} out.")]


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
            words.rest(question.cap.left) if question.cap else "",
            words.left(question.expires, now),
        ]
        for question in found
    ]
    heads = ["ID", "Agent", "Asked because", "Model", "About", "At most", "Left in cap", "Time left"]
    show.table(heads, rows, right=heads[4:], none="No question waits.")
    for question in found:
        if question.sentence:
            paused = (
                " Approve lets it go on; deny keeps it paused until 'resume'." if question.kind == "runaway" else ""
            )
            show.line(f"{question.id}: {question.sentence}{paused}")


@app.command()
def approve(  # noqa: PLR0913 each option of the command is an argument
    question: Id,
    *,
    scope: Reach = Scope.REQUEST,
    amount: Amount = None,
    time_: Span = None,
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write the rule of 'always' without asking back.")] = False,
) -> None:
    """Let the request through."""
    if scope in (Scope.SESSION, Scope.CAP) and amount is None:
        raise SetupError(f"Say how much with --amount, such as --scope {scope.value} --amount 5.00.")
    if time_ is not None and scope is not Scope.AGENT:
        raise SetupError("Only an agent and model are allowed for a time: add --scope agent, or leave --for out.")
    price = _price(price_in, price_out)
    if scope is Scope.ALWAYS and not yes:
        _confirm(question, amount)
    seconds = None if time_ is None else int(time_)
    send(admin.Answer(question, "approve", scope.value, amount, seconds, price), answers.Done)
    show.line("Approved." if scope is not Scope.ALWAYS else "Approved, and the rule is written.")


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


@app.command()
def grants(json: show.Json = False) -> None:
    """List what you allowed and what is left of it."""
    listing = admin.Listing("grants")
    if json:
        show.as_json(plain(listing))
        return
    now = time.time()
    rows = [
        [
            grant.id,
            grant.scope,
            grant.bound,
            grant.cap,
            words.money(grant.amount),
            words.rest(grant.left),
            "for good" if grant.expires is None else words.clock(grant.expires, now),
        ]
        for grant in send(listing, list[admin.GrantState])
    ]
    heads = ["ID", "Allowed for", "Bound to", "Over cap", "By", "Left", "Until"]
    show.table(heads, rows, right=["By", "Left"], none="Nothing is allowed beyond the caps.")


@app.command()
def revoke(
    grant: Annotated[str, typer.Argument(metavar="ID", help="The grant or rule, as 'approvals grants' names it.")],
) -> None:
    """Take back what is not yet spent of a grant or of a raised cap, or a rule out of your models.toml."""
    send(admin.RevokeGrant(grant), answers.Done)
    show.line("Taken back.")


def _price(price_in: int | None, price_out: int | None) -> tuple[int, int] | None:
    if (price_in is None) != (price_out is None):
        raise SetupError("A price has two parts: give both --price-in and --price-out, such as 3.00 and 15.00.")
    return None if price_in is None or price_out is None else (price_in, price_out)


def _confirm(question: str, amount: int | None) -> None:
    """Show the rule before it is written."""
    found = {one.id: one for one in send(admin.Listing("approvals"), list[admin.Question])}
    asked = found.get(question)
    if asked is None or asked.allowance is None:
        raise SetupError("No rule can allow this question: 'pointsman approvals list' names those that wait.")
    for line in asked.allowance.splitlines():
        show.line(line)
    if amount is not None:
        show.line(f"# over = {words.money(amount)}, as you said")
    if not typer.confirm("Write this into your models.toml?"):
        raise SetupError("Nothing was written, and the question still waits.")


def _answer(question: str, verdict: Literal["deny", "local"]) -> None:
    send(admin.Answer(question, verdict), answers.Done)
