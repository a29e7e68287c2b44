"""Mixed load for a long time: nothing grows, neither in the gateway nor in its workers.

`POINTSMAN_SOAK=1` lets it run for half an hour. Warm is what has answered as many requests as fill every cache that is
bounded by their number; from there on memory may move by what allocators and SQLite's pages take and give back.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from msgspec import Struct

from tests.fakes import mlx_folder, vector_models
from tests.fakes.fake_upstream import FakeUpstream
from tests.fakes.home import Home, target

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither MLX nor SIGUSR1")
SOAK = os.environ.get("POINTSMAN_SOAK") == "1"
MINUTES = 30
LOOKS = 20
UNNAMED = "Task-"  # as of each request
PARTS = 6  # what is held is looked at after each
ROUNDS = 12  # of every kind of request, where it is not soaked
CLIENTS = 6
STARTER = Path(__file__).resolve().parents[2] / "resources" / "starter" / "starter.gguf"
ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20
# glibc keeps what threads freed in arenas of its own, SQLite up to 2 MB of pages for each connection, and the audit's
# readers their rows. A leak of one small object for each request is far more, over the requests of a soak.
SLACK = 16 * MIB
LOCAL = '[targets.{name}]\ntier = "local"\nengine = "{engine}"\nsource = "{path}"\ncontext = 2048\ncan = [{can}]\n'
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
FORM = {"type": "json_schema", "json_schema": {"name": "f", "schema": {"type": "string", "minLength": 900}}}
MOST_THREADS = 48  # those of pools come as they are needed: asyncio's has up to 32, the store's readers a few
_numbers = itertools.count()


class Held(Struct, frozen=True, kw_only=True):
    """What the gateway and its workers hold while nothing is asked."""

    requests: int
    gateway: int
    workers: dict[str, int]
    files: int
    tasks: list[str]
    threads: list[str]
    kinds: dict[str, int]

    def told(self) -> str:
        """One line of the curve."""
        workers = ", ".join(f"{name} {size / MIB:.1f}" for name, size in sorted(self.workers.items()))
        return (
            f"{self.requests:7} requests: gateway {self.gateway / MIB:.1f} MiB, {workers}; "
            f"{self.files} files, {len(self.threads)} threads, {len(self.tasks)} tasks"
        )


class Counted(Home):
    """A gateway that tells what it holds."""

    @property
    def _pipe(self) -> Path:
        return self.folder / "held"

    def argv(self, *arguments: str) -> list[str]:
        """With the signal's handler around the program."""
        return [str(ROOT / "tests" / "fakes" / "counted_gateway.py"), str(self._pipe), *arguments]

    async def held(self, requests: int) -> Held:
        """Now."""
        assert self.process is not None
        if not self._pipe.exists():
            os.mkfifo(self._pipe)
        self.process.send_signal(signal.SIGUSR1)
        said = json.loads(await asyncio.to_thread(self._pipe.read_text))
        gateway = psutil.Process(self.process.pid)
        return Held(
            requests=requests,
            gateway=gateway.memory_info().rss,
            workers={one.name: one.resident_bytes for one in self.snapshot().models if one.state == "ready"},
            files=gateway.num_fds(),
            tasks=[one for one in said["tasks"] if not one.startswith("heartbeat")],  # they end by themselves, later
            threads=said["threads"],
            kinds=said["kinds"],
        )


class Agent:
    """A client that asks as agents do, and leaves as they do."""

    def __init__(self, http: aiohttp.ClientSession, address: str, key: str) -> None:
        self._http, self._address = http, address
        self._head = {"authorization": f"Bearer {key}"}
        self.asked = 0

    async def ask(self, path: str, body: dict[str, Any], leave_after: int | None = None, **head: str) -> None:
        """One request to its end, or to so many pieces of its answer."""
        headers = self._head | {name.replace("_", "-"): value for name, value in head.items()}
        async with self._http.post(f"{self._address}/{path}", json=body, headers=headers) as answer:
            pieces = 0
            self.asked += 1
            assert answer.status in (200, 400, 503), await answer.text()
            async for _ in answer.content.iter_any():
                pieces += 1
                if leave_after is not None and pieces >= leave_after:
                    return


def chat(model: str, text: str, **more: Any) -> tuple[str, dict[str, Any]]:
    """A conversation of one turn."""
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
    return "chat/completions", {"model": model, "messages": messages, "max_tokens": 24, "temperature": 0, **more}


