"""The worker's side of the protocol: a thread that reads commands, and the loop that owns the engine."""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from typing import BinaryIO

import msgspec

from pointsman.engines import protocol
from pointsman.engines.engine import Embeds, Engine
from pointsman.engines.failures import Rejected
from pointsman.engines.interrupt import Interrupt
from pointsman.engines.memory import resident_bytes

_log = logging.getLogger(__name__)

Send = Callable[[protocol.Event], None]
Inbox = queue.SimpleQueue[protocol.Command | protocol.Failed]


def claim_stdout() -> BinaryIO:
    """The protocol's own descriptor; what anything else prints goes to the log from now on."""
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return pipe


def open_stdin() -> BinaryIO:
    """Our own reader: a thread that waits in `sys.stdin` would hold up the end of the interpreter."""
    return open(0, "rb", closefd=False)


def sender(pipe: BinaryIO) -> Send:
    """Writes one event at once; ends the process when nobody reads any more."""

    def send(event: protocol.Event) -> None:
        try:
            pipe.write(protocol.encode(event))
            pipe.flush()
        except OSError:
            os._exit(0)

    return send


def start_reader(stream: BinaryIO, inbox: Inbox, interrupt: Interrupt) -> None:
    """Fill the inbox from a thread. When the gateway is gone the process ends, even in the middle of a step."""

    def read() -> None:
        for line in stream:
            command = _decode(line)
            if command is None:
                continue
            inbox.put(command)
            if isinstance(command, protocol.Cancel | protocol.Quit):
                interrupt.set()
        os._exit(0)

    threading.Thread(target=read, name="commands", daemon=True).start()


def serve(engine: Engine, inbox: Inbox, interrupt: Interrupt, send: Send) -> None:
    """Runs until `Quit`."""
    while True:
        # Before the inbox is emptied: a cancel that comes after this interrupts the step, none is lost between.
        interrupt.clear()
        for command in _drain(inbox, wait=engine.active + engine.waiting == 0):
            if isinstance(command, protocol.Quit):
                return
            _obey(command, engine, send)
        if engine.active + engine.waiting:
            for event in engine.step():
                send(event)


def _drain(inbox: Inbox, wait: bool) -> Iterator[protocol.Command | protocol.Failed]:
    try:
        yield inbox.get(block=wait)
        while True:
            yield inbox.get_nowait()
    except queue.Empty:
        return


def _obey(command: protocol.Command | protocol.Failed, engine: Engine, send: Send) -> None:
    match command:
        case protocol.Chat() | protocol.Embed():
            _insert(command, engine, send)
        case protocol.Cancel():
            if (end := engine.remove(command.id)) is not None:
                send(end)
        case protocol.Ping():
            send(_pong(engine))
        case protocol.Failed():
            send(command)


def _insert(asked: protocol.Asked, engine: Engine, send: Send) -> None:
    try:
        _hand(asked, engine)
    except Rejected as error:
        send(protocol.Failed(id=asked.id, code=error.code, message=error.message))
    except Exception as error:  # noqa: BLE001 - one request must not end the others
        # Only the kind: the text of an exception may quote the conversation.
        _log.error("a request could not be taken in: %s", type(error).__name__)
        send(protocol.Failed(id=asked.id, code="engine_error", message="The engine could not take this request in."))


def _hand(asked: protocol.Asked, engine: Engine) -> None:
    if isinstance(asked, protocol.Chat):
        engine.insert(asked)
    elif isinstance(engine, Embeds):
        engine.embed(asked)
    else:
        raise Rejected("bad_request", "This model makes no embeddings: its file names no way to pool them.")


def _pong(engine: Engine) -> protocol.Pong:
    resident = resident_bytes(os.getpid())
    return protocol.Pong(steps=engine.steps, active=engine.active, waiting=engine.waiting, resident_bytes=resident)


class _Named(msgspec.Struct):
    id: str


def _decode(line: bytes) -> protocol.Command | protocol.Failed | None:
    """A command that cannot be read fails if it says whose it is; else it is dropped. Content is never logged."""
    try:
        return protocol.decode_command(line)
    except (ValueError, RecursionError) as error:
        _log.warning("a command could not be read: %s", type(error).__name__)
    try:
        named = msgspec.json.decode(line, type=_Named)
    except (ValueError, RecursionError):
        return None
    return protocol.Failed(id=named.id, code="bad_request", message="The request cannot be read.")
