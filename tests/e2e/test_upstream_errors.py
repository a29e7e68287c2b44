"""What goes wrong at a provider, as its client hears of it in each dialect."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from pointsman.gateway import misread
from tests.fakes.busy_house import BusyHouse, at_the_door, open_house, workers
from tests.fakes.home import MODELS, target
from tests.fakes.watching_upstream import event

pytestmark = pytest.mark.asyncio(loop_scope="module")
_numbers = itertools.count()
USER = [{"role": "user", "content": "Hi"}]
ASKED: dict[str, dict[str, Any]] = {
    "chat/completions": {"messages": USER},
    "responses": {"input": "Hi"},
    "messages": {"messages": USER, "max_tokens": 50},
    "completions": {"prompt": "Hi"},
}
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
BUSY = b'HTTP/1.1 %d Busy\r\nretry-after: 7\r\nx-should-retry: false\r\nx-request-id: req_theirs\r\ncontent-length: 33\r\n\r\n{"error":{"message":"Slow down"}}'
WHOLE = event("whole") + b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
BROKEN = {
    "cut": b"",
    "error": b'data: {"error":{"message":"boom"}}\n\n',
    "half": event("more")[:-9],
    "endless": b"data: " + b"x" * (17 * 2**20),
}
DOES: dict[str, bytes] = {
    "fine": STREAM + WHOLE,
    **{f"busy{status}": BUSY % status for status in (429, 500, 503, 529)},
    **{f"{name}-early": STREAM + said for name, said in BROKEN.items()},
    **{f"{name}-late": STREAM + event("Hello") + said for name, said in BROKEN.items()},
    "not-text": STREAM + event("Hello") + b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n' + WHOLE,
    "nested": STREAM + b'data: {"error":' + b"[" * 9000 + b"]" * 9000 + b"}\n\n" + WHOLE,
    "no-http": b"nonsense\r\n\r\n",
    "filtered": STREAM + b'data: {"error":{"message":"Not this.","code":"content_filter"}}\n\n',
    "made": b'HTTP/1.1 201 Made\r\ncontent-length: 33\r\n\r\n{"error":{"message":"Slow down"}}',
    "moved": b"HTTP/1.1 302 Moved\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
}


async def provider(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Writes what the model's name stands for, and ends the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        writer.write(DOES[json.loads(await reader.readexactly(length))["model"]])
        await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def busy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BusyHouse]:
    """A house with its door open, whose provider fails in all these ways; no failure makes a target rest."""
    folder = tmp_path_factory.mktemp("house")
    server = await asyncio.start_server(provider, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    aliases = "\n[aliases]\n" + "\n".join(f'then-{name} = ["{name}", "fine"]' for name in DOES if name != "fine")
    models = folder / "models.toml"
    models.write_text(MODELS.format(base_url=address, targets="".join(target(name, name) for name in DOES)) + aliases)
    supervisor = workers(folder)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("POINTSMAN_MODELS", str(models))
        environment.setenv("FAKE_KEY", "sk-test")
        async with server, open_house(folder / "home", supervisor) as house, at_the_door(house):
            yield house
    await supervisor.close()


async def ask(busy: BusyHouse, path: str, model: str, **headers: str) -> httpx.Response:
    """One streamed request."""
    (key,) = await busy.agents(f"ann-{next(_numbers)}")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{busy.port}/v1/", timeout=60) as client:
        head = {"authorization": f"Bearer {key}", **headers}
        return await client.post(path, json={"model": model, "stream": True, **ASKED[path]}, headers=head)


ONE_TRY = {"x-pointsman-fallback": "none"}


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("status", [429, 500, 503, 529])
async def test_its_status_and_what_to_do_arrive(busy: BusyHouse, path: str, status: int) -> None:
    """In the caller's dialect, with the provider's own words, its request id and when to try again."""
    answer = await ask(busy, path, f"busy{status}", **ONE_TRY)
    assert (answer.status_code, answer.headers["retry-after"], answer.headers["x-request-id"]) == (
        status,
        "7",
        "req_theirs",
    )
    assert answer.headers["x-should-retry"] == "false"
    assert "Slow down" in answer.json()["error"]["message"]
    assert ("type" in answer.json()) == (path == "messages")


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("model", ["busy429", "busy529", "no-http", *(f"{name}-early" for name in BROKEN)])
async def test_before_the_first_content_the_next_one_answers(busy: BusyHouse, path: str, model: str) -> None:
    """Its client hears nothing of the first."""
    answer = await ask(busy, path, f"then-{model}")
    assert (answer.status_code, answer.headers["x-pointsman-target"]) == (200, "fine")
    assert "whole" in answer.text
    assert "error" not in answer.text.replace('"error":null', "")


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("name", BROKEN)
async def test_after_it_the_stream_tells_of_the_error(busy: BusyHouse, path: str, name: str) -> None:
    """As one whole last event of the caller's dialect; nothing is said twice, nobody else goes on with it."""
    answer = await ask(busy, path, f"then-{name}-late")
    events = [one for one in answer.text.split("\n\n") if one]
    assert answer.text.count("Hello") == 1 and "whole" not in answer.text
    last = json.loads(events[-1].partition("data: ")[2])
    assert "broke" in json.dumps(last) or "without end" in json.dumps(last)
    named = {"messages": "event: error\n", "responses": "event: response.failed\n"}
    assert events[-1].startswith(named.get(path, "data: "))


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("model", ["not-text", "nested"])
async def test_what_cannot_be_read_is_no_fault_of_ours(busy: BusyHouse, path: str, model: str) -> None:
    """Passed on as it is in its own dialect, and told as an error where it would have to be translated."""
    answer = await ask(busy, path, model, **ONE_TRY)
    assert answer.status_code in (200, 502)
    assert "does not know" not in answer.text
    assert not list(busy.house.paths.home.rglob("errors.log"))


