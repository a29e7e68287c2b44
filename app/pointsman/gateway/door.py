"""The agent door: a bare ASGI callable. It bounds, checks and identifies; the pipeline does the rest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from pointsman import __version__
from pointsman.agents.identity import digest
from pointsman.core.errors import (
    BadRequest,
    Broken,
    Forbidden,
    NotAuthorised,
    NotFound,
    Refusal,
    TooLarge,
    UpgradeRequired,
    WrongMethod,
)
from pointsman.core.facts import raised
from pointsman.core.request import Hints
from pointsman.gateway import background, listing, openapi, pipeline, routes
from pointsman.gateway.attempts import Sent
from pointsman.gateway.following import tell
from pointsman.gateway.house import House
from pointsman.gateway.kept_responses import Asked, Noted
from pointsman.gateway.pipeline import Call
from pointsman.gateway.reply import KEEP_ALIVE, SLOWEST_READ, Receive, Reply, Send
from pointsman.gateway.run import Run, new_id
from pointsman.system import trouble
from pointsman.wire import messages, refusals
from pointsman.wire.surfaces import SURFACES, TRIGGERED

Scope = dict[str, Any]

MAX_BODY = 32 * 1024 * 1024
_SLOWEST_BODY = 60.0  # seconds for the whole body to arrive
_DIGITS = 6
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SERVED = "Use POST /v1/chat/completions, /v1/responses or /v1/messages, or GET /v1/models; /openapi.json lists all."
_PING = b'event: ping\ndata: {"type": "ping"}\n\n'  # as the vendor of Messages keeps its streams alive
_TRAVEL = (
    *("user-agent", "originator", "session-id", "thread-id", "x-session-affinity", "x-session-id", "x-app"),
    *("traceparent", "tracestate", "x-client-request-id"),
)
_TRAVEL_FAMILIES = ("anthropic-", "openai-", "x-codex-", "x-claude-code-", "x-claude-1p-", "x-stainless-")
_RESPONSES = ("responses", "compact")
_STAY = ("openai-organization", "openai-project")  # they name the owner of a key that is not the client's
_SECRETS = ("key", "token", "auth", "cookie", "secret")  # in the name of a header that holds one
# Session ids that agents send by themselves: Claude Code, Codex, OpenCode. Attribution only.
_SESSIONS = ("x-pointsman-session", "x-claude-code-session-id", "session-id", "x-session-affinity")


class Door:
    """Answers the paths of three dialects; refuses everything else by name. `patience` and `every` are as in `Reply`."""

    def __init__(self, house: House, patience: float = SLOWEST_READ, every: float = KEEP_ALIVE) -> None:
        self._house = house
        self._patience = patience
        self._every = every

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request."""
        if scope["type"] != "http":
            return
        reply = Reply(send, self._patience, self._every)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            await self._route(scope, headers, receive, reply)
        except Refusal as refusal:
            await _refused(refusal, spoken(scope["path"], headers), reply)
        except Exception as error:  # noqa: BLE001 the last net: the client gets a sentence, the log the traceback
            sentence = trouble.sentence(error)
            if not reply.started:
                await _refused(Broken(sentence), spoken(scope["path"], headers), reply)
        finally:
            reply.still()

    async def _route(self, scope: Scope, headers: dict[str, str], receive: Receive, reply: Reply) -> None:
        path, method = scope["path"], scope["method"]
        if len(headers) < len(scope["headers"]):
            _check_once(scope["headers"])
        _check_caller(headers, scope["server"][1])
        found = routes.find(method, path)
        if found is not None and found.name in routes.OPEN:
            probe = b'{"status":"ok","version":"%b"}' % __version__.encode()
            return await reply.whole(probe if found.name == "probe" else openapi.description())
        agent = self._agent(headers)
        if found is None:
            raise _unserved(method, path, headers)
        if found.name in SURFACES:
            return await self._serve(agent, (scope, headers), receive, reply)
        if found.name == "count":
            counted = messages.estimate(await _json(receive, headers))
            return await reply.whole(b'{"input_tokens":%d}' % counted)
        if found.name == "models":
            listed = listing.of(self._house.catalog, found.given)
            return await reply.whole(listing.told(listed, spoken(path, headers), int(time.time())))
        if found.name == "head":
            return await reply.whole(b"{}")
        query = b"" if method == "HEAD" else scope.get("query_string", b"")  # HEAD waits for no stream
        return await self._kept(agent, found, dict(parse_qsl(query.decode("latin-1"))), reply)

    async def _kept(self, agent: str, found: routes.Found, query: dict[str, str], reply: Reply) -> None:
        """What is asked of a response that is kept, or is being made."""
        kept = self._house.responses
        if found.name == "kept" and query.get("stream") == "true":
            return await tell(reply, await kept.replay(agent, found.given, query.get("starting_after", "")))
        if found.name == "items":
            return await reply.whole(await kept.items(agent, found.given, query))
        do = {"kept": kept.get, "forget": kept.forget, "cancel": kept.cancel}[found.name]
        return await reply.whole(await do(agent, found.given))

    def _agent(self, headers: dict[str, str]) -> str:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        key = key.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        if not key:
            raise NotAuthorised("No key came with this request. Send 'Authorization: Bearer' and the agent's key.")
        name = self._house.agents.name(digest(key))
        if name is None:
            raise _unknown_key()
        return name

    async def _serve(self, agent: str, asked: tuple[Scope, dict[str, str]], receive: Receive, reply: Reply) -> None:
        scope, headers = asked
        name, body = routes.ROUTES[scope["method"], scope["path"]], await _json(receive, headers)
        kept = await self._house.responses.asked(agent, body) if name in _RESPONSES else Asked(body)
        run, dialect = Run(new_id(), agent), TRIGGERED if kept.compacts and name == "responses" else SURFACES[name]
        seal = await self._house.responses.compactions.sealer(run) if dialect.compacts else str
        if self._agent(headers) != agent:  # a body may take its time, in which an agent may be removed
            raise _unknown_key()
        said = hints(headers)
        if kept.sensitivity is not None:  # what continues from something private is private
            said = msgspec.structs.replace(said, sensitivity=raised(kept.sensitivity, said.sensitivity))
        if kept.sealed_by is not None:  # what a vendor sealed is read by that vendor alone
            said = msgspec.structs.replace(said, sealed_by=kept.sealed_by)
        reply.beat = _PING if name == "messages" else reply.beat
        if name == "compact":  # its client keeps it by itself: nothing is continued from it by its id
            kept = Asked(kept.body, sensitivity=kept.sensitivity)
        sent = Sent(
            dialect=dialect,
            body=kept.body,
            headers={name: value for name, value in headers.items() if _travels(name)},
            query=f"?{scope['query_string'].decode('latin-1')}" if scope.get("query_string") else "",
            seal=seal,
        )
        if kept.background:
            await background.serve(self._house, run, kept, (sent, said), reply)
            return
        if kept.store or kept.previous:
            reply = Noted(reply, self._house.responses, run, kept)
        await _until_gone(pipeline.serve(Call(self._house, run, sent, reply), said), receive, run, reply)


