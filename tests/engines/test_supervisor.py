"""The supervisor over a worker that misbehaves on demand; no model, no llama.cpp."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from pointsman.engines import protocol
from pointsman.engines.supervisor import (
    ModelUnloadable,
    Supervisor,
    Timing,
    WorkerDied,
    WorkerSpec,
    WorkerState,
    worker_command,
)

Ask = Callable[..., protocol.Chat]
BRISK = Timing(ping_every=0.1, hang_after=0.8, load_limit=60.0, quit_limit=5.0, first_restart_wait=0.01)


class Watched(Supervisor):
    """A supervisor over the fake engine that keeps what it reported. Its model is started as `start` says."""

    def __init__(self, program: Path, logs: Path, timing: Timing = BRISK) -> None:
        self.start = "ready"
        self.seen: list[WorkerState] = []
        self.changed = asyncio.Event()
        spec = WorkerSpec(name="fake/one", path=str(program))
        super().__init__({"fake/one": spec}, logs, self._see, timing, self._argv)

    def _argv(self, spec: WorkerSpec) -> list[str]:
        return [sys.executable, "-P", spec.path, "--start", self.start]

    def _see(self, name: str, state: WorkerState) -> None:
        assert name == state.name == "fake/one"
        self.seen.append(state)
        self.changed.set()

    @property
    def state(self) -> WorkerState:
        """Of the one model."""
        return self.states()[0]

    async def until(self, condition: Callable[[WorkerState], bool]) -> None:
        """Wait for a change that makes it true."""
        while not condition(self.state):
            self.changed.clear()
            await self.changed.wait()

    async def say(self, chat: protocol.Chat) -> list[protocol.Answer]:
        """All events of an answer."""
        return [event async for event in self.chat("fake/one", chat)]


@pytest.fixture
async def fake(fake_engine: Path, tmp_path: Path) -> AsyncIterator[Watched]:
    """A supervisor with brisk times."""
    supervisor = Watched(fake_engine, tmp_path / "logs")
    yield supervisor
    await supervisor.close()


async def test_answer(fake: Watched, ask: Ask) -> None:
    """An answer arrives whole and in order."""
    events = await fake.say(ask("say 3"))
    assert [type(event).__name__ for event in events] == ["Started", "Text", "Text", "Text", "End"]
    assert "".join(event.text for event in events if isinstance(event, protocol.Text)) == "0 1 2"


async def test_states(fake: Watched, ask: Ask) -> None:
    """States tell what the worker does."""
    assert (fake.state.state, fake.state.pid) == ("unloaded", None)
    answer = fake.chat("fake/one", ask("wait"))
    await anext(answer)
    assert (fake.state.state, fake.state.active, fake.state.context) == ("ready", 1, 4096)
    assert fake.state.pid and fake.state.resident_bytes > 0
    await answer.aclose()
    assert fake.state.active == 0
    await fake.unload("fake/one")
    after = fake.state
    assert (after.state, after.resident_bytes) == ("unloaded", 0) and after.pid is None
    kinds = [state.state for state in fake.seen]
    assert kinds[0] == "loading" and "ready" in kinds and kinds[-1] == "unloaded"


async def test_rate(fake: Watched, ask: Ask) -> None:
    """The rate of the last answers is measured."""
    assert fake.state.tokens_per_second is None
    await fake.say(ask("say 50"))
    assert fake.state.tokens_per_second and fake.state.tokens_per_second > 0


async def test_requests_at_once(fake: Watched, ask: Ask) -> None:
    """Requests at once start one worker and keep their answers apart."""
    answers = await asyncio.gather(*(fake.say(ask(f"say {n}")) for n in range(1, 8)))
    assert [sum(isinstance(event, protocol.Text) for event in events) for events in answers] == list(range(1, 8))
    assert fake.state.restarts == 0


async def test_leaving_early(fake: Watched, ask: Ask, tmp_path: Path) -> None:
    """Leaving early cancels in the worker."""
    async with aclosing(fake.chat("fake/one", ask("wait"))) as answer:
        async for event in answer:
            if isinstance(event, protocol.Text):
                break
    assert len(await fake.say(ask("say 1"))) == 3  # the worker is free again
    assert "cancelled" in (tmp_path / "logs" / "worker-fake_one.log").read_text()


async def test_cancelled_task(fake: Watched, ask: Ask, tmp_path: Path) -> None:
    """A cancelled task cancels in the worker."""
    task = asyncio.create_task(fake.say(ask("wait")))
    await fake.until(lambda state: state.active == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await fake.say(ask("say 1"))
    assert "cancelled" in (tmp_path / "logs" / "worker-fake_one.log").read_text()


@pytest.mark.parametrize("wish", ["crash", "garbage", "binary", "stranger", "flood", "half"])
async def test_crash_in_an_answer(fake: Watched, ask: Ask, wish: str) -> None:
    """A crash in an answer is told and the next request served."""
    with pytest.raises(WorkerDied, match="crashed before the answer was complete") as raised:
        await fake.say(ask(wish))
    assert raised.value.status == 502
    assert len(await fake.say(ask("say 1"))) == 3
    assert fake.state.restarts == 1


async def test_a_crash_counts_once(fake: Watched, ask: Ask) -> None:
    """However many answers it took; and one that a person wished does not count."""
    answers = [fake.chat("fake/one", ask("wait")) for _ in range(3)]
    for answer in answers:
        await anext(answer)
    os.kill(fake.state.pid or 0, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    faults = [await death(answer) for answer in answers]
    assert [one.fault for one in faults] == [True, False, False] and fake.state.restarts == 0
    wished = fake.chat("fake/one", ask("wait"))
    await anext(wished)
    await fake.unload("fake/one")
    assert not (await death(wished)).fault


async def death(answer: AsyncGenerator[protocol.Answer, None]) -> WorkerDied:
    """How an answer ended."""
    with pytest.raises(WorkerDied) as raised:
        async for _ in answer:
            pass
    return raised.value


async def test_hang(fake: Watched, ask: Ask) -> None:
    """A hang is seen and ended."""
    with pytest.raises(WorkerDied, match="hung"):
        await fake.say(ask("hang"))
    assert len(await fake.say(ask("say 1"))) == 3


async def test_slow_is_not_hung(fake: Watched, ask: Ask) -> None:
    """A worker that answers pings is not taken for hung."""
    answer = fake.chat("fake/one", ask("wait"))
    assert isinstance(await anext(answer), protocol.Started)
    assert isinstance(await anext(answer), protocol.Text)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(answer), 1.5)  # well over the limit
    assert fake.state.state == "ready"


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows cannot stop a process")
async def test_stopped_process(fake: Watched, ask: Ask) -> None:
    """A stopped process is seen and ended."""
    answer = fake.chat("fake/one", ask("wait"))
    await anext(answer)
    os.kill(fake.state.pid or 0, signal.SIGSTOP)
    with pytest.raises(WorkerDied, match="hung"):
        async for _ in answer:
            pass


async def test_three_crashes(fake: Watched, ask: Ask) -> None:
    """Three crashes in a row are broken until reset."""
    for _ in range(3):
        with pytest.raises(WorkerDied):
            await fake.say(ask("crash"))
    assert fake.state.state == "broken" and "3 times" in fake.state.sentence
    with pytest.raises(ModelUnloadable) as raised:
        await fake.ensure("fake/one")
    assert raised.value.sentence == fake.state.sentence
    fake.reset("fake/one")
    again = fake.state
    assert again.state == "unloaded"
    assert len(await fake.say(ask("say 1"))) == 3


async def test_forgiven_crashes(fake: Watched, ask: Ask) -> None:
    """A finished answer forgives earlier crashes."""
    for _ in range(3):
        for _ in range(2):
            with pytest.raises(WorkerDied):
                await fake.say(ask("crash"))
        await fake.say(ask("say 1"))
    assert fake.state.state == "ready"


async def test_crash_while_loading(fake: Watched) -> None:
    """Crashes while loading count too."""
    fake.start = "crash"
    for _ in range(3):
        with pytest.raises(ModelUnloadable, match="crashed while it loaded"):
            await fake.ensure("fake/one")
    assert fake.state.state == "broken"


async def test_noise_while_loading(fake: Watched) -> None:
    """A program that says something else than a worker is ended, with one sentence."""
    fake.start = "noise"
    with pytest.raises(ModelUnloadable, match="crashed while it loaded"):
        await fake.ensure("fake/one")
    assert fake.state.pid is None
    fake.start = "ready"
    await fake.ensure("fake/one")


async def test_a_full_disk_takes_no_answer_away(fake: Watched, ask: Ask, tmp_path: Path) -> None:
    """Where the log finds no room, it is the log that is short."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "worker-fake_one.log").symlink_to("/dev/full")
    assert isinstance((await fake.say(ask("say 2")))[-1], protocol.End)


