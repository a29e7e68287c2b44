"""Battery, heat and sleep, from files as Linux has them and from a logind of the test's own on a real bus."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
from jeepney import DBusAddress, HeaderFields, Message, MessageType, new_error, new_method_return, new_signal
from jeepney.bus_messages import message_bus
from jeepney.io.asyncio import DBusConnection, DBusRouter, Proxy, open_dbus_connection

from pointsman.core.engines import Power
from pointsman.system import power
from pointsman.system.power import PowerSource, from_sysfs, slowed
from pointsman.system.priority import stand_back

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="logind and sysfs are Linux'")
_BUS = """<busconfig><type>session</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/></policy></busconfig>"""


class Sysfs:
    """Files under a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, folder: str, **values: object) -> None:
        """One device."""
        path = self.root / "class" / folder
        path.mkdir(parents=True, exist_ok=True)
        for name, value in values.items():
            (path / name).write_text(f"{value}\n")

    @property
    def read(self) -> Power:
        """What is made of it."""
        return from_sysfs(self.root)


@pytest.fixture
def sysfs(tmp_path: Path) -> Sysfs:
    """Empty."""
    return Sysfs(tmp_path / "sys")


def test_a_machine_without_a_battery(sysfs: Sysfs) -> None:
    """Nothing to worry about."""
    assert sysfs.read == Power()
    sysfs.put("power_supply/AC", type="Mains", online=1)
    assert sysfs.read == Power()


@pytest.mark.parametrize(
    ("status", "online", "on_battery"),
    [
        ("Discharging", 0, True),
        ("Charging", 1, False),
        ("Full", 1, False),
        ("Not charging", 1, False),
        ("Unknown", 0, False),
    ],
)
def test_a_laptop(sysfs: Sysfs, status: str, online: int, *, on_battery: bool) -> None:
    """On battery while it drains and no plug is in."""
    sysfs.put("power_supply/BAT0", type="Battery", status=status, capacity=63)
    sysfs.put("power_supply/AC", type="Mains", online=online)
    assert sysfs.read == Power(on_battery=on_battery, percent=63)


def test_a_weak_plug_counts(sysfs: Sysfs) -> None:
    """A laptop that drains although it is plugged in is not on battery: the person has done what can be done."""
    sysfs.put("power_supply/BAT0", type="Battery", status="Discharging", capacity=63)
    sysfs.put("power_supply/ucsi", type="USB", online=1)
    assert not sysfs.read.on_battery


def test_two_batteries(sysfs: Sysfs) -> None:
    """The fuller one counts; that of a mouse does not."""
    sysfs.put("power_supply/BAT0", type="Battery", status="Not charging", capacity=3)
    sysfs.put("power_supply/BAT1", type="Battery", status="Discharging", capacity=40)
    sysfs.put("power_supply/hidpp_battery_0", type="Battery", scope="Device", status="Discharging", capacity=99)
    assert sysfs.read == Power(on_battery=True, percent=40)


@pytest.mark.parametrize(
    ("degrees", "kind", "limit", "hot"),
    [
        (94_000, "critical", 100_000, False),
        (95_000, "critical", 100_000, True),
        (90_000, "hot", 90_000, True),
        (99_000, "passive", 80_000, False),
        (50_000, "critical", 0, False),
        (50_000, "critical", "n/a", False),
    ],
)
def test_heat(sysfs: Sysfs, degrees: int, kind: str, limit: object, *, hot: bool) -> None:
    """Near the point at which the machine would switch itself off."""
    sysfs.put("thermal/thermal_zone0", temp=degrees, trip_point_0_type=kind, trip_point_0_temp=limit)
    assert sysfs.read.hot is hot


def test_files_that_cannot_be_read(sysfs: Sysfs) -> None:
    """A driver that answers nonsense is left out."""
    sysfs.put("power_supply/BAT0", type="Battery", status="Discharging", capacity="many")
    sysfs.put("thermal/thermal_zone0", temp="hot")
    (sysfs.root / "class" / "power_supply" / "BAT1").mkdir()
    assert sysfs.read == Power(on_battery=True)


@pytest.mark.parametrize(
    ("told", "slow"), [("CPU_Speed_Limit \t= 100\n", False), ("CPU_Speed_Limit = 60", True), ("", False)]
)
def test_macos_says_how_far_it_slows_down(told: str, *, slow: bool) -> None:
    """In the words of pmset."""
    assert slowed(told) is slow


def test_this_machine() -> None:
    """Whatever it is, it can be read."""
    assert isinstance(power.read_now(), Power)


async def test_a_reading_is_kept_for_a_moment() -> None:
    """A request does not wait for files each time."""
    reads = []
    source = PowerSource(lambda: reads.append(1) or Power(hot=True), "unix:path=/nonexistent")
    assert (await source.now()).hot and (await source.now()).hot and len(reads) == 1


