"""Memory for local models, over workers without a model: made before a load, given back by those nobody uses."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest

from pointsman.core.engines import Power
from pointsman.core.fit import MIB
from pointsman.core.model_shape import Shape
from pointsman.engines import looking, protocol
from pointsman.engines.looking import Device, File, Look, MainMemory
from pointsman.engines.steward import Steward
from pointsman.engines.supervisor import ModelUnloadable, Supervisor, Timing, WorkerDied, WorkerSpec, WorkerState
from pointsman.system.power import PowerSource
from tests.core.test_fit import GB, shape

Ask = Callable[..., protocol.Chat]
NAMES = "a", "b", "c"
NEED = 10 * GB  # of one of these models, a little more than it takes
BRISK = Timing(ping_every=0.1, hang_after=0.8, load_limit=60.0, quit_limit=5.0, first_restart_wait=0.01, room_wait=20.0)
NOWHERE = "unix:path=/nonexistent/bus"


class Machine:
    """A machine of the test's own: its memory, its power and what a look at it shows."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.memory = MainMemory(total=64 * GB, available=64 * GB)
        self.power = Power()
        self.shape: Shape | None = shape()
        self.problem = ""
        self.gpus: tuple[Device, ...] = ()
        self.looks = 0
        self.started: list[WorkerSpec] = []
        self.changed = asyncio.Event()
        self._program = program
        specs = {name: WorkerSpec(name=name, path=str(_file(folder / name)), context=32_768) for name in NAMES}
        self.supervisor = Supervisor(specs, folder / "logs", self._see, BRISK, self._argv)
        self.source = PowerSource(lambda: self.power, NOWHERE)
        self.steward = Steward(self.source, self._look, lambda: self.memory)
        self.supervisor.ask(self.steward)

    def _argv(self, spec: WorkerSpec) -> list[str]:
        self.started.append(spec)
        return [sys.executable, "-P", str(self._program)]

    def _see(self, _name: str, _state: WorkerState) -> None:
        self.changed.set()

    async def _look(self, paths: Iterable[str]) -> Look:
        self.looks += 1
        cpu = Device(name="CPU", description="", kind="cpu", free=0, total=0)
        files = tuple(File(path=path, shape=self.shape, problem=self.problem) for path in paths)
        return Look(devices=(cpu, *self.gpus), files=files)

    def room_for(self, models: float) -> None:
        """So many models fit beside the person's programs."""
        self.memory = MainMemory(total=64 * GB, available=int(8 * (1 << 30) + models * NEED))

    @property
    def loaded(self) -> set[str]:
        """The names of those that are."""
        return {state.name for state in self.supervisor.states() if state.state == "ready"}

    async def until(self, names: set[str]) -> None:
        """Wait until just these are loaded."""
        while self.loaded != names:
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), 30)

    async def power_is(self, power: Power) -> None:
        """The machine's power changes, and whoever listens is told."""
        self.power = power
        self.source._kept = None
        self.source.on_change()

    async def say(self, name: str, chat: protocol.Chat) -> list[protocol.Answer]:
        """All events of an answer."""
        return [event async for event in self.supervisor.chat(name, chat)]


def _file(path: Path) -> Path:
    """Large enough to be looked at, and empty."""
    with path.open("wb") as file:
        file.truncate(64 * MIB)
    return path


@pytest.fixture
async def machine(fake_engine: Path, tmp_path: Path) -> AsyncIterator[Machine]:
    """With much memory."""
    machine = Machine(fake_engine, tmp_path)
    yield machine
    await machine.supervisor.close()


async def test_a_model_gets_the_setting_that_fits(machine: Machine, ask: Ask) -> None:
    """Whole where there is room, rounded where there is less."""
    await machine.say("a", ask("say 1"))
    assert (machine.started[0].context, machine.started[0].kv, machine.started[0].gpu_layers) == (32_768, "f16", 0)
    await machine.supervisor.unload("a")
    machine.room_for(0.8)
    await machine.say("a", ask("say 1"))
    assert (machine.started[1].context, machine.started[1].kv) == (32_768, "q8_0")


async def test_a_graphics_device_is_used(machine: Machine, ask: Ask) -> None:
    """All layers and the output, where it has room; its memory is looked at before each load."""
    gpu = Device(name="CUDA0", description="card", kind="gpu", free=20 * GB, total=24 * GB)
    machine.gpus = (gpu,)
    await machine.say("a", ask("say 1"))
    assert machine.started[0].gpu_layers == 33
    await machine.supervisor.unload("a")
    machine.gpus = (Device(name="CUDA0", description="card", kind="gpu", free=4 * GB, total=24 * GB),)
    await machine.say("b", ask("say 1"))
    assert 0 < (machine.started[1].gpu_layers or 0) < 33 and machine.looks == 2


