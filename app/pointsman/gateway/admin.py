"""The admin door: snapshot, event stream, commands. Another port than the agents', and a token that no agent has."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import time
from collections.abc import AsyncGenerator

import msgspec

from pointsman.core.errors import BadRequest, Broken, NotAuthorised, NotFound, PointsmanError, SetupError, WrongMethod
from pointsman.core.events import GatewayStopping
from pointsman.gateway import callers, snapshot
from pointsman.gateway.commands import Commands
from pointsman.gateway.exchange import Exchange
from pointsman.gateway.following import tell
from pointsman.gateway.house import House
from pointsman.gateway.reply import Reply, Written
from pointsman.system import trouble
from pointsman.wire import admin, misfit, sse
from pointsman.wire.scan import UNREADABLE

_MOST_OFTEN = 0.25  # seconds between two snapshots of a stream
_HEARTBEAT = 10.0  # seconds after which a quiet stream sends a snapshot anyway: times move on
_MAX_BODY = 34 * 1024 * 1024  # `explain` carries a request's body
_SERVED = {"/v1/snapshot": "GET", "/v1/events": "GET", "/v1/command": "POST"}


class AdminDoor:
    """Answers three paths, and tells whatever is wrong in one sentence."""

    def __init__(self, house: House, commands: Commands, token: str, address: str) -> None:
        self._house = house
        self._commands = commands
        self._token = token
        self._address = address
        self._started = time.time()

    async def __call__(self, asked: Exchange) -> None:
        """One HTTP request."""
        reply = Written(asked)
        try:
            await self._answer(asked, reply)
        except PointsmanError as error:
            await _problem(error, reply)
        except OverflowError:
            await _problem(BadRequest("A number of this command is past all sense: send a smaller one."), reply)
        except Exception as error:  # noqa: BLE001 the last net: the person gets a sentence, the log the lines
            await _problem(Broken(trouble.sentence(error)), reply)
        finally:
            reply.still()

    async def _answer(self, asked: Exchange, reply: Reply) -> None:
        _check(asked, self._token)
        served = _SERVED.get(asked.path)
        if served is None:
            raise NotFound("The admin door serves /v1/snapshot, /v1/events and /v1/command.")
        if served != asked.method:
            raise WrongMethod(f"{asked.path} is not served this way: use {served}.", (served,))
        if asked.path == "/v1/snapshot":
            await reply.whole(await self._encoded())
        elif asked.path == "/v1/command":
            await reply.whole(await self._command(await asked.body(_MAX_BODY)))
        else:
            await self._events(asked, reply)

    async def _command(self, body: bytes) -> bytes:
        try:
            command = admin.decode_command(body)
        except msgspec.ValidationError as error:
            raise BadRequest(f"This is not a command of Pointsman's: {misfit.sentence(error)}") from None
        except UNREADABLE:
            raise BadRequest("This command cannot be read: send a JSON object with its type.") from None
        return admin.encode(await self._commands.do(command))

    async def _events(self, asked: Exchange, reply: Reply) -> None:
        """Until its reader leaves, or the gateway ends."""
        assert asked.task is not None  # a door is called by a task
        asked.on_leave = asked.task.cancel
        if asked.gone:
            return
        async with contextlib.aclosing(self._stream()) as events:
            await tell(reply, events)

    async def _stream(self) -> AsyncGenerator[bytes, None]:
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


def _check(asked: Exchange, token: str) -> None:
    callers.check(asked, own=False)
    given = asked.headers.get("authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(given.encode(), token.encode()):
        raise NotAuthorised("The admin door needs the token of the running gateway.")


async def _problem(error: PointsmanError, reply: Reply) -> None:
    """In its own words, unless the answer has begun: then its end says that something is wrong."""
    if not reply.started:
        status = 400 if isinstance(error, SetupError) else error.status
        await reply.whole(admin.encode(admin.Problem(error.code, error.sentence)), status)
