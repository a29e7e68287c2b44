"""`pointsman explain`: what would happen to a request, without making it."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pointsman.cli import answers, caps, show, words
from pointsman.cli.client import plain, send
from pointsman.core.errors import SetupError
from pointsman.wire import admin

File = Annotated[str, typer.Argument(metavar="FILE", help="A request body as JSON; - is standard input.")]
Headers = Annotated[
    list[str] | None, typer.Option("--header", help="A header the agent sends, such as 'x-pointsman-tier: local'.")
]


class Spoken(StrEnum):
    """The surfaces of the agent door."""

    CHAT = "chat"
    RESPONSES = "responses"
    MESSAGES = "messages"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    COMPACT = "compact"


def explain(
    file: File,
    agent: Annotated[str | None, typer.Option(help="As this agent.")] = None,
    header: Headers = None,
    dialect: Annotated[Spoken, typer.Option(help="What the body is a request of.")] = Spoken.CHAT,
    json: show.Json = False,
) -> None:
    """Say where a request would go, why, and at what price. No call is made."""
    command = admin.Explain(_body(file), agent, dict(_header(text) for text in header or []), dialect.value)
    if json:
        show.as_json(plain(command))
        return
    _print(send(command, answers.Explanation))


def _print(found: answers.Explanation) -> None:
    show.line(found.sentence)
    facts = {
        "Class": found.class_,
        "Size": f"about {found.size.tokens} tokens",
        "Sensitivity": found.sensitivity,
        "Rule": found.rule,
        "Outcome": found.outcome,
    }
    for name, value in facts.items():
        show.line(f"  {name}: {value or words.UNKNOWN}")
    if found.findings:
        show.line(f"  Found: {', '.join(f'{count} {kind}' for kind, count in found.findings.items())}")
    rows = [
        [
            str(number),
            at.target,
            at.tier,
            words.exact(at.about),
            words.bound(at.at_most),
            at.price_source or "",
            at.ask or "",
        ]
        for number, at in enumerate(found.attempts, 1)
    ]
    heads = ["Attempt", "Target", "Tier", "About", "At most", "Price from", "Asks first"]
    print()
    show.table(heads, rows, right=heads[3:5], none="No target may answer it.")
    if found.dropped:
        print()
        show.table(["Not used", "Why"], [[gone.target, gone.reason] for gone in found.dropped], none="")
    if found.caps:
        print()
        caps.table(found.caps)


def _body(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise SetupError(f"{file} cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise SetupError(f"{file} is not UTF-8 text; a request body is JSON.") from None


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise typer.BadParameter(f"{text!r} is not a header; write one such as 'x-pointsman-tier: local'")
    return name.strip().lower(), value.strip()
