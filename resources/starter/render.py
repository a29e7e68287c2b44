"""Turn messages into the text the model sees, with the very template its file embeds."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jinja2.sandbox import ImmutableSandboxedEnvironment

TEMPLATE_FILE = Path(__file__).with_name("chat_template.jinja")

Message = dict[str, Any]
Tool = dict[str, Any]


def _tojson(value: object, **_: object) -> str:
    """Plain JSON: jinja's own filter would write "<" as an HTML escape."""
    return json.dumps(value, ensure_ascii=False)


@cache
def _template() -> Any:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = _tojson
    return environment.from_string(TEMPLATE_FILE.read_text(encoding="utf-8"))


def render(messages: list[Message], tools: list[Tool] | None = None, prompt: bool = False) -> str:
    """Write a conversation as ChatML; with `prompt`, stop where the assistant begins to answer."""
    rendered = _template().render(messages=messages, tools=tools or [], add_generation_prompt=prompt)
    return str(rendered)