def _unknown_key() -> Refusal:
    return NotAuthorised("No agent has this key. Make one with 'pointsman agents add NAME'.")


def _unserved(method: str, path: str, headers: dict[str, str]) -> Refusal:
    if path == "/v1/responses" and method == "GET" and headers.get("upgrade"):
        return UpgradeRequired("WebSockets are not spoken here. Send POST /v1/responses.")
    if allowed := routes.methods(path):
        return WrongMethod(f"{method} {path[:80]} is not served here: use {' or '.join(allowed)}.", allowed)
    return NotFound(f"{method} {path[:80]} is not served here. {_SERVED}")


def spoken(path: str, headers: dict[str, str]) -> str:
    """The dialect that a client understands, whatever it asked for."""
    if path.startswith("/v1/messages") or (path.startswith("/v1/models") and "anthropic-version" in headers):
        return "messages"
    return "responses" if path.startswith("/v1/responses") else "chat"


def _travels(name: str) -> bool:
    """Headers that an upstream of the client's own dialect may see: what vendors and their agents add, no secrets."""
    secret = any(word in name for word in _SECRETS)
    return name in _TRAVEL or (name.startswith(_TRAVEL_FAMILIES) and name not in _STAY and not secret)


async def _refused(refusal: Refusal, dialect: str, reply: Reply) -> None:
    status, body = refusals.status_and_body(refusal, dialect)
    await reply.start(status, [(b"content-type", b"application/json"), *refusals.headers(refusal)])
    await reply.send(body, last=True)


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
        kind=headers.get("x-claude-code-request-class"),
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


def _check_once(given: list[tuple[bytes, bytes]]) -> None:
    """Of two headers of one name that decide, each reader could believe another one."""
    names = [name for name, _ in given]
    twice = next((name for name in _DECIDE if names.count(name) > 1), None)
    if twice is not None:
        raise BadRequest(f"The header {twice.decode()} came twice. Send it once.")


_DECIDE = (b"host", b"origin", b"authorization", b"x-api-key", b"content-type")


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


async def _json(receive: Receive, headers: dict[str, str]) -> bytes:
    """The body, where it says that it is JSON: a form of a web page cannot say so."""
    if not headers.get("content-type", "").startswith("application/json"):
        raise BadRequest("The body must be JSON: send 'content-type: application/json'.")
    return await _body(receive, headers)


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


async def _until_gone(work: Coroutine[Any, Any, None], receive: Receive, run: Run, reply: Reply) -> None:
    """Do the work, but stop it at once when the client leaves or the person stops it."""
    serving = asyncio.current_task()
    assert serving is not None  # a door is called by a task
    watching = asyncio.create_task(_gone(receive, serving, reply))
    run.cancel = serving.cancel
    try:
        await work
    except asyncio.CancelledError:
        if not watching.done():
            raise
        serving.uncancel()
    finally:
        watching.cancel()


async def _gone(receive: Receive, serving: asyncio.Task[Any], reply: Reply) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    if not reply.finished:  # a whole answer only has its row left to write
        serving.cancel()
