"""The agent door. It bounds, checks and identifies; the pipeline does the rest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from pointsman import __version__
from pointsman.agents.identity import digest
from pointsman.core.errors import (
    BadRequest,
    Broken,
    NotAuthorised,
    NotFound,
    Refusal,
    UpgradeRequired,
    WrongMethod,
)
from pointsman.core.facts import raised
from pointsman.core.request import Hints
from pointsman.gateway import background, callers, listing, openapi, pipeline, routes
from pointsman.gateway.attempts import Sent
from pointsman.gateway.exchange import Exchange
from pointsman.gateway.following import tell
from pointsman.gateway.house import House
from pointsman.gateway.kept_responses import Asked, Noted
from pointsman.gateway.pipeline import Call
from pointsman.gateway.reply import KEEP_ALIVE, SLOWEST_READ, Reply, Written
from pointsman.gateway.run import Run, new_id
from pointsman.gateway.turns import Turns
from pointsman.system import trouble
from pointsman.wire import messages, refusals
from pointsman.wire.surfaces import SURFACES, TRIGGERED

MAX_BODY = 32 * 1024 * 1024
_DIGITS = 6
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
    """Answers the paths of three dialects; refuses everything else by name. `patience` and `every` are as in `Written`."""

    def __init__(self, house: House, patience: float = SLOWEST_READ, every: float = KEEP_ALIVE) -> None:
        self._house = house
        self._patience = patience
        self._every = every
        self._turns = Turns()

    async def __call__(self, asked: Exchange) -> None:
        """One HTTP request."""
        reply = Written(asked, self._patience, self._every, self._turns)
        try:
            await self._route(asked, reply)
        except Refusal as refusal:
            await _refused(refusal, spoken(asked.path, asked.headers), reply)
        except Exception as error:  # noqa: BLE001 the last net: the client gets a sentence, the log the traceback
            sentence = trouble.sentence(error)
            if not reply.started:
                await _refused(Broken(sentence), spoken(asked.path, asked.headers), reply)
        finally:
            reply.still()

    async def _route(self, asked: Exchange, reply: Written) -> None:
        path, method, headers = asked.path, asked.method, asked.headers
        callers.check(asked, own=True)
        found = routes.find(method, path)
        if found is not None and found.name in routes.OPEN:
            probe = b'{"status":"ok","version":"%b"}' % __version__.encode()
            return await reply.whole(probe if found.name == "probe" else openapi.description())
        key = _key(headers)
        agent = self._agent(key)
        if found is None:
            raise _unserved(method, path, headers)
        if found.name in SURFACES:
            return await self._serve((found.name, agent, key), asked, reply)
        if found.name == "count":
            counted = messages.estimate(await _json(asked))
            return await reply.whole(b'{"input_tokens":%d}' % counted)
        if found.name == "models":
            listed = listing.of(self._house.catalog, found.given)
            return await reply.whole(listing.told(listed, spoken(path, headers), int(time.time())))
        if found.name == "head":
            return await reply.whole(b"{}")
        query = "" if method == "HEAD" else asked.query  # HEAD waits for no stream
        return await self._kept(agent, found, dict(parse_qsl(query)), reply)

    async def _kept(self, agent: str, found: routes.Found, query: dict[str, str], reply: Reply) -> None:
        """What is asked of a response that is kept, or is being made."""
        kept = self._house.responses
        if found.name == "kept" and query.get("stream") == "true":
            return await tell(reply, await kept.replay(agent, found.given, query.get("starting_after", "")))
        if found.name == "items":
            return await reply.whole(await kept.items(agent, found.given, query))
        do = {"kept": kept.get, "forget": kept.forget, "cancel": kept.cancel}[found.name]
        return await reply.whole(await do(agent, found.given))

    def _agent(self, key: str) -> str:
        """Whose this is, of which only the digest is known."""
        name = self._house.agents.name(key)
        if name is None:
            raise _unknown_key()
        return name

    async def _serve(self, who: tuple[str, str, str], asked: Exchange, reply: Written) -> None:
        (name, agent, key), headers = who, asked.headers
        body = await _json(asked)
        await self._turns.mine()
        kept = await self._house.responses.asked(agent, body) if name in _RESPONSES else Asked(body)
        run, dialect = Run(new_id(), agent), TRIGGERED if kept.compacts and name == "responses" else SURFACES[name]
        seal = await self._house.responses.compactions.sealer(run) if dialect.compacts else str
        if asked.gone:  # nothing is asked for nobody
            raise BadRequest("The client left before its turn came.")
        if self._agent(key) != agent:  # a body may take its time, in which an agent may be removed
            raise _unknown_key()
        said = hints(headers)
        if kept.sensitivity is not None:  # what continues from something private is private
            said = msgspec.structs.replace(said, sensitivity=raised(kept.sensitivity, said.sensitivity))
        if kept.sealed_by is not None:  # what a vendor sealed is read by that vendor alone
            said = msgspec.structs.replace(said, sealed_by=kept.sealed_by)
        if name == "messages":
            reply.beat = _PING
        if name == "compact":  # its client keeps it by itself: nothing is continued from it by its id
            kept = Asked(kept.body, sensitivity=kept.sensitivity)
        travel, query = {name: headers[name] for name in headers if _travels(name)}, asked.query
        sent = Sent(dialect=dialect, body=kept.body, headers=travel, query=query and f"?{query}", seal=seal)
        if kept.background:
            await background.serve(self._house, run, kept, (sent, said), reply)
            return
        noted: Reply = Noted(reply, self._house.responses, run, kept) if kept.store or kept.previous else reply
        await _until_gone(pipeline.serve(Call(self._house, run, sent, noted), said), asked, run, noted)


def _unknown_key() -> Refusal:
    return NotAuthorised("No agent has this key. Make one with 'pointsman agents add NAME'.")


def _key(headers: dict[str, str]) -> str:
    """The digest of the key that came. Raises `NotAuthorised`."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    key = key.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
    if not key:
        raise NotAuthorised("No key came with this request. Send 'Authorization: Bearer' and the agent's key.")
    return digest(key)


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
    if not name.startswith(_TRAVEL_FAMILIES):
        return name in _TRAVEL
    return name not in _STAY and not any(word in name for word in _SECRETS)


