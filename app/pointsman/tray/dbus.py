"""The desktop's session bus, spoken over a socket of Qt: no threads, nothing blocks.

QtDBus cannot send an unsigned number from Python, and a notification needs one; jeepney makes and reads the messages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jeepney import HeaderFields, Message, MessageType, Parser
from jeepney.auth import AuthenticationError, Authenticator
from jeepney.bus import get_connectable_addresses
from jeepney.bus_messages import MatchRule, message_bus
from PySide6.QtCore import QObject, Signal
from PySide6.QtNetwork import QLocalSocket

Reply = Callable[[Message | None], None]


class Bus(QObject):
    """One connection. `signalled` gives each signal's message; `closed` comes once, also when it never opened."""

    opened = Signal()
    signalled = Signal(object)
    closed = Signal()

    def __init__(self, address: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._address = address
        self._socket = QLocalSocket(self)
        self._login = Authenticator()
        self._parser = Parser()
        self._serial = 0
        self._waiting: dict[int, Reply] = {}
        self._over = False
        self.name = ""
        self._socket.connected.connect(self._say_hello)
        self._socket.readyRead.connect(self._read)
        self._socket.disconnected.connect(self.close)
        self._socket.errorOccurred.connect(self.close)

    def open(self) -> None:
        """Connect to the first address that is a socket of this machine."""
        try:
            name = next(get_connectable_addresses(self._address))
        except (RuntimeError, ValueError, KeyError):
            self.close()
            return
        if name.startswith("\0"):
            self._socket.setSocketOptions(QLocalSocket.SocketOption.AbstractNamespaceOption)
        self._socket.connectToServer(name.removeprefix("\0"))

    def flush(self) -> None:
        """Hand what was written to the system."""
        self._socket.flush()

    def close(self) -> None:
        """Let go; what still waits for a reply gets None."""
        if self._over:
            return
        self._over = True
        self._socket.abort()
        waiting, self._waiting = self._waiting, {}
        for reply in waiting.values():
            reply(None)
        self.closed.emit()

    def call(self, message: Message, reply: Reply) -> None:
        """Send a call; `reply` gets the answer, None where it failed."""
        if self._over:
            reply(None)
            return
        self._serial += 1
        self._waiting[self._serial] = reply
        self._socket.write(message.serialise(self._serial))

    def watch(self, rule: MatchRule) -> None:
        """Let the bus pass these signals on."""
        self.call(message_bus.AddMatch(rule), lambda _: None)

    def _say_hello(self) -> None:
        self._socket.write(self._login.data_to_send() or b"")

    def _read(self) -> None:
        data = bytes(self._socket.readAll().data())
        if self._login.authenticated:
            self._take(data)
            return
        try:
            self._login.feed(data)
        except AuthenticationError:
            self.close()
            return
        if self._login.authenticated:
            self._socket.write(b"BEGIN\r\n")
            self.call(message_bus.Hello(), self._greeted)

    def _greeted(self, answer: Message | None) -> None:
        if answer is not None:
            self.name = answer.body[0]
            self.opened.emit()

    def _take(self, data: bytes) -> None:
        self._parser.add_data(data)
        while not self._over and (message := self._parser.get_next_message()) is not None:
            self._dispatch(message)

    def _dispatch(self, message: Message) -> None:
        kind = message.header.message_type
        if kind is MessageType.signal:
            self.signalled.emit(message)
        elif kind in {MessageType.method_return, MessageType.error}:
            reply = self._waiting.pop(field(message, HeaderFields.reply_serial), None)
            if reply is not None:
                reply(message if kind is MessageType.method_return else None)


def field(message: Message, name: HeaderFields) -> Any:
    """A field of a message's header, None where it has none."""
    return message.header.fields.get(name)
