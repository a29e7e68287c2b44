"""The agent door: a bare ASGI callable. It bounds, checks and identifies; the pipeline does the rest."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from pointsman import __version__
from pointsman.agents.identity import digest
from pointsman.core.errors import BadRequest, Broken, Forbidden, NotAuthorised, NotFound, Refusal, TooLarge
from pointsman.core.request import Hints
from pointsman.gateway import pipeline
from pointsman.gateway.house import House
from pointsman.gateway.pipeline import Call
from pointsman.gateway.run import Run
from pointsman.system import trouble
from pointsman.wire import chat, refusals

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

MAX_BODY = 32 * 1024 * 1024
_SLOWEST_BODY = 60.0  # seconds for the whole body to arrive
_DIGITS = 6
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Session ids that agents send by themselves: Claude Code, Codex, OpenCode. Attribution only.
_SESSIONS = ("x-pointsman-session", "x-claude-code-session-id", "session-id", "x-session-affinity")


class Door:
    """Answers `/health`, `/v1/models` and `/v1/chat/completions`; refuses everything else by name."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request."""
        if scope["type"] != "http":
            return
        reply = _Reply(send)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            await self._route(scope, headers, receive, reply)
        except Refusal as refusal:
            status, body = refusals.status_and_body(refusal)
            await reply.start(status, [(b"content-type", b"application/json"), *refusals.headers(refusal)])
            await reply.send(body, last=True)
        except Exception as error:  # noqa: BLE001 the last net: the client gets a sentence, the log the traceback
            await _broken(error, reply)

    async def _route(self, scope: Scope, headers: dict[str, str], receive: Receive, reply: _Reply) -> None:
        path, method = scope["path"], scope["method"]
        _check_caller(headers, scope["server"][1])
        if path == "/health" and method in ("GET", "HEAD"):
            return await reply.whole(b'{"status":"ok","version":"%b"}' % __version__.encode())
        agent = self._agent(headers)
        if path == "/v1/models" and method == "GET":
            return await reply.whole(self._models())
        if path == "/v1/chat/completions" and method == "POST":
            return await self._chat(agent, headers, receive, reply)
        raise NotFound(f"{method} {path[:80]} is not served here. Use POST /v1/chat/completions or GET /v1/models.")

    def _agent(self, headers: dict[str, str]) -> str:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        key = key.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        if not key:
            raise NotAuthorised("No key came with this request. Send 'Authorization: Bearer' and the agent's key.")
        name = self._house.agents.name(digest(key))
        if name is None:
            raise NotAuthorised("No agent has this key. Make one with 'pointsman agents add NAME'.")
        return name

    def _models(self) -> bytes:
        catalog = self._house.catalog
        tiers = [(name, "pointsman") for name in ("auto", "local", "private", "cloud") if _serves(name, self._house)]
        targets = [(target.name, target.provider or "local") for target in catalog.targets.values()]
        return chat.models([*tiers, *((name, "alias") for name in catalog.aliases), *targets], int(time.time()))

    async def _chat(self, agent: str, headers: dict[str, str], receive: Receive, reply: _Reply) -> None:
        if not headers.get("content-type", "").startswith("application/json"):
            raise BadRequest("The body must be JSON: send 'content-type: application/json'.")
        body = await _body(receive, headers)
        run = Run("req_" + secrets.token_hex(10), agent)
        await _until_gone(pipeline.serve(Call(self._house, run, body, reply), hints(headers)), receive, run, reply)


async def _broken(error: Exception, reply: _Reply) -> None:
    """Something of ours is wrong. The traceback goes to a file, without values."""
    sentence = trouble.sentence(error)
    if not reply.started:
        _, body = refusals.status_and_body(Broken(sentence))
        await reply.start(500, [(b"content-type", b"application/json"), *refusals.headers(Broken(sentence))])
        await reply.send(body, last=True)


def _serves(name: str, house: House) -> bool:
    return name == "auto" or bool(house.catalog.by_tier(name))


