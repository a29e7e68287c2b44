"""The admin door: snapshot, event stream, commands. Another port than the agents', and a token that no agent has."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from pointsman.core.errors import BadRequest, Broken, Forbidden, NotAuthorised, PointsmanError, SetupError, TooLarge
from pointsman.core.events import GatewayStopping
from pointsman.gateway import snapshot
from pointsman.gateway.commands import Commands
from pointsman.gateway.house import House
from pointsman.system import trouble
from pointsman.wire import admin, misfit, sse
from pointsman.wire.scan import UNREADABLE

Endpoint = Callable[[Request], Awaitable[Response]]

_MOST_OFTEN = 0.25  # seconds between two snapshots of a stream
_HEARTBEAT = 10.0  # seconds after which a quiet stream sends a snapshot anyway: times move on
_MAX_BODY = 34 * 1024 * 1024  # `explain` carries a request's body
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class AdminDoor:
    """The Starlette application, and where it gets its answers."""

    def __init__(self, house: House, commands: Commands, token: str, address: str) -> None:
        self._house = house
        self._commands = commands
        self._token = token
        self._address = address
        self._started = time.time()
        self.app = Starlette(
            routes=[
                Route("/v1/snapshot", self._checked(self._snapshot), methods=["GET"]),
                Route("/v1/events", self._checked(self._events), methods=["GET"]),
                Route("/v1/command", self._checked(self._command), methods=["POST"]),
            ]
        )

    def _checked(self, endpoint: Endpoint) -> Endpoint:
        async def answer(request: Request) -> Response:
            try:
                _check(request, self._token)
                return await endpoint(request)
            except PointsmanError as error:
                return _problem(error)
            except ClientDisconnect:  # it left in the middle of its command: nobody reads this
                return _problem(BadRequest("This command broke off before its end."))
            except OverflowError:
                return _problem(BadRequest("A number of this command is past all sense: send a smaller one."))
            except Exception as error:  # noqa: BLE001 the last net: the person gets a sentence, the log the lines
                return _problem(Broken(trouble.sentence(error)))

        return answer

    async def _snapshot(self, _request: Request) -> Response:
        return Response(await self._encoded(), media_type="application/json")

    async def _events(self, _request: Request) -> Response:
        return StreamingResponse(self._stream(), media_type="text/event-stream", headers={"cache-control": "no-cache"})

    async def _command(self, request: Request) -> Response:
        body = await _body(request)
        try:
            command = admin.decode_command(body)
        except msgspec.ValidationError as error:
            raise BadRequest(f"This is not a command of Pointsman's: {misfit.sentence(error)}") from None
        except UNREADABLE:
            raise BadRequest("This command cannot be read: send a JSON object with its type.") from None
        answer = await self._commands.do(command)
        return Response(admin.encode(answer), media_type="application/json")

    async def _stream(self) -> AsyncIterator[bytes]:
        """A snapshot at once, then events as they come, each burst followed by a snapshot."""
        queue = self._house.bus.listen()
        try:
            while True:
                yield sse.encode(await self._encoded(), "snapshot")
                await asyncio.sleep(_MOST_OFTEN)
                try:
                    happened = [await asyncio.wait_for(queue.get(), _HEARTBEAT)]
                except TimeoutError:
                    continue
                while not queue.empty():
                    happened.append(queue.get_nowait())
                for event in happened:
                    yield sse.encode(msgspec.json.encode(event), "event")
                    if isinstance(event, GatewayStopping):
                        return
        finally:
            self._house.bus.leave(queue)

    async def _encoded(self) -> bytes:
        return admin.encode(await snapshot.take(self._house, self._address, self._started))


def _check(request: Request, token: str) -> None:
    if request.url.hostname not in _LOOPBACK or "origin" in request.headers:
        raise Forbidden("The admin door is for Pointsman's own programs on this machine.")
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(given.encode(), token.encode()):
        raise NotAuthorised("The admin door needs the token of the running gateway.")


async def _body(request: Request) -> bytes:
    """What was sent. Raises `TooLarge` as soon as it is more than any command has."""
    pieces, size = list[bytes](), 0
    async for piece in request.stream():
        pieces.append(piece)
        size += len(piece)
        if size > _MAX_BODY:
            raise TooLarge("This command is too large.")
    return b"".join(pieces)


def _problem(error: PointsmanError) -> Response:
    body = admin.encode(admin.Problem(error.code, error.sentence))
    status = 400 if isinstance(error, SetupError) else error.status
    return Response(body, status_code=status, media_type="application/json")
