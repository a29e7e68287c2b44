"""`pointsman models`: where requests may go, which local models are loaded, and getting more of them."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from pointsman.cli import answers, progress, show, words
from pointsman.cli.client import plain, send
from pointsman.wire import admin

app = typer.Typer(help="Models that requests may go to.")
Model = Annotated[str, typer.Argument(help="A local target's name.")]
Pulled = Annotated[str, typer.Argument(help="A local target's name, or owner/repository[:QUANTISATION].")]


@app.command("list")
def list_models(json: show.Json = False) -> None:
    """List the targets of models.toml, and where each local model lies."""
    listing = admin.Listing("models")
    if json:
        show.as_json(plain(listing))
        return
    found = send(listing, list[answers.ModelRow])
    rows = [
        [
            text or ""
            for text in (row.name, row.tier, row.model, row.provider, row.state, row.price or words.UNKNOWN, row.where)
        ]
        for row in found
    ]
    heads = ["Target", "Tier", "Model", "Provider", "State", "Price", "Where"]
    show.table(heads, rows, none="models.toml names no targets.")


@app.command()
def pull(model: Pulled, json: show.Json = False) -> None:
    """Download a model and show how it goes; Ctrl+C leaves it to go on by itself."""
    asked = admin.PullModel(model, os.environ.get("HF_ENDPOINT"), os.environ.get("HF_TOKEN"))
    begun = send(asked, admin.Download)
    ended = progress.follow(begun, quiet=json)
    if json:
        show.as_json(ended)
    if ended.state != "done":
        raise typer.Exit(1)


@app.command()
def downloads(json: show.Json = False) -> None:
    """List what is on its way."""
    if json:
        show.as_json(plain(admin.ListPulls()))
        return
    rows = [[row.name, progress.told(row)] for row in send(admin.ListPulls(), list[admin.Download])]
    show.table(["Model", "State"], rows, none="Nothing is on its way.")


@app.command()
def pause(model: Pulled) -> None:
    """Let a download rest; what has come stays."""
    show.line(f"{model}: {progress.told(send(admin.PausePull(model), admin.Download))}")


@app.command()
def resume(model: Pulled) -> None:
    """Go on with a download from its last byte."""
    show.line(f"{model}: {progress.told(send(admin.ResumePull(model), admin.Download))}")


@app.command()
def cancel(model: Pulled) -> None:
    """Give a download up and delete what has come of it."""
    freed = send(admin.CancelPull(model), answers.Freed)
    show.line(f"{model} is not downloaded; {progress.size(freed.freed)} are free again.")


@app.command()
def remove(model: Pulled) -> None:
    """Delete a downloaded model. Files of other programs are never deleted."""
    freed = send(admin.RemoveModel(model), answers.Freed)
    show.line(f"{model} is removed, which frees {progress.size(freed.freed)}. {freed.sentence}".rstrip())


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
