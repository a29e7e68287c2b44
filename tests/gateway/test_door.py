"""What passes the agent door, and for whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from pointsman.gateway import door
from pointsman.gateway.exchange import Exchange
from pointsman.gateway.following import Told
from pointsman.gateway.kept_responses import Asked
from pointsman.gateway.turns import Turns
from pointsman.wire import admin
from tests.fakes.busy_house import BusyHouse, at_the_door, open_house, workers
from tests.fakes.home import MODELS, target


@pytest.mark.parametrize("name", ["anthropic-beta", "session-id", "x-codex-turn-metadata", "x-stainless-lang"])
def test_what_agents_add_travels(name: str) -> None:
    """An upstream of the same dialect may see it."""
    assert door._travels(name)


@pytest.mark.parametrize(
    "name", ["authorization", "x-api-key", "openai-organization", "openai-api-key", "x-codex-token"]
)
def test_no_secret_travels(name: str) -> None:
    """Whatever family its name is of."""
    assert not door._travels(name)


BODY = b'{"model":"dear","input":"my words","max_output_tokens":100}'


@pytest.fixture
async def busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[BusyHouse]:
    """A house with its door open; its provider is not there."""
    (tmp_path / "models.toml").write_text(MODELS.format(base_url="http://127.0.0.1:9/v1", targets=target("dear", "d")))
    monkeypatch.setenv("POINTSMAN_MODELS", str(tmp_path / "models.toml"))
    monkeypatch.setenv("FAKE_KEY", "sk-test")
    supervisor = workers(tmp_path)
    async with open_house(tmp_path / "home", supervisor) as house, at_the_door(house):
        yield house
    await supervisor.close()


def head(line: str, key: str, *more: str) -> bytes:
    """The head of a request."""
    return "\r\n".join([f"{line} HTTP/1.1", "host: 127.0.0.1", f"authorization: Bearer {key}", *more, "", ""]).encode()


async def test_an_agent_that_is_removed_while_its_body_comes_is_not_served(busy: BusyHouse) -> None:
    """Nothing of it runs, and nothing is kept that the next agent of its name could read."""
    (key,) = await busy.agents("victim")
    reader, writer = await asyncio.open_connection("127.0.0.1", busy.port)
    sized = f"content-length: {len(BODY)}"
    begins = head("POST /v1/responses", key, "content-type: application/json", "expect: 100-continue", sized)
    writer.write(begins)
    assert b" 100 " in await reader.readuntil(b"\r\n\r\n")  # its body is waited for
    await busy.do(admin.RemoveAgent("victim"))
    await busy.agents("victim")
    writer.write(BODY)
    assert b" 401 " in await reader.readuntil(b"\r\n\r\n")
    writer.close()
    assert busy.guests.passed == []


async def test_an_agent_that_is_removed_is_unknown_before_it_is_forgotten(
    busy: BusyHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what it asks for meanwhile would be kept for the next one of its name."""
    await busy.agents("victim")
    forget, known = busy.house.responses.forget_agent, list[bool]()

    async def noted(agent: str) -> None:
        known.append(agent in busy.house.agents.names())
        await forget(agent)

    monkeypatch.setattr(busy.house.responses, "forget_agent", noted)
    await busy.do(admin.RemoveAgent("victim"))
    assert known == [False]


async def test_the_questions_of_an_agent_that_is_removed_are_closed(busy: BusyHouse) -> None:
    """Nobody needs their answer."""
    (key,) = await busy.agents("victim")
    await busy.do(admin.SetCap(name="daily", limit=1, at_limit="ask"))
    _, writer = await asyncio.open_connection("127.0.0.1", busy.port)
    sized = f"content-length: {len(BODY)}"
    writer.write(head("POST /v1/responses", key, "content-type: application/json", sized) + BODY)
    heard = busy.house.bus.listen()
    async with asyncio.timeout(20):
        while not busy.house.approvals.open():
            await heard.get()
    await busy.do(admin.RemoveAgent("victim"))
    assert busy.house.approvals.open() == []
    writer.close()


@pytest.mark.parametrize("waits", ["for its turn", "for its past"])
@pytest.mark.parametrize("body", [BODY, BODY[:-1] + b',"background":true}'])
async def test_a_client_that_leaves_while_it_waits_has_left(
    busy: BusyHouse, monkeypatch: pytest.MonkeyPatch, waits: str, body: bytes
) -> None:
    """Nothing is asked of a provider for nobody, and nothing is held."""
    (key,) = await busy.agents("one")
    gone, over = asyncio.Event(), asyncio.Event()

    async def slow(*_: object) -> Asked:
        writer.close()
        await gone.wait()
        over.set()
        return Asked(body)

    def leave(exchange: Exchange) -> None:
        told(exchange)
        gone.set()

    told = Exchange.leave
    monkeypatch.setattr(Exchange, "leave", leave)
    if waits == "for its turn":
        monkeypatch.setattr(Turns, "mine", slow)
    else:
        monkeypatch.setattr(busy.house.responses, "asked", slow)
    _, writer = await asyncio.open_connection("127.0.0.1", busy.port)
    sized = f"content-length: {len(body)}"
    writer.write(head("POST /v1/responses", key, "content-type: application/json", sized) + body)
    async with asyncio.timeout(20):
        await over.wait()
    await busy.house.ledger.caps()  # a turn of the database, in which what was begun would have gone on
    assert busy.guests.passed == []


async def test_head_waits_for_no_stream(busy: BusyHouse) -> None:
    """It says at once whether the response is there, though it is being made."""
    (key,) = await busy.agents("one")
    events = Told()
    events.add(b'data: {"type":"response.created"}\n\n')
    busy.house.responses.working["one", "resp_1"] = SimpleNamespace(events=events, told=lambda: b"{}", cancel=nothing)
    reader, writer = await asyncio.open_connection("127.0.0.1", busy.port)
    async with asyncio.timeout(20):
        for _ in range(2):  # its connection goes on
            writer.write(head("HEAD /v1/responses/resp_1?stream=true", key))
            answer = await reader.readuntil(b"\r\n\r\n")
            assert b" 200 " in answer and b"application/json" in answer
    writer.close()
    busy.house.responses.working.clear()


async def nothing() -> None:
    """Stops at once."""