async def test_unloadable(fake: Watched) -> None:
    """Why a model cannot be loaded is passed on and kept."""
    fake.start = "unloadable"
    with pytest.raises(ModelUnloadable, match="made of cheese") as raised:
        await fake.ensure("fake/one")
    assert raised.value.status == 503
    assert (fake.state.state, fake.state.sentence) == ("broken", "The model is made of cheese.")
    fake.start = "ready"
    with pytest.raises(ModelUnloadable):
        await fake.ensure("fake/one")  # not tried again at once
    fake.reset("fake/one")
    await fake.ensure("fake/one")


async def test_load_limit(fake_engine: Path, tmp_path: Path) -> None:
    """A model that never gets loaded is given up."""
    supervisor = Watched(fake_engine, tmp_path, Timing(load_limit=0.2))
    supervisor.start = "never"
    with pytest.raises(ModelUnloadable, match="was not loaded within"):
        await supervisor.ensure("fake/one")
    assert supervisor.state.pid is None
    await supervisor.close()


async def test_unknown_name(fake: Watched) -> None:
    """A name that is not configured is said."""
    with pytest.raises(ModelUnloadable, match="called nobody"):
        await fake.ensure("nobody")


async def test_unload(fake: Watched, ask: Ask) -> None:
    """Unloading ends the answers under way."""
    answer = fake.chat("fake/one", ask("wait"))
    await anext(answer)
    await fake.unload("fake/one")
    with pytest.raises(WorkerDied, match="was unloaded"):
        async for _ in answer:
            pass
    assert fake.state.state == "unloaded"
    await fake.ensure("fake/one")


