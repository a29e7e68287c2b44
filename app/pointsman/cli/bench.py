"""`pointsman bench`: what Pointsman costs and how well it does, measured here. Each runs in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer

from pointsman.core.errors import SetupError

app = typer.Typer(help="Measure what Pointsman costs on this machine.", no_args_is_help=True)


@app.callback()
def _bench() -> None:
    """Measure what Pointsman costs on this machine."""


@app.command()
def overhead(  # noqa: PLR0913 each option is an argument
    *,
    seconds: Annotated[float | None, typer.Option(min=0.01, help="Seconds of each measurement; 2.")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="How often all are measured in turn; 3.")] = None,
    requests: Annotated[int | None, typer.Option(min=1, help="Requests of the memory measurement; 100000.")] = None,
    litellm: Annotated[
        bool, typer.Option("--litellm", help="LiteLLM from PyPI as well; its first time takes minutes.")
    ] = False,
    quick: Annotated[bool, typer.Option("--quick", help="A glance: short runs, one round, fewer requests.")] = False,
    profile: Annotated[
        int | None, typer.Option(min=1, help="Only say where the time of so many requests goes.")
    ] = None,
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write all figures there; - is standard output.")
    ] = None,
) -> int:
    """Show what a request through the gateway costs, beside the same upstream asked directly, nginx and a bare proxy."""
    given = {"--seconds": seconds, "--rounds": rounds, "--requests": requests, "--profile": profile, "--json": json}
    words = [word for name, value in given.items() if value is not None for word in (name, str(value))]
    flags = [name for name, wanted in {"--litellm": litellm, "--quick": quick}.items() if wanted]
    return _run("overhead", [*words, *flags])


@app.command()
def engine(  # noqa: PLR0913 each option is an argument
    *,
    model: Annotated[
        str | None, typer.Option(metavar="FILE", help="A GGUF file; one of 110M parameters is made, if not said.")
    ] = None,
    xllamacpp: Annotated[
        str | None, typer.Option(metavar="PYTHON", help="A Python that has xllamacpp, to compare with.")
    ] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="How often both are measured in turn; 5.")] = None,
    tokens: Annotated[int | None, typer.Option(min=8, help="Tokens of each answer; 128.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A glance: short answers, one round.")] = False,
    apply: Annotated[
        str | None,
        typer.Option(metavar="TARGET", help="Find how many answers this local target bears at once, and store it."),
    ] = None,
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write all figures there; - is standard output.")
    ] = None,
) -> int:
    """Show how quick the engine of local models is, beside xllamacpp, and what a known prefix saves."""
    given = {"--model": model, "--xllamacpp": xllamacpp, "--rounds": rounds, "--tokens": tokens, "--json": json}
    given["--apply"] = apply
    words = [word for name, value in given.items() if value is not None for word in (name, str(value))]
    return _run("engine", [*words, *(["--quick"] if quick else [])])


def _run(name: str, words: list[str]) -> int:
    """Run a measurement to its end; its exit code. What it says goes straight to the person."""
    if getattr(sys, "frozen", False):
        raise SetupError(
            f"'pointsman bench {name}' needs a source checkout. Clone the repository, run 'make set-up-dev' there, "
            "and use that pointsman."
        )
    return subprocess.run([sys.executable, "-m", f"pointsman.bench.{name}", *words], check=False).returncode
