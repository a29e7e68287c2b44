"""How many tokens of prompts go into one step."""

from __future__ import annotations

_SLOW_STEP, _QUICK_STEP = 4.0, 1.0  # seconds; between them the size of a step stays
_SMALLEST_STEP = 32
_FIRST_STEP = 64  # a large one may take minutes on a machine that is not known yet, and look like a hang


class Pace:
    """Keeps steps short on slow machines, so that cancelling and the heartbeat stay prompt."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.size = min(most, _FIRST_STEP)

    def took(self, tokens: int, seconds: float) -> None:
        """Learn from one step."""
        if seconds > _SLOW_STEP:
            self.size = max(_SMALLEST_STEP, self.size // 2)
        elif seconds < _QUICK_STEP and tokens >= self.size:
            self.size = min(self._most, self.size * 2)