def kinds(at: int) -> Iterator[Callable[[Agent], Awaitable[None]]]:
    """One of every kind; no two texts are the same, so that nothing is found in a cache that should not be."""
    text, long = f"What is the capital of France? ({at})", f"Tell me story {at}. " * 30
    here = {"x_pointsman_fallback": "none"}

    def one(asked: tuple[str, dict[str, Any]], leave: int | None = None, **head: str) -> Any:
        return lambda agent: agent.ask(*asked, leave, **head)

    for model in ("starter", "apple"):
        yield one(chat(model, text), **here)
        yield one(chat(model, long, stream=True), **here)
        yield one(chat(model, text, tools=[TOOL]), **here)
        yield one(chat(model, text, stream=True, max_tokens=400, response_format=FORM), 2, **here)
        yield one(chat(model, long * 30), **here)
    yield one(("responses", {"model": "starter", "input": text, "stream": True, "max_output_tokens": 16}), **here)
    turn = [{"role": "user", "content": text}]
    yield one(("messages", {"model": "starter", "messages": turn, "stream": True, "max_tokens": 16}), **here)
    yield one(("embeddings", {"model": "vectors", "input": [text[:40], f"paris {at}", "blue"]}))
    yield one(chat("cloudy", text))
    yield one(chat("cloudy", text, stream=True))
    yield one(chat("stall", text, stream=True), 1)
    yield one(chat("dies", text, stream=True))
    yield one(chat("busy", text))
    yield one(chat("cloudy", text, messages=[]), **here)


async def load(agent: Agent, rounds: Iterator[int]) -> None:
    """So many clients work through the rounds."""
    asked = itertools.chain.from_iterable(kinds(at) for at in rounds)

    async def client() -> None:
        for request in asked:
            with contextlib.suppress(aiohttp.ClientPayloadError):  # an upstream that died in the middle
                await request(agent)

    await asyncio.gather(*(client() for _ in range(CLIENTS)))


def some() -> Iterator[int]:
    """A part of the rounds; each has a number of its own."""
    return itertools.islice(_numbers, ROUNDS // PARTS)


def until() -> Iterator[int]:
    """Rounds for a part of the half hour."""
    end = time.monotonic() + MINUTES * 60 / PARTS
    return itertools.takewhile(lambda _: time.monotonic() < end, _numbers)


async def quiet(gateway: Counted, requests: int) -> Held:
    """What is held once the last requests have left: two looks that see the same, and no request under way.

    A look asks the gateway itself, and the end of a request takes a moment; what is still there after many looks stays.
    """
    before, found = None, await gateway.held(requests)
    for _ in range(LOOKS):
        if (
            before is not None
            and (found.files, found.tasks) == (before.files, before.tasks)
            and UNNAMED not in found.tasks
        ):
            break
        before, found = found, await gateway.held(requests)
    return found


@contextlib.asynccontextmanager
async def agent_of(gateway: Counted, key: str) -> AsyncIterator[Agent]:
    """With connections of its own, closed at the end."""
    connector = aiohttp.TCPConnector(limit=CLIENTS, force_close=False)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(120)) as http:
        yield Agent(http, gateway.runtime.address, key)


async def curve(gateway: Counted, rounds: Callable[[], Iterator[int]]) -> list[Held]:
    """What is held after each part of the load."""
    found: list[Held] = []
    requests, key = 0, gateway.agent()
    for _ in range(PARTS):
        async with agent_of(gateway, key) as agent:
            await load(agent, rounds())
        requests += agent.asked
        found.append(await quiet(gateway, requests))
        print(found[-1].told(), flush=True)
    return found


def place(folder: Path, base_url: str) -> Counted:
    """A gateway over two local engines, a model of vectors, and a provider that misbehaves."""
    apple = mlx_folder.write(STARTER, folder / "Apple")
    bert = vector_models.bert(folder / "vectors.gguf", context=512)
    cloud = {"cloudy": "ok", "stall": "stall", "dies": "die", "busy": "429"}
    targets = "".join(target(name, model) for name, model in cloud.items())
    targets += LOCAL.format(name="apple", engine="mlx", path=apple, can='"tools", "json_schema"')
    targets += LOCAL.format(name="vectors", engine="llama_cpp", path=bert, can='"embeddings"')
    return Counted(folder / "house", base_url, targets)


@pytest.mark.timeout(3600)
async def test_nothing_grows(tmp_path: Path, upstream: FakeUpstream) -> None:
    """Memory, open files, threads and tasks are after the load what they were when it was warm."""
    gateway = place(tmp_path, upstream.base_url)
    try:
        gateway.start()
        found = await curve(gateway, until if SOAK else some)
    finally:
        gateway.stop()
    warm, last = found[PARTS // 2], found[-1]
    asked, told = last.requests - warm.requests, [one.told() for one in found]
    assert len(last.tasks) <= len(warm.tasks), (warm.tasks, last.tasks)
    assert set(last.threads) <= set(warm.threads), (warm.threads, last.threads)
    assert len(last.threads) <= MOST_THREADS, last.threads
    assert last.files <= warm.files + CLIENTS, "more than the connections that are kept open to the provider"
    assert last.gateway <= warm.gateway + SLACK, told
    assert {name: size for name, size in last.workers.items() if size > warm.workers[name] + SLACK} == {}, told
    # Each connection to SQLite refers to the last two hundred of its cursors.
    counted = {kind: count for kind, count in last.kinds.items() if kind != "ReferenceType"}
    grown = {kind: count - warm.kinds.get(kind, count) for kind, count in counted.items()}
    assert {kind: more for kind, more in grown.items() if more > 200 + asked / 2} == {}, (
        "one object for every other request"
    )
