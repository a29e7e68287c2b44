"""`pointsman models`: where requests may go, and which local models are loaded."""

from __future__ import annotations

from typing import Annotated

import typer

from pointsman.cli import answers, show, words
from pointsman.cli.client import plain, send
from pointsman.wire import admin

app = typer.Typer(help="Models that requests may go to.")
Model = Annotated[str, typer.Argument(help="A local target's name.")]


@app.command("list")
def list_models(json: show.Json = False) -> None:
    """List the targets of models.toml."""
    listing = admin.Listing("models")
    if json:
        show.as_json(plain(listing))
        return
    found = send(listing, list[answers.ModelRow])
    rows = [
        [row.name, row.tier, row.model or "", row.provider or "", row.state or "", row.price or words.UNKNOWN]
        for row in found
    ]
    show.table(["Target", "Tier", "Model", "Provider", "State", "Price"], rows, none="models.toml names no targets.")


@app.command()
def load(model: Model) -> None:
    """Load a local model now."""
    send(admin.LoadModel(model), answers.Done)
    show.line(f"{model} is loaded.")


@app.command()
def unload(model: Model) -> None:
    """End a local model's worker and free its memory."""
    send(admin.UnloadModel(model), answers.Done)
    show.line(f"{model} is unloaded.")


@app.command()
def reload() -> None:
    """Read models.toml again. A mistake in it is named, and what was read before stays in force."""
    send(admin.Reload(), answers.Done)
    show.line("models.toml is read again.")
