"""What the strict upstream's three dialects share: faults, the model's script, tokens and what they cost."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

SIGNATURE = "c2lnbmVkOg=="  # stands before what the model thought; altered or missing, the thought is refused
_TEXT = "The file says: the answer is forty-two."


class Fault(Exception):
    """The body is wrong: the status and what the vendor's envelope says."""

    def __init__(self, status: int, kind: str, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.kind, self.message, self.param, self.code = status, kind, message, param, code


def bad(message: str, param: str | None = None, code: str | None = None) -> Fault:
    """The commonest fault: 400."""
    return Fault(400, "invalid_request_error", message, param, code)


@dataclass(frozen=True)
class Prices:
    """Dollars per million tokens, in whole micro-dollars per million."""

    fresh: int = 2_000_000
    read: int = 200_000
    short: int = 2_500_000
    long: int = 4_000_000
    output: int = 10_000_000

    def toml(self) -> str:
        """The same, as models.toml writes a price."""
        names = ("input", "cache_read", "cache_write", "cache_write_long", "output")
        rates = (self.fresh, self.read, self.short, self.long, self.output)
        return "{ " + ", ".join(f"{name} = {rate / 1e6}" for name, rate in zip(names, rates, strict=True)) + " }"


@dataclass(frozen=True)
class Used:
    """Tokens of one answer; reasoning is inside the output, everything else stands beside each other."""

    fresh: int = 0
    read: int = 0
    short: int = 0
    long: int = 0
    output: int = 0
    reasoning: int = 0

    @property
    def input(self) -> int:
        """All that was read, from a cache or not."""
        return self.fresh + self.read + self.short + self.long

    def cost(self, prices: Prices) -> int:
        """Micro-dollars; a fraction is rounded up once."""
        rows = ((self.fresh, prices.fresh), (self.read, prices.read), (self.short, prices.short))
        total = sum(count * rate for count, rate in (*rows, (self.long, prices.long), (self.output, prices.output)))
        return -(-total // 1_000_000)


@dataclass(frozen=True)
class Turn:
    """What the model does next: calls a tool or says a text. `cut` is true where the limit ended it."""

    tool: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    custom: bool = False
    text: str = ""
    thought: str = ""
    cut: bool = False

    def pieces(self) -> list[str]:
        """The text as it arrives in a stream."""
        words = self.text.split(" ")
        return [word + " " for word in words[:-1]] + words[-1:]


@dataclass(frozen=True)
class Script:
    """Calls the first tool of `tools` that the client offers, with the arguments beside it; then says `text`."""

    tools: dict[str, dict[str, Any]] = field(default_factory=dict)
    text: str = _TEXT
    thought: str = "I look into the file first."

    def turn(self, offered: dict[str, bool], *, answered: bool, thinks: bool, limit: int) -> Turn:
        """The next turn. `offered` says of each tool whether it takes free text."""
        thought = self.thought if thinks else ""
        name = "" if answered else next((name for name in self.tools if name in offered), "")
        if name:
            return Turn(tool=name, arguments=self.tools[name], custom=offered[name], thought=thought)
        return Turn(text=self.text[: limit * 4], thought=thought, cut=len(self.text) > limit * 4)


def used(raw: bytes, turn: Turn, *, answered: bool, limit: int) -> Used:
    """A token for four bytes. What was marked for a cache is written on the first turn and read on the next."""
    said = len(turn.text) + len(json.dumps(turn.arguments)) + len(turn.thought)
    output, total, half = min(limit, said // 4 + 1), len(raw) // 4, len(raw) // 8
    reasoning = min(output, len(turn.thought) // 4)
    if answered:
        return Used(fresh=total - half, read=half, output=output, reasoning=reasoning)
    if b'"cache_control"' not in raw:
        return Used(fresh=total, output=output, reasoning=reasoning)
    if b'"ttl":"1h"' in raw:
        return Used(fresh=total - half, long=half, output=output, reasoning=reasoning)
    return Used(fresh=total - half, short=half, output=output, reasoning=reasoning)


def sealed(thought: str) -> str:
    """What only this upstream could have made of its thought."""
    return SIGNATURE + thought.encode().hex()


def known(body: dict[str, Any], fields: Iterable[str], message: str) -> None:
    """A field that the vendor does not know is refused, as the vendors do."""
    for name in body:
        if name not in fields:
            raise bad(message.format(name), name, "unknown_parameter")


def whole(value: Any) -> bool:
    """Whether it is a whole number above 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
