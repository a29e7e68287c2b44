"""Battery, heat and sleep: what the machine can bear now. Linux reads sysfs and asks logind; others ask their own tools."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from msgspec import structs

from pointsman.core.engines import Power

_log = logging.getLogger(__name__)

_FRESH = 2.0  # seconds a reading counts as now
_BELOW_CRITICAL = 5_000  # thousandths of a degree
_AGAIN = 60.0  # seconds until a bus that was lost is tried again
_SYS = Path("/sys")


class PowerSource:
    """The machine's state, read when it is asked for and told when it changes.

    `on_change` is called when logind or UPower says so; elsewhere nobody does, and readings alone count.
    """

    def __init__(self, read: Callable[[], Power] | None = None, bus: str = "SYSTEM") -> None:
        self.on_change: Callable[[], None] = lambda: None
        self._read = read or read_now
        self._bus = bus
        self._told = Power()
        self._kept: tuple[float, Power] | None = None
        self._told_of_loss = False

    async def now(self) -> Power:
        """How things stand, at most two seconds old."""
        if self._kept is None or time.monotonic() - self._kept[0] > _FRESH:
            read = await asyncio.to_thread(self._read)
            self._kept = time.monotonic(), read
        return structs.replace(self._kept[1], sleeping=self._told.sleeping, away=self._told.away)

    async def keep(self) -> None:
        """Listen until cancelled, where there is somebody to listen to."""
        if not sys.platform.startswith("linux"):
            return
        while True:
            with contextlib.suppress(OSError, EOFError, ValueError, RuntimeError, KeyError, TimeoutError):
                await self._listen()
            self._tell(Power())
            if not self._told_of_loss:
                _log.info("nobody tells of sleep and of who is here; only the battery and heat count")
                self._told_of_loss = True
            await asyncio.sleep(_AGAIN)

    async def _listen(self) -> None:
        from pointsman.system import logind

        async with logind.watch(self._bus) as changes:
            async for told in changes:
                self._told_of_loss = False
                self._tell(told)

    def _tell(self, told: Power) -> None:
        changed, self._told, self._kept = told != self._told, told, None
        if changed:
            self.on_change()


def read_now(root: Path = _SYS) -> Power:
    """Battery and heat as this system tells them."""
    if sys.platform.startswith("linux"):
        return from_sysfs(root)
    battery = psutil.sensors_battery()
    hot = sys.platform == "darwin" and slowed(_pmset())
    if battery is None:
        return Power(hot=hot)
    return Power(on_battery=battery.power_plugged is False, percent=int(battery.percent), hot=hot)


def from_sysfs(root: Path) -> Power:
    """The same from Linux' files."""
    percents, draining, plugged = [], False, False
    for supply in _folders(root / "class" / "power_supply"):
        kind, scope = _text(supply / "type"), _text(supply / "scope")
        if scope == "Device":  # a mouse or a pen
            continue
        if kind == "Battery":
            draining = draining or _text(supply / "status") == "Discharging"
            percents += [charge] if (charge := _number(supply / "capacity")) is not None else []
        else:
            plugged = plugged or _number(supply / "online") == 1
    percent = max(percents, default=None)
    return Power(on_battery=draining and not plugged, percent=percent, hot=any(_too_hot(root)))


def _too_hot(root: Path) -> Iterator[bool]:
    """For each place with a thermometer."""
    for zone in _folders(root / "class" / "thermal"):
        degrees = _number(zone / "temp")
        if degrees is None:
            continue
        for kind in sorted(zone.glob("trip_point_*_type")):
            limit = _number(kind.with_name(kind.name.replace("_type", "_temp")))
            if limit is None or limit <= 0:
                continue
            what = _text(kind)
            yield (what == "hot" and degrees >= limit) or (what == "critical" and degrees >= limit - _BELOW_CRITICAL)


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(root.iterdir())
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    try:
        return int(_text(path))
    except ValueError:
        return None


def slowed(told: str) -> bool:
    """Whether macOS' `pmset -g therm` says that the processor is held back for its heat."""
    limit = re.search(r"CPU_Speed_Limit\s*=\s*(\d+)", told)
    return limit is not None and int(limit[1]) < 70


def _pmset() -> str:
    try:
        ran = subprocess.run(["pmset", "-g", "therm"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return ran.stdout
