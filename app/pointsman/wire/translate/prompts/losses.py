"""What of a request's turns and tools another dialect has no place for, each by one name."""

from __future__ import annotations

from collections.abc import Iterator

from pointsman.wire.translate.neutral import Image, Part, Prompt, Result, Thinking


def thoughts(prompt: Prompt, *, told: bool) -> list[str]:
    """Reasoning that is not passed on: all of it, or what only its maker can read."""
    parts = (part for part in _parts(prompt) if isinstance(part, Thinking))
    return ["reasoning"] if any(part.hidden or not told for part in parts) else []


def errors(prompt: Prompt) -> list[str]:
    """That a result of a tool is an error, where only its words can say so."""
    return ["is_error"] if any(isinstance(part, Result) and part.error for part in _parts(prompt)) else []


def details(prompt: Prompt) -> list[str]:
    """How closely a picture is to be looked at."""
    parts = (inner for part in _parts(prompt) for inner in (part.parts if isinstance(part, Result) else (part,)))
    return ["detail"] if any(isinstance(part, Image) and part.detail for part in parts) else []


def grammars(prompt: Prompt) -> list[str]:
    """The language of a tool that takes free text: it is offered as a function of one string."""
    return (
        ["grammar"]
        if any(bytes(tool.grammar) not in (b"", b"null", b'{"type":"text"}') for tool in prompt.tools)
        else []
    )


def _parts(prompt: Prompt) -> Iterator[Part]:
    return (part for turn in prompt.turns for part in turn.parts)
