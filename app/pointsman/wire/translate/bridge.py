"""What a model without free-form tools and namespaces answers, as the client that offered them expects it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from pointsman.wire.translate.neutral import Argued, Called, Event, Tool


class Bridge:
    """A free-form tool was offered as a function of one string: its calls get that string alone, once it is whole.

    One object for each answer.
    """

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools = {tool.name: tool for tool in tools if tool.free or tool.namespace}
        self._wrapped: dict[int, list[str]] = {}

    def over(self, event: Event) -> list[Event]:
        """The events that this one becomes."""
        if not self._tools:
            return [event]
        if isinstance(event, Argued) and event.at in self._wrapped:
            self._wrapped[event.at].append(event.text)
            return []
        due: list[Event] = [Argued(at, unwrapped("".join(said))) for at, said in self._wrapped.items()]
        self._wrapped.clear()
        return [*due, self._called(event) if isinstance(event, Called) else event]

    def _called(self, event: Called) -> Called:
        tool = self._tools.get(event.name)
        if tool is None:
            return event
        if tool.free:
            self._wrapped[event.at] = []
        name = event.name.removeprefix(f"{tool.namespace}__") if tool.namespace else event.name
        return replace(event, name=name, free=tool.free, namespace=tool.namespace)


def unwrapped(arguments: str) -> str:
    """The one string of a wrapped call; what is wrapped otherwise stands as it is."""
    try:
        found = msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        return arguments
    text = found.get("input") if isinstance(found, dict) else None
    return text if isinstance(text, str) else arguments
