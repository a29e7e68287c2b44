"""A wrong command line in one plain sentence: which part of it, and what to write."""

from __future__ import annotations

import re
from typing import Any

import typer

_BELOW_ZERO = re.compile(r"-[\d.]")
_PLAIN: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^Invalid value(?: for '([^']+)')?: "), r"\1: "),
    (re.compile(r"Value error, "), ""),
    (re.compile(r"Input should be less than or equal to (\S+)"), r"write \1 or less"),
    (re.compile(r"Input should be greater than or equal to (\S+)"), r"write \1 or more"),
    (re.compile(r"Input should be a valid integer.*"), "write a whole number"),
    (re.compile(r"Input should be a valid number.*"), "write a number"),
    (
        re.compile(r"^Got unexpected extra argument(?:\(s\)|s)? \((.*)\)"),
        r"'\1' is too much; put a name of words in quotes",
    ),
    (re.compile(r"^Missing argument '([^']+)'"), r"Say which \1"),
    (re.compile(r"^Missing command"), "Say what to do"),
    (re.compile(r"requires an argument"), "needs a value after it"),
)
"""What the library says, and how a person would say it."""


def sentence(error: typer.TyperException) -> str:
    """What was wrong, and where it is described."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "pointsman"
    option = str(getattr(error, "option_name", "") or "")
    if _BELOW_ZERO.match(option):
        return f"'{option}' is below zero; write 0 or more. See '{command} --help'."
    said = _said(error).rstrip(".")
    return f"{said}{'' if said.endswith('?') else '.'} See '{command} --help'."


def _said(error: typer.TyperException) -> str:
    told = _named(error.format_message(), getattr(error, "param", None))
    for theirs, ours in _PLAIN:
        told = theirs.sub(ours, told)
    return told.removeprefix(": ")


def _named(told: str, param: Any) -> str:
    """An argument in capitals, as the help has it."""
    name = getattr(param, "name", None)
    shown = getattr(param, "metavar", None) or str(name).upper()
    return told.replace(f"'{name}'", f"'{shown}'") if name else told