async def test_unload_while_loading(fake: Watched) -> None:
    """Unloading while it loads stops the load."""
    fake.start = "never"
    loading = asyncio.create_task(fake.ensure("fake/one"))
    await fake.until(lambda state: state.pid is not None or state.state == "loading")
    await fake.unload("fake/one")
    with pytest.raises(ModelUnloadable, match="unloaded while it loaded"):
        await loading
    assert fake.state.state == "unloaded"
    fake.start = "ready"
    await fake.ensure("fake/one")


async def test_load_is_shared(fake: Watched) -> None:
    """A caller that leaves does not stop the load for others."""
    impatient = asyncio.create_task(fake.ensure("fake/one"))
    patient = asyncio.create_task(fake.ensure("fake/one"))
    await fake.until(lambda state: state.state == "loading")
    impatient.cancel()
    await patient
    assert fake.state.state == "ready"


async def test_close(fake: Watched, ask: Ask) -> None:
    """After close nothing runs and nothing starts."""
    await fake.say(ask("say 1"))
    pid = fake.state.pid
    await fake.close()
    assert fake.state.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid or 0, 0)
    with pytest.raises(ModelUnloadable, match="shutting down"):
        await fake.ensure("fake/one")


async def test_same_id_twice(fake: Watched, ask: Ask) -> None:
    """An id that is under way is refused."""
    chat = ask("wait")
    answer = fake.chat("fake/one", chat)
    await anext(answer)
    with pytest.raises(ValueError, match="under way"):
        await fake.say(chat)
    assert isinstance(await anext(answer), protocol.Text)
    await answer.aclose()


async def test_log_is_bounded(fake_engine: Path, tmp_path: Path) -> None:
    """A log that grew too large begins anew."""
    log = tmp_path / "worker-fake_one.log"
    log.write_bytes(b"x" * (6 << 20))
    supervisor = Watched(fake_engine, tmp_path)
    await supervisor.ensure("fake/one")
    await supervisor.close()
    assert log.stat().st_size < 1 << 20


async def test_no_secrets_in_environment(monkeypatch: pytest.MonkeyPatch, fake: Watched) -> None:
    """Secrets in our environment do not reach the worker."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    await fake.ensure("fake/one")
    if sys.platform == "linux":
        environment = Path(f"/proc/{fake.state.pid}/environ").read_bytes()
        assert b"sk-secret" not in environment and b"OMP_WAIT_POLICY=passive" in environment


def test_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker is started as a module or by the frozen application."""
    limited = worker_command(WorkerSpec(name="m", path="m", slots=2, queue=9))
    assert limited[-4:] == ["--slots", "2", "--queue", "9"]
    fitted = {"kv": "q8_0", "windowed": True, "gpu_layers": 7}
    assert worker_command(WorkerSpec(name="m", path="m", **fitted))[-5:] == [
        "--kv",
        "q8_0",
        "--gpu-layers",
        "7",
        "--windowed",
    ]
    spec = WorkerSpec(name="m", path="m.gguf", context=512, threads=1)
    wanted = ["--model", "m.gguf", "--name", "m", "--context", "512", "--threads", "1"]
    assert worker_command(spec) == [sys.executable, "-P", "-m", "pointsman.engines.llama_worker", *wanted]
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert worker_command(spec) == [sys.executable, "worker", *wanted]


def test_imports() -> None:
    """The gateway's side loads no engine."""
    code = "import sys, pointsman.engines.supervisor; print([m for m in ('llama_cpp', 'mlx', 'numpy', 'jinja2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
