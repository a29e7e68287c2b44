"""The command line as a whole. Every command asks the running gateway through its admin door."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from pointsman import __version__
from pointsman.cli import agents, approvals, audit, bench, caps, explain, fit, keys, models, now, prices, spend, wrong

_PROGRAMS = (
    "Programs, which take these names as well: 'pointsman' shows the tray, 'pointsman gateway' serves without a window "
    "(--stop ends it), 'pointsman run' does what 'make run' does."
)

app = typer.Typer(
    help="The control plane for the AI agents on your desktop.",
    epilog=_PROGRAMS,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(now.status)
app.add_typer(agents.app, name="agents")
app.add_typer(keys.app, name="keys")
models.app.command("fit")(fit.fit)
app.add_typer(models.app, name="models")
app.add_typer(caps.app, name="caps")
app.add_typer(approvals.app, name="approvals")
app.command()(now.pause)
app.command()(now.resume)
app.command()(explain.explain)
app.command()(spend.spend)
app.command()(prices.prices)
app.add_typer(audit.app, name="audit")
app.command()(now.doctor)
app.add_typer(bench.app, name="bench")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"pointsman {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")] = False,
) -> None:
    """The control plane for the AI agents on your desktop."""


def run(argv: Sequence[str]) -> int:
    """Do one command; the exit code. A wrong command line is one sentence and 2."""
    try:
        code = app(list(argv), prog_name="pointsman", standalone_mode=False)
    except typer.Abort:
        return 130
    except typer.TyperException as error:
        print(wrong.sentence(error), file=sys.stderr)
        return error.exit_code
    return code if isinstance(code, int) else 0
