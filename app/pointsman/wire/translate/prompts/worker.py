"""A prompt for a worker of this machine, which takes messages and tools in the shape of chat completions."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.wire.translate.neutral import Prompt
from pointsman.wire.translate.prompts import chat

_SAME = ("temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty", "seed")


def fields(prompt: Prompt) -> dict[str, Any]:
    """The fields of the worker's command, but its id and its limit."""
    told = {name: value for name in _SAME if (value := getattr(prompt, name)) is not None}
    options: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(chat.options(prompt)))
    options.pop("parallel_tool_calls", None)
    return {**told, **options, "messages": chat.messages(prompt), "stop": list(prompt.stop)}
