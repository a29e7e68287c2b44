"""What goes wrong around both workers: files that are no models, deaths, and what must never reach their output."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from pointsman.engines import protocol
from pointsman.engines.supervisor import ModelUnloadable, Supervisor, WorkerDied, WorkerSpec, worker_command
from tests.engines.conformance.broken_models import broken_files, broken_folders
from tests.engines.conformance.speaking import SOAK

Ask = Callable[..., protocol.Chat]


BROKEN = {
    "llama_cpp": ["garbage", "header", "truncated", "beginning", "claims", "layers", "empty", "folder", "missing"],
    "mlx": ["file", "empty", "weightless", "garbage", "settings", "tokenless", "foreign", "missing"],
}


@pytest.fixture
async def engines(engine: str, starter_of: dict[str, Path], tmp_path: Path) -> AsyncIterator[Supervisor]:
    """The starter model, and what only looks like one."""
    (broken_folders if engine == "mlx" else broken_files)(tmp_path, starter_of[engine])
    specs = {
        name: WorkerSpec(name=name, path=str(tmp_path / name), engine=engine, threads=1) for name in BROKEN[engine]
    }
    specs["starter"] = WorkerSpec(name="starter", path=str(starter_of[engine]), engine=engine, threads=1)
    supervisor = Supervisor(specs, tmp_path / "logs")
    yield supervisor
    await supervisor.close()


async def test_no_model(engines: Supervisor, engine: str, tmp_path: Path) -> None:
    """What is no model is told in one sentence that names it, and nothing that came with it is run."""
    for name in BROKEN[engine]:
        with pytest.raises(ModelUnloadable, match=rf"^[^\n]*{name}[^\n]*\.$") as raised:
            await engines.ensure(name)
        assert str(tmp_path) not in raised.value.sentence
        state = next(state for state in engines.states() if state.name == name)
        assert (state.state, state.sentence) == ("broken", raised.value.sentence)
    assert not list(tmp_path.rglob("was_here")) and not Path("was_here").exists()


async def test_put_right(engines: Supervisor, engine: str, starter_of: dict[str, Path], tmp_path: Path) -> None:
    """A model that is put right loads at once."""
    with pytest.raises(ModelUnloadable):
        await engines.ensure("missing")
    starter = starter_of[engine]
    (shutil.copytree if starter.is_dir() else shutil.copyfile)(starter, tmp_path / "missing")
    await engines.ensure("missing")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGSEGV to send")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV"] if SOAK else ["SIGSEGV"])
async def test_death_in_an_answer(engines: Supervisor, ask: Ask, name: str) -> None:
    """A death in an answer is told and the next request served."""
    form = {"type": "json_schema", "json_schema": {"schema": {"type": "string", "minLength": 900}}}
    answer = engines.chat("starter", ask("Write.", max_tokens=None, response_format=form))
    await anext(answer)
    os.kill(engines.states()[-1].pid or 0, getattr(signal, name))
    with pytest.raises(WorkerDied):
        async for _ in answer:
            pass
    events = [event async for event in engines.chat("starter", ask("What is the capital of France?"))]
    assert isinstance(events[-1], protocol.End)


UNREADABLE = (b"my secret prompt\n", b'{"op":"my secret"}\n', b"\xff\xfe\n", b"[" * 5000 + b"\n")


class Spoken(NamedTuple):
    """What a worker said, and its log."""

    events: list[protocol.Event]
    log: str


@pytest.fixture(scope="module")
def spoken(spec: WorkerSpec, ask: Ask) -> Spoken:
    """To what it cannot read, to what it cannot do and to what it can. Then its input ends, so it must end too."""
    chats = [ask("my secret", max_tokens=4), ask("my secret", temperature=-1.0), ask("my secret " * 5000)]
    asked = [b'{"op":"chat","id":"x","messages":"my secret"}\n', *map(protocol.encode, chats)]
    with subprocess.Popen(
        worker_command(spec), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as worker:
        assert worker.stdin and worker.stdout and worker.stderr
        events = [protocol.decode_event(worker.stdout.readline())]
        worker.stdin.write(b"".join([*UNREADABLE, *asked, protocol.encode(protocol.Ping())]))
        worker.stdin.flush()
        lasts = (protocol.Pong, protocol.End, protocol.Failed)
        while sum(isinstance(event, lasts) for event in events) <= len(asked):
            events.append(protocol.decode_event(worker.stdout.readline()))
        rest, log = worker.communicate(timeout=20)
        assert rest == b"" and worker.returncode == 0
    return Spoken(events, log.decode())


def test_unreadable_lines(spoken: Spoken) -> None:
    """A line that cannot be read is logged by its kind alone, and not answered."""
    unasked = [type(event).__name__ for event in spoken.events if not hasattr(event, "id")]
    assert unasked == ["Ready", "Pong"]
    told = re.findall(r"a command could not be read: (\w+)$", spoken.log, re.MULTILINE)
    assert len(told) == len(UNREADABLE) + 1, "these, and the request"


def test_unreadable_request(spoken: Spoken) -> None:
    """A request that cannot be read fails if it has an id."""
    [told] = [event for event in spoken.events if getattr(event, "id", None) == "x"]
    assert isinstance(told, protocol.Failed) and told.code == "bad_request"


def test_no_conversation_in_log(spoken: Spoken) -> None:
    """The text of a conversation is not in the log, whatever became of its request."""
    ends = [type(event).__name__ for event in spoken.events if isinstance(event, protocol.End | protocol.Failed)]
    assert sorted(ends) == ["End", "Failed", "Failed", "Failed"]
    assert "secret" not in spoken.log


def test_gateway_gone(spoken: Spoken) -> None:
    """The worker ends when the gateway is gone."""
    ready = spoken.events[0]
    assert isinstance(ready, protocol.Ready) and ready.protocol == protocol.PROTOCOL
    assert 0 < ready.load_seconds < 60


def test_prints_go_to_log() -> None:
    """What a library prints goes to the log."""
    code = (
        "import os; from pointsman.engines import protocol, serving\n"
        "send = serving.Outbox(serving.claim_stdout()).send\n"
        "os.write(1, b'native noise\\n'); print('python noise', flush=True)\n"
        "send(protocol.Unloadable('only this'))\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, check=True)
    assert done.stdout == protocol.encode(protocol.Unloadable("only this"))
    assert b"native noise" in done.stderr and b"python noise" in done.stderr


def test_prints_on_a_full_disk() -> None:
    """They are lost, and what is said to the gateway is not."""
    code = (
        "import logging, sys; from pointsman.engines import protocol, serving\n"
        "pipe = serving.claim_stdout(); logging.basicConfig(stream=sys.stderr)\n"
        "print('noise ' * 9999, flush=True); print('more', file=sys.stderr); logging.error('and more')\n"
        "pipe.write(protocol.encode(protocol.Unloadable('only this'))); pipe.flush()\n"
    )
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([sys.executable, "-P", "-c", code], stdout=subprocess.PIPE, stderr=full, check=True)
    assert done.stdout == protocol.encode(protocol.Unloadable("only this"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ranks processes for the lack of memory")
async def test_oom_score(engines: Supervisor) -> None:
    """The worker goes first when memory is short."""
    await engines.ensure("starter")
    assert Path(f"/proc/{engines.states()[-1].pid}/oom_score_adj").read_text().strip() == "500"
