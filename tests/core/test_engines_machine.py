"""The loop over local models as a machine: whatever happens in whatever order, its promises hold."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pointsman.core import engines
from pointsman.core.engines import Evict, Held, Power, Short

SOAK = bool(os.environ.get("POINTSMAN_SOAK"))
NAMES = st.sampled_from([f"m{at}" for at in range(6)])
KEEP = 600.0


class Loaded:
    """A model that has memory, in the world of this test."""

    def __init__(self, takes: dict[str, int], used: float) -> None:
        self.takes = takes
        self.used = used
        self.users = 0


class Loop(RuleBasedStateMachine):
    """Requests come and go, models are loaded for them, time passes, and the machine's power changes."""

    @initialize(main=st.integers(4, 40), gpu=st.integers(0, 20))
    def begin(self, main: int, gpu: int) -> None:
        """A machine of some size."""
        self.size = {"main": main, "gpu": gpu}
        self.loaded: dict[str, Loaded] = {}
        self.now = 0.0
        self.power = Power()

    def held(self) -> list[Held]:
        """As the rules see it."""
        return [
            Held(name=name, takes=one.takes, used=one.used, busy=one.users > 0) for name, one in self.loaded.items()
        ]

    def free(self) -> dict[str, int]:
        """What is left of the budget."""
        return {
            pool: size - sum(one.takes.get(pool, 0) for one in self.loaded.values()) for pool, size in self.size.items()
        }

    @rule(name=NAMES, main=st.integers(0, 20), gpu=st.integers(0, 10))
    def request(self, name: str, main: int, gpu: int) -> None:
        """A request for a model: it is loaded if need be, and others go for it."""
        if name not in self.loaded and not self.load(name, {"main": main, "gpu": gpu}):
            return
        self.loaded[name].users += 1

    def load(self, name: str, takes: dict[str, int]) -> bool:
        """As the supervisor does; False where it is refused."""
        if engines.refusal(name, self.power) is not None:
            assert self.power.sleeping or self.power.hot or self.power.low
            return False
        before, free = dict(self.loaded), self.free()
        match engines.make_room(takes, free, self.held()):
            case Short(pool=pool, missing=missing):
                idle = sum(one.takes.get(pool, 0) for one in before.values() if not one.users)
                assert missing == takes[pool] - free[pool] - idle > 0, "it would have fitted"
                return False
            case Evict(names):
                self.evict(names, takes)
        self.loaded[name] = Loaded(takes, self.now)
        return True

    def evict(self, names: tuple[str, ...], takes: dict[str, int]) -> None:
        """None in use, none in vain, and none that was used later than one that stays and would have done."""
        assert len(set(names)) == len(names)
        for name in names:
            gone = self.loaded.pop(name)
            assert gone.users == 0
            without = self.free()
            short = [pool for pool, size in takes.items() if without[pool] - gone.takes.get(pool, 0) < size]
            assert gone.takes and (short or name != names[-1])
        assert all(self.free()[pool] >= size for pool, size in takes.items())

    @rule(name=NAMES, seconds=st.floats(0.0, 30.0))
    def answered(self, name: str, seconds: float) -> None:
        """A request ends."""
        if name in self.loaded and self.loaded[name].users:
            self.now += seconds
            self.loaded[name].users -= 1
            self.loaded[name].used = self.now

    @rule(name=NAMES)
    def crashed(self, name: str) -> None:
        """A worker dies, with what it was doing."""
        self.loaded.pop(name, None)

    @rule(seconds=st.floats(0.0, 1000.0))
    def time_passes(self, seconds: float) -> None:
        """Until the loop looks again."""
        self.now += seconds
        self.look()

    def look(self) -> None:
        """As the supervisor's loop does."""
        wait = engines.next_look(self.held(), self.now, self.power, KEEP)
        gone = engines.unloads(self.held(), self.now, self.power, KEEP)
        if wait is not None and wait > 0 and not (self.power.sleeping or self.power.low):
            assert not gone, "it looked too early"
        for one in gone:
            model = self.loaded.pop(one.name)
            assert model.users == 0
            if one.why == "idle":
                assert self.now - model.used >= (min(KEEP, 120.0) if self.power.on_battery else KEEP)

    @rule(
        power=st.builds(
            Power, on_battery=st.booleans(), percent=st.integers(0, 100), hot=st.booleans(), sleeping=st.booleans()
        )
    )
    def power_changes(self, power: Power) -> None:
        """A plug is pulled, the lid is shut, the sun shines."""
        self.power = power
        self.look()

    @rule(main=st.integers(0, 40))
    def other_programs(self, main: int) -> None:
        """They take or give back memory; a model that is loaded stays, though there is too little now."""
        self.size["main"] = main

    @invariant()
    def after_a_look_nobody_is_due(self) -> None:
        """What may not stay is gone."""
        if not hasattr(self, "loaded"):
            return
        self.look()
        assert engines.unloads(self.held(), self.now, self.power, KEEP) == ()
        if self.power.sleeping or self.power.low:
            assert all(one.users for one in self.loaded.values())


TestLoop: Any = Loop.TestCase
TestLoop.settings = settings(max_examples=1000 if SOAK else 60, stateful_step_count=60 if SOAK else 30)
