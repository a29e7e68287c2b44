"""What logind and UPower say over D-Bus: that the machine goes to sleep, whether anybody is here, that a plug was pulled.

A signal is only a reason to ask: what counts is the answer to a question put to logind by its name, so that no other
program can make us believe anything.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from jeepney import DBusAddress, HeaderFields, Message, MessageType, Properties
from jeepney.bus_messages import MatchRule, message_bus
from jeepney.io.asyncio import DBusConnection, open_dbus_connection

from pointsman.core.engines import Power

_ASK_ANYWAY = 300.0  # seconds
_LOGIND = DBusAddress("/org/freedesktop/login1", "org.freedesktop.login1", "org.freedesktop.login1.Manager")
_ASKED = ("PreparingForSleep", "IdleHint")
_SIGNALS = (
    MatchRule(type="signal", interface="org.freedesktop.login1.Manager", member="PrepareForSleep"),
    MatchRule(type="signal", interface="org.freedesktop.DBus.Properties", path="/org/freedesktop/login1"),
    MatchRule(type="signal", interface="org.freedesktop.DBus.Properties", path="/org/freedesktop/UPower"),
)


@contextlib.asynccontextmanager
async def watch(bus: str) -> AsyncIterator[AsyncGenerator[Power, None]]:
    """What is known now, and again after each change. Raises `OSError` or `EOFError` when the bus is gone."""
    connection = await open_dbus_connection(bus)
    try:
        for rule in _SIGNALS:
            await connection.send(message_bus.AddMatch(rule))
        async with contextlib.aclosing(_changes(connection)) as changes:
            yield changes
    finally:
        with contextlib.suppress(OSError):
            await connection.close()


async def _changes(connection: DBusConnection) -> AsyncGenerator[Power, None]:
    """One round of questions at a time; signals that come meanwhile make another one."""
    while True:
        answers: dict[str, bool | None] = {}
        waiting = {await _ask(connection, name): name for name in _ASKED}
        again = False
        while waiting:
            message = await connection.receive()
            again = again or message.header.message_type is MessageType.signal
            name = waiting.pop(message.header.fields.get(HeaderFields.reply_serial, -1), None)
            if name is not None:
                answers[name] = _flag(message)
        yield Power(sleeping=answers["PreparingForSleep"] is True, away=answers["IdleHint"])
        if not again:
            await _signalled(connection)


async def _ask(connection: DBusConnection, name: str) -> int:
    serial: int = next(connection.outgoing_serial)
    await connection.send(Properties(_LOGIND).get(name), serial=serial)
    return serial


async def _signalled(connection: DBusConnection) -> None:
    """Until there is a reason to ask, or it is time to ask without one."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_ASK_ANYWAY):
            while (await connection.receive()).header.message_type is not MessageType.signal:
                pass


def _flag(message: Message) -> bool | None:
    """A variant's value, None where the answer is an error or something else than yes or no."""
    if message.header.message_type is not MessageType.method_return or not message.body:
        return None
    found: Any = message.body[0]
    held = found[1] if isinstance(found, tuple) and len(found) == 2 else None
    return held if isinstance(held, bool) else None
