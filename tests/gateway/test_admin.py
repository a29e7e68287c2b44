"""The admin door: whatever comes in, one sentence goes out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from pointsman.gateway import admin as door
from pointsman.gateway.admin import AdminDoor
from pointsman.system import trouble
from pointsman.wire import admin
from tests.fakes import nonsense
from tests.fakes.busy_house import open_house, workers
from tests.fakes.home import MODELS, target
from tests.gateway.test_connection import connected, served

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
        admins = AdminDoor(busy.house, busy.commands, TOKEN, "http://127.0.0.1:4477/v1")
        async with served(admins) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=HEAD) as one:
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

    async with connected(client.base_url.port or 0) as other:
        head = f"POST /v1/command HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {HEAD['authorization']}\r\n"
        await other.say(f"{head}content-length: 9\r\nexpect: 100-continue\r\n\r\n".encode())
        assert b" 100 " in await other.reader.readuntil(b"\r\n\r\n")  # its command is waited for
    assert (await said(client, b'{"type":"list","what":"caps"}'))[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/v1/nowhere", {}, 404),
        ("GET", "/v1/command", {}, 405),
        ("GET", "/v1/snapshot", {"authorization": "Bearer other"}, 401),
        ("GET", "/v1/snapshot", {"authorization": "Bearer \xe4"}, 401),
        ("GET", "/v1/snapshot", {"host": "pointsman.example"}, 403),
        ("GET", "/v1/snapshot", {"origin": "http://127.0.0.1"}, 403),
        ("GET", "/v1/snapshot", {}, 200),
    ],
)
async def test_what_is_not_served_is_one_sentence(
    client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """Another path, another method, a wrong token, another machine, a page."""
    answer = await client.request(
        method, path, headers={name: said.encode("latin-1") for name, said in headers.items()}
    )
    assert answer.status_code == status
    assert status == 200 or admin.decode_problem(answer.content).sentence.endswith(".")


async def test_a_command_without_end_is_not_read_to_it(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What passes the bound is refused while it still comes."""
    monkeypatch.setattr(door, "_MAX_BODY", 1_000)
    head = f"POST /v1/command HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {HEAD['authorization']}\r\n"
    async with connected(client.base_url.port or 0) as other:
        await other.say(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
        await other.say(b"258\r\n" + b" " * 600 + b"\r\n" + b"258\r\n" + b" " * 600 + b"\r\n")
        answer = await other.rest()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"sentence":"The body is over ' in answer
