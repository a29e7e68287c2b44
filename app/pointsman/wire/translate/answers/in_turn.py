"""Calls of one answer, one after the other: some providers send the pieces of several at the same time."""

from __future__ import annotations

import msgspec

from pointsman.wire.translate.neutral import Argued, Called, Event


class InTurn:
    """What belongs to a later call waits until the arguments of the one before are whole, or the answer ends."""

    def __init__(self) -> None:
        self._open = -1
        self._said: list[str] = []
        self._waiting: dict[int, list[Event]] = {}

    def over(self, event: Called | Argued) -> list[Event]:
        """The events whose turn it is. Raises `ValueError` for arguments of a call that was whole already."""
        if event.at == self._open:
            return [*self._pass(event), *(self._next() if self._waiting and self._whole() else ())]
        if event.at < self._open:
            if isinstance(event, Argued) and event.text.strip():
                raise ValueError("a call of a tool goes on after its end")
            return []
        self._waiting.setdefault(event.at, []).append(event)
        return self._next() if self._open < 0 or (len(self._waiting) == 1 and self._whole()) else []

    def end(self) -> list[Event]:
        """All that waits."""
        found: list[Event] = []
        while self._waiting:
            found += self._next()
        return found

    def _next(self) -> list[Event]:
        found: list[Event] = []
        while self._waiting and (not found or self._whole()):
            self._open, self._said = min(self._waiting), []
            for event in self._waiting.pop(self._open):
                found += self._pass(event)
        return found

    def _pass(self, event: Event) -> list[Event]:
        if isinstance(event, Argued):
            self._said.append(event.text)
        return [event]

    def _whole(self) -> bool:
        try:
            msgspec.json.decode("".join(self._said))
        except msgspec.DecodeError:
            return False
        return True
