"""The admin door: whatever comes in, one sentence goes out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any, cast

import httpx
import msgspec
import pytest

from pointsman.gateway import admin as door
from pointsman.gateway.admin import AdminDoor
from pointsman.system import trouble
from pointsman.wire import admin
from tests.fakes import nonsense
from tests.fakes.busy_house import open_house, workers
from tests.fakes.home import MODELS, target

TOKEN = "a" * 43
HEAD = {"authorization": f"Bearer {TOKEN}"}
CHAT = '{"model":"dear","messages":[{"role":"user","content":"hi"}]}'
RIGHT: list[Any] = [
    {"type": "answer", "question": "q", "verdict": "approve", "price": [1, 2], "scope": "agent", "seconds": 60},
    {"type": "set_cap", "name": "daily", "limit": 5, "window": "day", "scope": "everything"},
    {"type": "pause", "agent": None, "until": 5.0},
    {"type": "explain", "body": CHAT, "dialect": "chat", "agent": "one", "headers": {"x-pointsman-tier": "local"}},
    {"type": "explain", "body": '{"model":"dear","input":"hi"}', "dialect": "responses", "headers": {}},
    {"type": "add_agent", "name": "one", "key": None},
    {"type": "rotate_agent", "name": "one"},
    {"type": "spend", "by": "agent", "since": 1.0, "until": 2.0},
    {"type": "audit_list", "limit": 5, "agent": "one"},
    {"type": "audit_show", "request": "req_1"},
    {"type": "list", "what": "caps"},
]
UNREADABLE = [
    b"",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"type":"pause","agent":' + b"[" * 9_000 + b"]" * 9_000 + b"}",
    b'{"type":"pause","agent":"\\ud800"}',
    b'{"type":"pause","agent":"\xff"}',
    b'{"type":"pause","agent":"\xed\xa0\x80"}',
    b'{"type":"explain","dialect":"chat","body":"\\udfff"}',
    b'{"type":"set_cap","name":"x","limit":1e999}',
    b'{"type":"audit_page","after":1180591620717411303424}',
    b"null",
    b"[]",
]


@pytest.fixture
async def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """The admin door of a house whose provider is not there; an error that it does not catch fails the test."""
    (tmp_path / "models.toml").write_text(MODELS.format(base_url="http://127.0.0.1:9/v1", targets=target("dear", "d")))
    monkeypatch.setenv("POINTSMAN_MODELS", str(tmp_path / "models.toml"))
    monkeypatch.setenv("FAKE_KEY", "sk-test")
    supervisor = workers(tmp_path)
    async with open_house(tmp_path / "home", supervisor) as busy:
        app = AdminDoor(busy.house, busy.commands, TOKEN, "http://127.0.0.1:4477/v1").app
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=HEAD) as one:
            yield one
    await supervisor.close()


async def said(client: httpx.AsyncClient, body: bytes) -> tuple[int, str]:
    """The status, and the sentence of a problem."""
    answer = await client.post("/v1/command", content=body)
    return answer.status_code, "" if answer.status_code == 200 else admin.decode_problem(answer.content).sentence


@pytest.mark.parametrize("body", UNREADABLE, ids=range(len(UNREADABLE)))
async def test_a_body_that_cannot_be_read_is_one_sentence(client: httpx.AsyncClient, body: bytes) -> None:
    """Deep nesting, bytes that are no text and half a character are the sender's mistake, not a fault of ours."""
    status, sentence = await said(client, body)
    assert status == 400
    assert sentence.endswith(".") and "\n" not in sentence


async def test_a_command_that_is_nearly_right_is_one_sentence(client: httpx.AsyncClient) -> None:
    """Parts exchanged, left out or put in twice."""
    chance, found = Random(7), set[int]()
    for _ in range(400):
        changed = nonsense._changed(chance.choice(RIGHT), chance)
        body = json.dumps(changed, ensure_ascii=chance.random() < 0.7).encode("utf-8", "surrogatepass")
        status, sentence = await said(client, body)
        assert status < 500, (body, sentence)
        assert status == 200 or sentence, body
        found.add(status)
    assert {200, 400} <= found


async def test_a_mistake_of_our_own_is_told_as_one(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a sentence, and no lines of code."""

    async def broken(_: object, __: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("pointsman.gateway.commands.Commands.do", broken)
    status, sentence = await said(client, b'{"type":"list","what":"caps"}')
    assert (status, "ZeroDivisionError" in sentence, "secret" in sentence) == (500, True, False)


async def test_a_client_that_leaves_in_the_middle_is_no_fault(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is logged for it: nothing is wrong here."""
    monkeypatch.setattr(trouble, "sentence", lambda _error: pytest.fail("it was logged"))

    async def left() -> dict[str, str]:
        return {"type": "http.disconnect"}

    said = list[Any]()
    app = cast("httpx.ASGITransport", client._transport).app
    head = [(b"host", b"127.0.0.1"), (b"authorization", HEAD["authorization"].encode())]
    scope = {"type": "http", "method": "POST", "path": "/v1/command", "query_string": b"", "headers": head}

    async def send(message: Any) -> None:
        said.append(message)

    await app(scope, left, send)
    assert said[0]["status"] == 400


async def test_a_command_without_end_is_not_read_to_it(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What passes the bound is refused while it still comes."""
    monkeypatch.setattr(door, "_MAX_BODY", 1_000)
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 100
            yield b" " * 100

    answer = await client.post("/v1/command", content=pieces())
    assert (answer.status_code, sent <= 1_200) == (413, True)
    assert msgspec.json.decode(answer.content)["sentence"] == "This command is too large."
