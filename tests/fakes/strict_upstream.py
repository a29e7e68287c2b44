"""A real HTTP server that speaks chat completions, Responses and Messages as strictly as the vendors do.

A body that they would refuse is refused in their envelope. It answers by a script: first a call of a tool which the
client offered, then, once the result came, a text. Of every request it keeps the bytes, the headers and what it bills.
Run it in a thread of its own: `with StrictUpstream(script) as upstream: upstream.base_url`.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from aiohttp import web

from tests.fakes import strict_chat, strict_embeddings, strict_messages, strict_responses
from tests.fakes.loopback import Loopback
from tests.fakes.strict_model import Fault, Prices, Script, Used, used

KEY = "sk-test"
MODELS = ("gpt-strict", "claude-strict", "embed-strict")


@dataclass
class Seen:
    """One request as it came, and what became of it."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes
    status: int = 200
    used: Used = field(default_factory=Used)
    billed: int = 0

    @property
    def body(self) -> dict[str, Any]:
        """The bytes, read."""
        read: dict[str, Any] = json.loads(self.raw)
        return read


class StrictUpstream(Loopback):
    """Serves under `/v1`. `prices` is what it bills by."""

    def __init__(self, script: Script | None = None, prices: Prices | None = None) -> None:
        super().__init__()
        self.script = script or Script()
        self.prices = prices or Prices()
        self.seen: list[Seen] = []
        self._stored: dict[str, list[dict[str, Any]]] = {}
        self._numbers = Counter[str]()
        self._lock = threading.Lock()

    @property
    def base_url(self) -> str:
        """What an SDK of the openai kind is pointed at; the anthropic kind leaves `/v1` out."""
        return f"{self.address}/v1"

    @property
    def billed(self) -> int:
        """Micro-dollars for everything answered."""
        return sum(seen.billed for seen in self.seen)

    @property
    def turns(self) -> list[Seen]:
        """The requests that a model would have answered."""
        return [seen for seen in self.seen if seen.method == "POST" and not seen.path.endswith("count_tokens")]

    def routes(self, app: web.Application) -> None:
        """What it serves; anything else is a 404 that is written down."""
        app.router.add_route("*", "/{anything:.*}", self._any)

    async def _any(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen = Seen(request.method, request.path_qs, headers, await request.read())
        self.seen.append(seen)
        try:
            _check_key(headers)
            return await self._served(request, seen)
        except Fault as fault:
            seen.status = fault.status
            return web.json_response(_dialect(request.path).envelope(fault), status=fault.status)

    async def _served(self, request: web.Request, seen: Seen) -> web.StreamResponse:
        route = (request.method, request.path)
        if route == ("GET", "/v1/models"):
            return web.json_response(_models())
        if route == ("POST", "/v1/messages/count_tokens"):
            return self._count(seen)
        if route == ("POST", "/v1/embeddings"):
            return self._embed(seen)
        if route == ("POST", "/v1/responses/compact"):
            return self._compact(seen)
        if route in _ROUTES:
            return await self._answer(request, seen, _ROUTES[route])
        raise Fault(404, "not_found_error", f"Invalid URL ({request.method} {request.path})")

    def _count(self, seen: Seen) -> web.Response:
        body = _body(seen)
        strict_messages.check_count(body, seen.headers)
        return web.json_response({"input_tokens": len(seen.raw) // 4})

    def _embed(self, seen: Seen) -> web.Response:
        body = _body(seen)
        strict_embeddings.check(body)
        seen.used = Used(fresh=strict_embeddings.tokens(body))
        seen.billed = seen.used.cost(self.prices)
        return web.json_response(strict_embeddings.answer(body))

    def _compact(self, seen: Seen) -> web.Response:
        body = _body(seen)
        strict_responses.check_compact(body)
        seen.used = Used(fresh=len(seen.raw) // 4, output=30)
        seen.billed = seen.used.cost(self.prices)
        return web.json_response(strict_responses.compacted(body, seen.used, self._number(strict_responses)))

    async def _answer(self, request: web.Request, seen: Seen, dialect: ModuleType) -> web.StreamResponse:
        body = _body(seen)
        if dialect is strict_responses:
            body = strict_responses.resumed(body, self._stored)
        dialect.check(body, seen.headers)
        limit, answered = dialect.limit(body), dialect.answered(body)
        turn = self.script.turn(dialect.offered(body), answered=answered, thinks=dialect.thinks(body), limit=limit)
        seen.used = used(seen.raw, turn, answered=answered, limit=limit)
        seen.billed = seen.used.cost(self.prices)
        number = self._number(dialect)
        answer = dialect.whole_answer(body, turn, seen.used, number)
        if dialect is strict_responses and body.get("store", True):
            self._stored[answer["id"]] = strict_responses.kept(body, answer)
        if not body.get("stream"):
            return web.json_response(answer, headers={"x-request-id": f"req_strict{number}"})
        return await _stream(request, dialect.events(body, turn, seen.used, number))

    def _number(self, dialect: ModuleType) -> int:
        with self._lock:
            self._numbers[dialect.__name__] += 1
            return self._numbers[dialect.__name__]


_ROUTES: dict[tuple[str, str], ModuleType] = {
    ("POST", "/v1/chat/completions"): strict_chat,
    ("POST", "/v1/responses"): strict_responses,
    ("POST", "/v1/messages"): strict_messages,
}


def _dialect(path: str) -> ModuleType:
    return strict_messages if path.startswith("/v1/messages") else strict_chat


def _check_key(headers: dict[str, str]) -> None:
    if headers.get("authorization") != f"Bearer {KEY}" and headers.get("x-api-key") != KEY:
        raise Fault(401, "authentication_error", "invalid x-api-key", code="invalid_api_key")


def _body(seen: Seen) -> dict[str, Any]:
    if not seen.headers.get("content-type", "").startswith("application/json"):
        raise Fault(400, "invalid_request_error", "Send 'content-type: application/json'.")
    try:
        body = seen.body
    except ValueError:
        raise Fault(400, "invalid_request_error", "We could not parse the JSON body of your request.") from None
    model = body.get("model")
    if model not in MODELS:
        if _dialect(seen.path) is strict_messages:
            raise Fault(404, "not_found_error", f"model: {model}")
        message = f"The model `{model}` does not exist or you do not have access to it."
        raise Fault(404, "invalid_request_error", message, code="model_not_found")
    return body


def _models() -> dict[str, Any]:
    row = {"object": "model", "type": "model", "created": 1, "created_at": "2026-01-01T00:00:00Z", "owned_by": "strict"}
    rows = [{**row, "id": name, "display_name": name} for name in MODELS]
    return {"object": "list", "data": rows, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]}


async def _stream(request: web.Request, events: Any) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream; charset=utf-8"})
    await response.prepare(request)
    for event in events:
        await response.write(event)
    await response.write_eof()
    return response
