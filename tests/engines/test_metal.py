"""MLX runs one model at a time: an idle one goes for the next, one in use is waited for."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from pointsman.engines import protocol
from pointsman.engines.supervisor import ModelUnloadable, Supervisor, Timing, WorkerSpec

Ask = Callable[..., protocol.Chat]
NAMES = {"red": "mlx", "blue": "mlx", "green": "llama_cpp"}


@pytest.fixture
async def engines(fake_engine: Path, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Supervisor]:
    """Two models of MLX and one of llama.cpp, over a worker without a model."""
    specs = {name: WorkerSpec(name=name, path=str(fake_engine), engine=one) for name, one in NAMES.items()}
    timing = Timing(room_wait=getattr(request, "param", 30.0))
    supervisor = Supervisor(
        specs, tmp_path / "logs", timing=timing, command=lambda spec: [sys.executable, "-P", spec.path]
    )
    yield supervisor
    await supervisor.close()


def loaded(engines: Supervisor) -> set[str]:
    """The models that have a worker."""
    return {state.name for state in engines.states() if state.pid is not None}


async def say(engines: Supervisor, name: str, chat: protocol.Chat) -> list[protocol.Answer]:
    """All events of an answer."""
    return [event async for event in engines.chat(name, chat)]


async def test_an_idle_model_goes(engines: Supervisor, ask: Ask) -> None:
    """The next model of MLX takes its place; those of llama.cpp stay."""
    for name in ("green", "red", "blue"):
        await say(engines, name, ask("say 1"))
    assert loaded(engines) == {"green", "blue"}
    await say(engines, "red", ask("say 1"))
    assert loaded(engines) == {"green", "red"}


async def test_a_model_in_use_is_waited_for(engines: Supervisor, ask: Ask) -> None:
    """Its answer is finished first."""
    busy = engines.chat("red", ask("wait"))
    await anext(busy)
    others = [asyncio.create_task(say(engines, "blue", ask("say 1"))) for _ in range(2)]
    await say(engines, "green", ask("say 1"))
    assert loaded(engines) == {"green", "red"} and not any(other.done() for other in others)
    await busy.aclose()
    assert [len(events) for events in await asyncio.gather(*others)] == [3, 3]
    assert loaded(engines) == {"green", "blue"}


@pytest.mark.parametrize("engines", [0.05], indirect=True)
async def test_waiting_ends(engines: Supervisor, ask: Ask) -> None:
    """Who waits for too long gets a sentence, and nothing was harmed."""
    busy = engines.chat("red", ask("wait"))
    await anext(busy)
    with pytest.raises(ModelUnloadable, match=r"^blue cannot be loaded: red is in use, and MLX runs one model\.$"):
        await say(engines, "blue", ask("say 1"))
    assert loaded(engines) == {"red"}
    await busy.aclose()
    assert len(await say(engines, "red", ask("say 1"))) == 3


async def test_two_that_come_at_once(engines: Supervisor, ask: Ask) -> None:
    """One after the other, both are served."""
    answers = await asyncio.gather(*(say(engines, name, ask("say 1")) for name in ("red", "blue") * 2))
    assert [len(events) for events in answers] == [3] * 4
    assert len(loaded(engines)) == 1