def hints(headers: dict[str, str]) -> Hints:
    """What the client's headers say. Raises `BadRequest` where one makes no sense."""
    return Hints(
        session=next((headers[name][:200] for name in _SESSIONS if headers.get(name)), None),
        task=headers.get("x-pointsman-task"),
        class_=headers.get("x-pointsman-class"),
        project=headers.get("x-pointsman-project"),
        label=headers.get("x-pointsman-label"),
        tier=_one_of(headers, "x-pointsman-tier", ("local", "private", "cloud")),
        sensitivity=_one_of(headers, "x-pointsman-sensitivity", ("public", "internal", "personal")),
        latency=_one_of(headers, "x-pointsman-latency", ("interactive", "background", "streaming")) or "interactive",
        timeout=_seconds(headers),
        fallback=_one_of(headers, "x-pointsman-fallback", ("allow", "none")) != "none",
    )


def _one_of(headers: dict[str, str], name: str, choices: tuple[str, ...]) -> str | None:
    value = headers.get(name)
    if value is not None and value not in choices:
        raise BadRequest(f"The header {name} must be one of {', '.join(choices)}.")
    return value


def _seconds(headers: dict[str, str]) -> float | None:
    value = headers.get("x-pointsman-timeout")
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal()) or len(value) > _DIGITS or int(value) < 1:
        raise BadRequest("The header x-pointsman-timeout must be a whole number of seconds, at least 1.")
    return float(value)


def _check_caller(headers: dict[str, str], port: int) -> None:
    """Only programs on this machine: a page in a browser cannot fake these two headers."""
    if _host(headers.get("host", "")) not in _LOOPBACK:
        raise Forbidden("This Host is not this machine. Use http://127.0.0.1 or http://localhost.")
    origin = headers.get("origin")
    if origin is not None and not _own(origin, port):
        raise Forbidden("Web pages may not use Pointsman: this Origin is not its own.")


def _own(origin: str, port: int) -> bool:
    try:
        parts = urlsplit(origin)
        return parts.hostname in _LOOPBACK and parts.port == port
    except ValueError:
        return False


def _host(value: str) -> str:
    try:
        return urlsplit("//" + value).hostname or ""
    except ValueError:
        return ""


async def _body(receive: Receive, headers: dict[str, str]) -> bytes:
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > MAX_BODY:
        raise _too_large()
    pieces, size = [], 0
    try:
        async with asyncio.timeout(_SLOWEST_BODY):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise BadRequest("The client left before its request was complete.")
                pieces.append(message.get("body", b""))
                size += len(pieces[-1])
                if size > MAX_BODY:
                    raise _too_large()
                if not message.get("more_body"):
                    return b"".join(pieces)
    except TimeoutError:
        raise BadRequest(f"The body did not arrive within {_SLOWEST_BODY:.0f} seconds.") from None


def _too_large() -> TooLarge:
    return TooLarge(
        f"The body is over {MAX_BODY // 2**20} MB, the most that Pointsman takes. Send less in one request."
    )


async def _until_gone(work: Any, receive: Receive, run: Run, reply: _Reply) -> None:
    """Do the work, but stop it at once when the client leaves or the person stops it."""
    serving = asyncio.create_task(work)
    watching = asyncio.create_task(_gone(receive))
    run.cancel = serving.cancel
    try:
        await asyncio.wait({serving, watching}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        watching.cancel()
        if not serving.done() and not reply.finished:  # a whole answer only has its row left to write
            serving.cancel()
        await asyncio.wait({serving})
    if not serving.cancelled() and (error := serving.exception()) is not None:
        raise error


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class _Reply:
    """Writes to the client, each piece in one message."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False
        self.finished = False

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def send(self, data: bytes, *, last: bool = False) -> None:
        self.finished = last
        await self._send({"type": "http.response.body", "body": data, "more_body": not last})

    async def whole(self, body: bytes) -> None:
        await self.start(200, [(b"content-type", b"application/json")])
        await self.send(body, last=True)
