"""The worker's side of the protocol: a thread that reads commands, and the loop that owns the engine."""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO

import msgspec

from pointsman.engines import protocol
from pointsman.engines.engine import Embeds, Engine
from pointsman.engines.failures import Rejected
from pointsman.engines.interrupt import Interrupt
from pointsman.engines.memory import resident_bytes
from pointsman.engines.worker_log import WorkerLog

_log = logging.getLogger(__name__)

Put = Callable[[protocol.Event], None]
_BEAT = 5.0  # seconds after which the gateway hears that requests are being read
_BUSY = "This model is busy: {} requests wait for it already. Try again soon."

Inbox = queue.SimpleQueue[protocol.Command | protocol.Failed]


def claim_stdout() -> BinaryIO:
    """The protocol's own descriptor; what anything else prints goes to the log from now on."""
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr = WorkerLog()
    return pipe


def open_stdin() -> BinaryIO:
    """Our own reader: a thread that waits in `sys.stdin` would hold up the end of the interpreter."""
    return open(0, "rb", closefd=False)


class Outbox:
    """Events on their way to the gateway; the process ends when nobody reads any more."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self._lines: list[bytes] = []

    def put(self, event: protocol.Event) -> None:
        """It goes with the next `flush`."""
        self._lines.append(protocol.encode(event))

    def send(self, event: protocol.Event) -> None:
        """It goes at once, behind those that were put."""
        self.put(event)
        self.flush()

    def flush(self) -> None:
        """All that was put goes, in one write: a call of the system for each token would cost more than the token."""
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        try:
            self._pipe.write(b"".join(lines))
            self._pipe.flush()
        except OSError:
            os._exit(0)


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


def serve(engine: Engine, inbox: Inbox, interrupt: Interrupt, outbox: Outbox, queue_limit: int | None = None) -> None:
    """Runs until `Quit`. Where so many requests wait already, one more is told that the model is busy."""
    interrupt.beat, told = lambda: outbox.send(_pong(engine)), time.monotonic()
    while True:
        # Before the inbox is emptied: a cancel that comes after this interrupts the step, none is lost between.
        interrupt.clear()
        for command in _drain(inbox, wait=engine.active + engine.waiting == 0):
            if isinstance(command, protocol.Quit):
                return
            if isinstance(command, protocol.Asked) and _full(engine, queue_limit):
                outbox.put(protocol.Failed(id=command.id, code="busy", message=_BUSY.format(engine.waiting)))
            else:
                _obey(command, engine, outbox.put)
            if (
                time.monotonic() - told > _BEAT
            ):  # long conversations take seconds to be written down, and several may come
                interrupt.beat()
                told = time.monotonic()
        outbox.flush()
        if engine.active + engine.waiting:
            for event in engine.step():
                outbox.put(event)
                if isinstance(event, protocol.Started):
                    outbox.flush()  # now, before its prompt is computed
            outbox.flush()


def _full(engine: Engine, limit: int | None) -> bool:
    """Whether one more would be too many behind those that get a free slot at the next step."""
    return limit is not None and engine.waiting >= limit + max(0, engine.slots - engine.active)


def _drain(inbox: Inbox, wait: bool) -> Iterator[protocol.Command | protocol.Failed]:
    try:
        yield inbox.get(block=wait)
        while True:
            yield inbox.get_nowait()
    except queue.Empty:
        return


def _obey(command: protocol.Command | protocol.Failed, engine: Engine, put: Put) -> None:
    match command:
        case protocol.Chat() | protocol.Embed():
            _insert(command, engine, put)
        case protocol.Cancel():
            if (end := engine.remove(command.id)) is not None:
                put(end)
        case protocol.Ping():
            put(_pong(engine))
        case protocol.Failed():
            put(command)


def _insert(asked: protocol.Asked, engine: Engine, put: Put) -> None:
    try:
        _hand(asked, engine)
    except Rejected as error:
        put(protocol.Failed(id=asked.id, code=error.code, message=error.message))
    except Exception as error:  # noqa: BLE001 - one request must not end the others
        # Only the kind: the text of an exception may quote the conversation.
        _log.error("a request could not be taken in: %s", type(error).__name__)
        put(protocol.Failed(id=asked.id, code="engine_error", message="The engine could not take this request in."))


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