class Logind:
    """A logind of the test's own."""

    def __init__(self, connection: DBusConnection) -> None:
        self.values = {"PreparingForSleep": False, "IdleHint": True}
        self.silent = False
        self._connection = connection

    async def serve(self) -> None:
        """Answer questions for properties."""
        while True:
            try:
                message = await self._connection.receive()
            except EOFError:
                return
            if message.header.message_type is not MessageType.method_call:
                continue
            if self.silent:
                await self._connection.send(new_error(message, "org.freedesktop.DBus.Error.UnknownProperty"))
            else:
                await self._connection.send(new_method_return(message, "v", (("b", self.values[message.body[1]]),)))

    async def signal(self, **values: bool) -> None:
        """Something changes, and it says so."""
        self.values |= values
        await self._connection.send(sleep_signal(self.values["PreparingForSleep"]))


def sleep_signal(value: bool) -> Message:
    """What logind sends before and after sleep."""
    manager = DBusAddress("/org/freedesktop/login1", interface="org.freedesktop.login1.Manager")
    return new_signal(manager, "PrepareForSleep", "b", (value,))


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[str]:
    """A real bus daemon."""
    (tmp_path / "bus.conf").write_text(_BUS.format(path=tmp_path / "bus"))
    argv = ["dbus-daemon", f"--config-file={tmp_path / 'bus.conf'}", "--nofork", "--print-address"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as daemon:
        assert daemon.stdout is not None
        yield daemon.stdout.readline().decode().strip()
        daemon.terminate()


@pytest.fixture
async def logind(bus: str) -> AsyncIterator[Logind]:
    """It has logind's name on the bus."""
    connection = await open_dbus_connection(bus)
    async with DBusRouter(connection) as router:
        await Proxy(message_bus, router).RequestName("org.freedesktop.login1")
    logind = Logind(connection)
    serving = asyncio.create_task(logind.serve())
    yield logind
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    with contextlib.suppress(OSError):
        await connection.close()


class Listener:
    """A power source that is listened to."""

    def __init__(self, bus: str) -> None:
        self.source = PowerSource(Power, bus)
        self.changed = asyncio.Event()
        self.source.on_change = self.changed.set
        self.task = asyncio.create_task(self.source.keep())

    async def until(self, expected: Power) -> None:
        """Wait until this is told."""
        while await self.source.now() != expected:
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), 20)

    async def close(self) -> None:
        """Listen no more."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
async def listener(bus: str, logind: Logind) -> AsyncIterator[Listener]:
    """On the test's bus."""
    listener = Listener(bus)
    yield listener
    await listener.close()


@linux
async def test_sleep_and_waking(logind: Logind, listener: Listener) -> None:
    """Told before the machine sleeps and after it, and whether anybody is there."""
    await listener.until(Power(away=True))
    await logind.signal(PreparingForSleep=True, IdleHint=False)
    await listener.until(Power(sleeping=True, away=False))
    await logind.signal(PreparingForSleep=False)
    await listener.until(Power(away=False))


@linux
async def test_another_program_cannot_say_so(bus: str, logind: Logind, listener: Listener) -> None:
    """What it sends only makes us ask logind."""
    await listener.until(Power(away=True))
    other = await open_dbus_connection(bus)
    forged = sleep_signal(True)
    forged.header.fields[HeaderFields.sender] = "org.freedesktop.login1"
    await other.send(forged)
    await logind.signal(IdleHint=False)
    await listener.until(Power(away=False))
    await other.close()


@linux
async def test_a_logind_that_does_not_know(logind: Logind, listener: Listener) -> None:
    """Nothing is assumed."""
    await listener.until(Power(away=True))
    logind.silent = True
    await logind.signal()
    await listener.until(Power())


@linux
async def test_no_bus() -> None:
    """Only the battery and heat count then, and nothing ends."""
    listener = Listener("unix:path=/nonexistent/bus")
    for _ in range(50):
        await asyncio.sleep(0)
    assert not listener.task.done() and await listener.source.now() == Power()
    await listener.close()


@linux
async def test_a_bus_that_ends(bus: str, logind: Logind, listener: Listener, tmp_path: Path) -> None:
    """What it told last does not count any more: a machine must not stay asleep for us."""
    logind.values["PreparingForSleep"] = True
    await listener.until(Power(sleeping=True, away=True))
    daemon = next(one for one in psutil.Process().children() if "dbus-daemon" in one.name())
    daemon.terminate()
    await listener.until(Power())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has classes instead of niceness")
def test_standing_back() -> None:
    """A process gets a niceness; one that is gone is no error, nor one that may not be lowered."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        stand_back(process.pid, 5)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == 5
        process.kill()
    stand_back(process.pid, 5)
