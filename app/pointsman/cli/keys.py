"""`pointsman keys`: the providers' keys. They go in by standard input and never come out."""

from __future__ import annotations

import getpass
import sys
from typing import Annotated

import typer

from pointsman.cli import answers, show
from pointsman.cli.client import plain, send
from pointsman.core.errors import SetupError
from pointsman.wire import admin

app = typer.Typer(help="Keys of cloud providers, kept in the system's keychain.")
Provider = Annotated[str, typer.Argument(help="The provider's name in models.toml.")]


@app.command("set")
def set_key(provider: Provider) -> None:
    """Keep a provider's key; it is read from standard input."""
    asked = getpass.getpass(f"Key for {provider}: ") if sys.stdin.isatty() else sys.stdin.readline()
    if not asked.strip():
        raise SetupError(f"No key came on standard input. Give it to 'pointsman keys set {provider}' there.")
    send(admin.SetKey(provider, asked.strip()), answers.Done)
    show.line(f"The key for {provider} is kept in the keychain.")


@app.command("list")
def list_keys(json: show.Json = False) -> None:
    """List the providers and where their keys come from."""
    listing = admin.Listing("keys")
    if json:
        show.as_json(plain(listing))
        return
    found = send(listing, list[answers.KeyRow])
    rows = [[row.provider, row.state, row.where or ""] for row in found]
    show.table(["Provider", "Key", "Where"], rows, none="models.toml names no providers.")


@app.command("test")
def test_key(provider: Provider) -> None:
    """Ask the provider whether the key works."""
    send(admin.TestKey(provider), answers.Done)
    show.line(f"{provider} accepts the key.")


@app.command()
def remove(provider: Provider) -> None:
    """Forget a provider's key."""
    send(admin.RemoveKey(provider), answers.Done)
    show.line(f"The key for {provider} is removed from the keychain.")
