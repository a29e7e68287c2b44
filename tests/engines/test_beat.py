"""A step that takes longer than a worker may be silent: it tells from within that work goes on, and can be ended."""

from __future__ import annotations

import io
import os
import queue
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.engines import llama_file, llama_vectors, protocol, serving
from pointsman.engines.interrupt import Interrupt
from pointsman.engines.llama_vectors import LlamaVectors
from pointsman.engines.slots import Run
from pointsman.engines.supervisor import Supervisor, Timing, WorkerSpec
from tests.fakes import vector_models

SOAK = os.environ.get("POINTSMAN_SOAK") == "1"
INTERRUPTED = 2


def opened(path: Path, interrupt: Interrupt) -> LlamaVectors:
    """Loaded."""
    options = llama_file.ModelOptions(path=str(path), context=512, threads=1, slots=4)
    return LlamaVectors(llama_file.load(options), options, interrupt)


@pytest.fixture(params=["bert", "both-ways"])
def whole(request: pytest.FixtureRequest, starter: Path, tmp_path: Path) -> Path:
    """A model that reads each text in one step, without what is kept and with it."""
    if request.param == "bert":
        return vector_models.bert(tmp_path / "m.gguf", context=512)
    more = {"qwen3__pooling_type": vector_models.MEAN, "qwen3__attention__causal": False}
    return vector_models.starter(starter, tmp_path / "m.gguf", **more)


def test_a_whole_text_tells_that_work_goes_on(monkeypatch: pytest.MonkeyPatch, whole: Path) -> None:
    """Each so many seconds, here at each part of the step; the step comes to its end."""
    monkeypatch.setattr(llama_vectors, "_BEAT", 0.0)
    interrupt, beats = Interrupt(), []
    model = opened(whole, interrupt)
    interrupt.beat = lambda: beats.append(1)
    assert model.whole and model.decode([Run(0, 0, [5] * 400, True)]) == 0
    assert len(beats) > 10


def test_a_quick_step_tells_nothing(whole: Path) -> None:
    """It is over before anybody wonders."""
    interrupt, beats = Interrupt(), []
    model = opened(whole, interrupt)
    interrupt.beat = lambda: beats.append(1)
    assert model.decode([Run(0, 0, [5] * 4, True)]) == 0 and not beats


def test_a_whole_text_can_be_ended(monkeypatch: pytest.MonkeyPatch, whole: Path) -> None:
    """A cancel in the middle of it ends the step; the next one is computed."""
    monkeypatch.setattr(llama_vectors, "_BEAT", 0.0)
    interrupt = Interrupt()
    model = opened(whole, interrupt)
    interrupt.beat = interrupt.set
    assert model.decode([Run(0, 0, [5] * 400, True)]) == INTERRUPTED
    interrupt.clear()
    interrupt.beat = lambda: None
    model.keep(0, 0)
    assert model.decode([Run(0, 0, [5] * 400, True)]) == 0


class Slow:
    """An engine of which one step tells twice that work goes on."""

    context = slots = steps = 1
    waiting = 0

    def __init__(self, interrupt: Interrupt) -> None:
        self.active = 1
        self._interrupt = interrupt

    def step(self) -> Iterator[protocol.Answer]:
        """The one step."""
        self._interrupt.beat()
        self._interrupt.beat()
        self.active = 0
        yield protocol.Text("a", "done")


def test_a_beat_goes_to_the_gateway_at_once() -> None:
    """As the answer to a ping that it did not have to send, before anything of the step."""
    interrupt, pipe = Interrupt(), io.BytesIO()
    inbox: serving.Inbox = queue.SimpleQueue()
    engine = Slow(interrupt)
    inbox.put(protocol.Ping())
    step = engine.step

    def last() -> Iterator[protocol.Answer]:
        inbox.put(protocol.Quit())
        return step()

    engine.step = last
    serving.serve(engine, inbox, interrupt, serving.Outbox(pipe))  # type: ignore[arg-type]
    told = [type(protocol.decode_event(line)).__name__ for line in pipe.getvalue().splitlines()]
    assert told == ["Pong", "Pong", "Pong", "Text"]


async def test_a_long_text_is_not_taken_for_a_hang(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With POINTSMAN_SOAK one step of it takes half a minute, far longer than this worker may be silent."""
    monkeypatch.setattr(vector_models, "LAYERS", 48 if SOAK else 2)
    path = vector_models.bert(tmp_path / "m.gguf", context=8192)
    spec = WorkerSpec(name="m", path=str(path), context=8192, threads=1)
    supervisor = Supervisor({"m": spec}, tmp_path / "logs", timing=Timing(ping_every=1.0, hang_after=20.0))
    try:
        asked = protocol.Embed(id="e", inputs=["a" * 8190])
        events = [event async for event in supervisor.chat("m", asked)]
    finally:
        await supervisor.close()
    assert isinstance(events[-1], protocol.End)
