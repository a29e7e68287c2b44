"""Which targets are out of order now: their breakers, told by the attempts themselves."""

from __future__ import annotations

from collections.abc import Mapping

from pointsman.core.breaker import Breaker


class Health:
    """A breaker for each target, opened by failures and closed by answers."""

    def __init__(self) -> None:
        self._breakers: dict[str, Breaker] = {}

    def answered(self, target: str) -> None:
        """An attempt brought content."""
        self._breakers.pop(target, None)

    def failed(self, target: str, now: float) -> None:
        """An attempt failed through the target's own fault."""
        self._breakers[target] = self._breakers.get(target, Breaker()).failed(now)

    def down(self, now: float) -> Mapping[str, str]:
        """A sentence for each target whose breaker is open."""
        return {
            name: f"it failed {breaker.failures} times in a row and rests for {breaker.retry_at - now:.0f} s"
            for name, breaker in self._breakers.items()
            if breaker.state(now) == "open"
        }
