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

    def rests(self, target: str, now: float) -> float:
        """Seconds until it is tried again; none where it does not rest."""
        breaker = self._breakers.get(target)
        return max(0.0, breaker.retry_at - now) if breaker is not None and breaker.state(now) == "open" else 0.0

    def down(self, now: float) -> Mapping[str, str]:
        """A sentence for each target whose breaker is open."""
        if not self._breakers:
            return {}
        return {
            name: f"it failed {breaker.failures} times in a row and rests for {breaker.retry_at - now:.0f} s"
            for name, breaker in self._breakers.items()
            if breaker.state(now) == "open"
        }