async def _refused(refusal: Refusal, dialect: str, reply: Reply) -> None:
    status, body = refusals.status_and_body(refusal, dialect)
    await reply.start(status, [(b"content-type", b"application/json"), *refusals.headers(refusal)])
    await reply.send(body, last=True)


def hints(headers: dict[str, str]) -> Hints:
    """What the client's headers say. Raises `BadRequest` where one makes no sense."""
    if _SAY.isdisjoint(headers):
        return _NOTHING_SAID
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


_SAY = frozenset(
    (
        *("x-pointsman-task", "x-pointsman-class", "x-pointsman-project", "x-pointsman-label", "x-pointsman-tier"),
        *("x-pointsman-sensitivity", "x-pointsman-latency", "x-pointsman-timeout", "x-pointsman-fallback"),
        *("x-claude-code-request-class", *_SESSIONS),
    )
)
"""The headers that `hints` reads."""
_NOTHING_SAID = Hints()


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


async def _json(asked: Exchange) -> bytes:
    """The body, where it says that it is JSON: a form of a web page cannot say so."""
    if not asked.headers.get("content-type", "").startswith("application/json"):
        raise BadRequest("The body must be JSON: send 'content-type: application/json'.")
    return await asked.body(MAX_BODY)


async def _until_gone(work: Coroutine[Any, Any, None], asked: Exchange, run: Run, reply: Reply) -> None:
    """Do the work, but stop it at once when the client leaves or the person stops it."""
    serving = asked.task
    assert serving is not None  # a door is called by a task
    run.cancel = serving.cancel
    asked.on_leave = lambda: reply.finished or serving.cancel()  # a whole answer only has its row left to write
    try:
        await work
    except asyncio.CancelledError:
        if not asked.gone:
            raise
        serving.uncancel()
    finally:
        asked.on_leave = None
