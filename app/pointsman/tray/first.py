"""One tray for each home: a second launch asks the first to show itself."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from pointsman.system import paths

WAIT_MS = 500


def door_name(home: paths.Paths) -> str:
    """The name of this home's tray among all trays of this machine."""
    return f"pointsman-tray-{home.id}"


def call_first(name: str) -> bool:
    """Ask the tray that runs to show itself; False when none runs."""
    socket = QLocalSocket()
    socket.connectToServer(name)
    called = socket.waitForConnected(WAIT_MS)
    if called:
        socket.disconnectFromServer()
    return called


def listen(name: str, called: Callable[[], None], parent: QObject) -> QLocalServer:
    """Be the first tray: `called` runs for each launch after this one."""
    server = QLocalServer(parent)
    server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
    QLocalServer.removeServer(name)
    server.newConnection.connect(lambda: _answer(server, called))
    server.listen(name)
    return server


def _answer(server: QLocalServer, called: Callable[[], None]) -> None:
    while (socket := server.nextPendingConnection()) is not None:
        socket.disconnected.connect(socket.deleteLater)
    called()