async def test_a_small_file_is_not_looked_at(machine: Machine, ask: Ask, tmp_path: Path) -> None:
    """The starter loads at once."""
    with (tmp_path / "a").open("r+b") as file:
        file.truncate(1000)
    await machine.say("a", ask("say 1"))
    assert machine.looks == 0 and machine.started[0].kv is None


async def test_a_file_is_looked_at_once(machine: Machine, ask: Ask) -> None:
    """Until it changes, where no graphics device has to be asked for its memory."""
    for _ in range(2):
        await machine.say("a", ask("say 1"))
        await machine.supervisor.unload("a")
    assert machine.looks == 1


async def test_the_least_recently_used_goes(machine: Machine, ask: Ask) -> None:
    """Where there is room for two."""
    machine.room_for(2)
    for name in ("a", "b", "a", "c"):
        await machine.say(name, ask("say 1"))
    assert machine.loaded == {"a", "c"}


async def test_no_model_in_use_goes(machine: Machine, ask: Ask) -> None:
    """The idle one goes, although it was used later; the answer under way is whole."""
    machine.room_for(2)
    async with aclosing(machine.supervisor.chat("a", ask("wait"))) as answer:
        await anext(answer)
        await machine.say("b", ask("say 1"))
        await machine.say("c", ask("say 1"))
        assert machine.loaded == {"a", "c"}
        assert isinstance(await anext(answer), protocol.Text)


async def test_it_waits_for_a_model_in_use(machine: Machine, ask: Ask) -> None:
    """And is loaded as soon as that has answered."""
    machine.room_for(1)
    machine.shape = shape(squeezes=False)
    answer = machine.supervisor.chat("a", ask("wait"))
    await anext(answer)
    machine.memory = MainMemory(total=64 * GB, available=8 * (1 << 30) + NEED)
    waiting = asyncio.create_task(machine.say("b", ask("say 1")))
    await machine.until({"a"})
    assert not waiting.done()
    await answer.aclose()
    assert len(await waiting) == 3 and machine.loaded == {"b"}


async def test_no_room(machine: Machine, ask: Ask) -> None:
    """The sentence says how much there is and what to do; what is loaded stays, and the next try may succeed."""
    machine.room_for(0.2)
    with pytest.raises(
        ModelUnloadable, match=r"a needs 5\.\d GB of memory, and 2\.\d GB are free.*models fit"
    ) as raised:
        await machine.say("a", ask("say 1"))
    assert raised.value.sentence.count("\n") == 0 and machine.started == []
    assert machine.supervisor.states()[0].state == "unloaded", "it is not broken"
    machine.room_for(1)
    assert len(await machine.say("a", ask("say 1"))) == 3


async def test_waiting_in_vain(fake_engine: Path, tmp_path: Path, ask: Ask) -> None:
    """A model in use that does not end is waited for only so long."""
    machine = Machine(fake_engine, tmp_path)
    machine.supervisor._timing = Timing(room_wait=0.05)
    machine.room_for(1)
    async with aclosing(machine.supervisor.chat("a", ask("wait"))) as answer:
        await anext(answer)
        machine.shape = shape(layers=64)
        with pytest.raises(ModelUnloadable, match="which a hold while they answer"):
            await machine.say("b", ask("say 1"))
    await machine.supervisor.close()


async def test_two_that_load_at_once(machine: Machine, ask: Ask) -> None:
    """Each sees what the other will take: there is room for one, so one waits for the other's end."""
    machine.room_for(1)
    machine.shape = shape(squeezes=False)
    answers = await asyncio.gather(*(machine.say(name, ask("say 1")) for name in NAMES))
    assert [len(events) for events in answers] == [3, 3, 3]
    assert len(machine.loaded) == 1 and sorted(spec.name for spec in machine.started) == ["a", "b", "c"]


async def test_an_idle_model_is_unloaded(machine: Machine, ask: Ask) -> None:
    """After its time, and loaded again when it is wanted."""
    machine.steward.keep_alive = 0.05
    await machine.say("a", ask("say 1"))
    await machine.until(set())
    assert machine.supervisor.states()[0].state == "unloaded" and machine.supervisor.states()[0].pid is None
    assert len(await machine.say("a", ask("say 1"))) == 3


async def test_a_model_in_use_is_not_unloaded(machine: Machine, ask: Ask) -> None:
    """However long the answer takes."""
    machine.steward.keep_alive = 0.0
    async with aclosing(machine.supervisor.chat("a", ask("wait"))) as answer:
        await anext(answer)
        await machine.say("b", ask("say 1"))
        await machine.until({"a"})
        assert isinstance(await anext(answer), protocol.Text)