@pytest.mark.parametrize("path", ASKED)
async def test_a_mistake_that_only_its_stream_tells_is_the_clients(busy: BusyHouse, path: str) -> None:
    """It hears so by the status, nobody else is asked, and nothing is owed for what brought nothing."""
    answer = await ask(busy, path, "then-filtered")
    assert (answer.status_code, "Not this." in answer.text) == (400, True)
    await busy.all_ended()
    asked = answer.headers["x-pointsman-request"]
    (row,) = [one for one in busy.books().rows if one["request"] == asked]
    assert (row["target"], row["outcome"], row["cost"], row["estimated"]) == ("filtered", "rejected", 0, 0)


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("model", ["made", "moved"])
async def test_a_status_of_neither_success_nor_error_is_no_answer(busy: BusyHouse, path: str, model: str) -> None:
    """Its client would take it for one."""
    answer = await ask(busy, path, model, **ONE_TRY)
    assert (answer.status_code, "no answer to a request" in answer.json()["error"]["message"]) == (502, True)


async def test_what_nobody_can_read_is_not_told_again(busy: BusyHouse) -> None:
    """A field that decides nothing may hold bytes that are no text: the request is served without it."""
    (key,) = await busy.agents(f"ann-{next(_numbers)}")
    body = b'{"model":"fine","stream":true,"input":"Hi","instructions":"Be brief.","metadata":{"a":"\xff"}}'
    async with httpx.AsyncClient(timeout=60) as client:
        head = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        answer = await client.post(f"http://127.0.0.1:{busy.port}/v1/responses", content=body, headers=head)
    last = json.loads(answer.text.rstrip().rpartition("data: ")[2])
    assert (answer.status_code, last["type"]) == (200, "response.completed")
    assert (last["response"]["instructions"], last["response"]["metadata"]) == ("Be brief.", {})


async def test_what_cannot_be_translated_is_logged(
    busy: BusyHouse, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 400 for its client; and the line of code, for it might be a mistake of ours."""
    monkeypatch.setattr(misread, "_told", set())
    (key,) = await busy.agents(f"ann-{next(_numbers)}")
    choice = {"type": "allowed_tools", "tools": [5]}
    asked = {"model": "fine", "input": "my private words", "tool_choice": choice}
    async with httpx.AsyncClient(timeout=60) as client:
        head = {"authorization": f"Bearer {key}"}
        answer = await client.post(f"http://127.0.0.1:{busy.port}/v1/responses", json=asked, headers=head)
    assert answer.status_code == 400
    told = (home / "logs" / "misread.log").read_text("utf-8")
    assert "builtins.AttributeError" in told and " _allowed\n" in told
    assert "private" not in told
