"""A tool that takes free text, offered as a function of one string: not every model knows the other kind."""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string", "description": "The tool's whole input, as plain text."}
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"input": _TEXT}, "required": ["input"]}
"""What such a function takes."""


def wrapped(text: str) -> dict[str, str]:
    """A call's text as the arguments of such a function."""
    return {"input": text}