async def test_requests_while_it_is_unloaded(machine: Machine, ask: Ask) -> None:
    """None of many requests meets a worker that is on its way out."""
    machine.steward.keep_alive = 0.0
    for _ in range(12):
        answers = await asyncio.gather(*(machine.say(name, ask("say 2")) for name in ("a", "b")))
        assert all(isinstance(events[-1], protocol.End) for events in answers)


async def test_before_sleep_idle_models_go(machine: Machine, ask: Ask) -> None:
    """And nothing is loaded until the machine is awake."""
    await machine.say("a", ask("say 1"))
    machine.source._told = Power(sleeping=True)
    await machine.power_is(Power())
    await machine.until(set())
    with pytest.raises(ModelUnloadable, match="going to sleep"):
        await machine.say("b", ask("say 1"))
    machine.source._told = Power()
    assert len(await machine.say("b", ask("say 1"))) == 3


@pytest.mark.parametrize(
    ("power", "words"), [(Power(on_battery=True, percent=4), "at 4 %"), (Power(hot=True), "too hot")]
)
async def test_nothing_is_loaded(machine: Machine, ask: Ask, power: Power, words: str) -> None:
    """On an empty battery, or in the heat; what is loaded goes on answering."""
    async with aclosing(machine.supervisor.chat("a", ask("wait"))) as answer:
        await anext(answer)
        await machine.power_is(power)
        with pytest.raises(ModelUnloadable, match=words):
            await machine.say("b", ask("say 1"))
        assert isinstance(await anext(answer), protocol.Text)


async def test_a_header_that_is_wrong(machine: Machine, ask: Ask) -> None:
    """The model is broken with one sentence, no worker is started, and it is not looked at again at once."""
    machine.shape, machine.problem = None, "its header is damaged"
    for _ in range(2):
        with pytest.raises(ModelUnloadable, match=r"^a cannot be loaded: its header is damaged\.$"):
            await machine.say("a", ask("say 1"))
    state = machine.supervisor.states()[0]
    assert (state.state, machine.started, machine.looks) == ("broken", [], 1)
    assert state.sentence == "a cannot be loaded: its header is damaged."


async def test_a_context_that_is_too_big(machine: Machine, ask: Ask, tmp_path: Path) -> None:
    """It is made as large as fits, instead of ending the worker for want of memory."""
    machine.supervisor.use({"a": WorkerSpec(name="a", path=str(tmp_path / "a"), context=10**9)})
    machine.room_for(1)
    await machine.say("a", ask("say 1"))
    assert 4096 <= (machine.started[0].context or 0) <= 131_072


@pytest.mark.parametrize(
    "begin",
    [b"not a model", b"GGUF" + b"\xff" * 40, b"GGUF\x03\0\0\0" + b"\0" * 16],
    ids=["garbage", "hostile", "empty"],
)
async def test_files_that_are_no_models(machine: Machine, ask: Ask, tmp_path: Path, begin: bytes) -> None:
    """Seen by a process that is thrown away: one sentence, and no worker."""
    machine.steward._look = looking.look
    with (tmp_path / "a").open("r+b") as file:
        file.write(begin)
    with pytest.raises(ModelUnloadable, match=r"^a cannot be loaded: [^\n]+[a-z]\.$"):
        await machine.say("a", ask("say 1"))
    assert machine.started == [] and len(machine.supervisor.states()[0].sentence) < 100


async def test_a_crash_gives_its_memory_back(machine: Machine, ask: Ask) -> None:
    """The next model has it."""
    machine.room_for(1)
    with pytest.raises(WorkerDied):
        await machine.say("a", ask("crash"))
    assert len(await machine.say("b", ask("say 1"))) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has classes instead of niceness")
async def test_a_worker_stands_back(machine: Machine, ask: Ask) -> None:
    """Where a person may be at work."""
    await machine.say("a", ask("say 1"))
    pid = machine.supervisor.states()[0].pid
    assert pid is not None
    async with asyncio.timeout(20):
        while psutil.Process(pid).nice() == 0:
            await asyncio.to_thread(pid.bit_length)  # lets the loop go on
    assert psutil.Process(pid).nice() == 5


async def test_a_folder_that_cannot_be_written(machine: Machine, ask: Ask, tmp_path: Path) -> None:
    """A full disk, or one that is read only: no worker without its log, one sentence, and the next try is free."""
    (tmp_path / "logs").write_text("no folder")
    with pytest.raises(ModelUnloadable, match=r"^The engine for a cannot be started\.$"):
        await machine.say("a", ask("say 1"))
    (tmp_path / "logs").unlink()
    assert len(await machine.say("a", ask("say 1"))) == 3
