"""A prompt for a worker of this machine, which takes messages and tools in the shape of chat completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pointsman.wire.body import understood
from pointsman.wire.translate.neutral import Prompt
from pointsman.wire.translate.prompts import chat, losses

_SAME = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "logit_bias",
    "logprobs",
)


@understood("its dialect")
def fields(prompt: Prompt) -> dict[str, Any]:
    """The fields of the worker's command, but its id and its limit."""
    told = {name: value for name in _SAME if (value := getattr(prompt, name)) is not None}
    options: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(chat.options(prompt)))
    options.pop("parallel_tool_calls", None)
    if prompt.effort:  # templates know one of the two names, or neither
        told["template"] = {"reasoning_effort": prompt.effort, "enable_thinking": prompt.effort != "none"}
    return {**told, **options, "messages": chat.messages(prompt), "stop": list(prompt.stop)}


_NO_PLACE = ("verbosity",)


def lost(prompt: Prompt) -> list[str]:
    """What a worker has no place for. `user` is none of that: it tells a vendor whose request it is."""
    named = [name for name in _NO_PLACE if getattr(prompt, name) is not None]
    named += ["parallel_tool_calls"] if prompt.choice is not None and prompt.choice.parallel is False else []
    return [*named, *losses.thoughts(prompt, told=True), *losses.errors(prompt), *losses.grammars(prompt)]


def logprobs(told: Sequence[Any]) -> msgspec.Raw:
    """The worker's logprobs of some tokens in chat completions' shape; nothing where it told none."""
    content = [{**_logprob(one), "top_logprobs": [_logprob(other) for other in one.top]} for one in told]
    return msgspec.Raw(msgspec.json.encode({"content": content, "refusal": None})) if content else msgspec.Raw()


def _logprob(one: Any) -> dict[str, Any]:
    return {"token": one.token, "logprob": one.logprob, "bytes": one.bytes}
