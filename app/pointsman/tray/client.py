"""The admin door as seen from the tray: one event stream, commands, no threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from PySide6.QtCore import QByteArray, QObject, QTimer, QUrl, Signal
from PySide6.QtNetwork import QNetworkAccessManager, QNetworkProxy, QNetworkReply, QNetworkRequest

from pointsman.core.events import Event, GatewayStopping
from pointsman.system import instance
from pointsman.wire import admin, sse

RETRY_MS = 1000
COMMAND_MS = 30_000
PATIENT_MS = 600_000  # a large model from a slow disk
STREAM_MS = 25_000  # a gateway that lives sends a snapshot every ten seconds
OTHER_VERSION = "It is another version of Pointsman. End it, then start it again from here."
LOST = admin.Problem("lost", "The gateway is not answering.")

_events: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class AdminClient(QObject):
    """Follows the gateway of one home: finds it again each second when it is lost."""

    snapshot = Signal(object)
    happened = Signal(object)
    lost = Signal(float)
    back = Signal()

    def __init__(self, runtime: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runtime = runtime
        self._net = QNetworkAccessManager(self)
        self._net.setProxy(QNetworkProxy(QNetworkProxy.ProxyType.NoProxy))
        self._retry = QTimer(self, interval=RETRY_MS, singleShot=True)
        self._retry.timeout.connect(self.open)
        self._stream: QNetworkReply | None = None
        self._parser = sse.Parser()
        self._live = False
        self._reported = False
        self.trouble: str | None = None

    @property
    def process_lives(self) -> bool:
        """Whether the runtime file names a process that exists."""
        return instance.read(self._runtime) is not None

    def open(self) -> None:
        """Follow the gateway that the runtime file names; without one, look again in a second."""
        self._drop()
        found = instance.read(self._runtime)
        if found is None:
            self._failed()
            return
        self._parser = sse.Parser()
        request = _request(found, "/v1/events")
        request.setTransferTimeout(STREAM_MS)
        self._stream = self._net.get(request)
        self._stream.readyRead.connect(self._read)
        self._stream.finished.connect(self._ended)

    def close(self) -> None:
        """Let go of the gateway, for good."""
        self._retry.stop()
        self._drop()

    def command(self, command: admin.Command, answer: Callable[[bytes | admin.Problem], None]) -> None:
        """Send a command; `answer` gets its JSON, or the problem."""
        found = instance.read(self._runtime)
        if found is None:
            QTimer.singleShot(0, self, lambda: answer(LOST))
            return
        request = _request(found, "/v1/command")
        request.setHeader(QNetworkRequest.KnownHeaders.ContentTypeHeader, "application/json")
        request.setTransferTimeout(PATIENT_MS if isinstance(command, admin.LoadModel) else COMMAND_MS)
        reply = self._net.post(request, QByteArray(admin.encode(command)))
        reply.finished.connect(lambda: self._answered(reply, answer))

    def _answered(self, reply: QNetworkReply, answer: Callable[[bytes | admin.Problem], None]) -> None:
        status = reply.attribute(QNetworkRequest.Attribute.HttpStatusCodeAttribute)
        body = bytes(reply.readAll().data())
        reply.deleteLater()
        if status is None:
            answer(LOST)
        else:
            answer(body if status < 400 else admin.decode_problem(body))

    def _read(self) -> None:
        if self._stream is None:
            return
        for event in self._parser.feed(bytes(self._stream.readAll().data())):
            if event.data:
                self._take(event)

    def _take(self, event: sse.Event) -> None:
        try:
            told = admin.decode_snapshot(event.data) if event.name == "snapshot" else _events.decode(event.data)
        except msgspec.DecodeError:
            if event.name == "snapshot":
                self.trouble = OTHER_VERSION
                self._ended()
            return  # an event of a newer gateway that this tray does not know
        if isinstance(told, admin.Snapshot):
            self._show(told)
            return
        self.happened.emit(told)
        if isinstance(told, GatewayStopping):
            self._ended()  # a stream that stays open would hold its end up

    def _show(self, snapshot: admin.Snapshot) -> None:
        self.trouble = None
        if not self._live:
            self._live, self._reported = True, False
            self.back.emit()
        self.snapshot.emit(snapshot)

    def _ended(self) -> None:
        self._drop()
        self._failed()

    def _failed(self) -> None:
        self._live = False
        self._retry.start()
        if not self._reported:
            self._reported = True
            self.lost.emit(time.time())

    def _drop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.disconnect(self)
            stream.abort()
            stream.deleteLater()


def _request(found: instance.Runtime, path: str) -> QNetworkRequest:
    request = QNetworkRequest(QUrl(found.admin + path))
    request.setRawHeader(b"Authorization", b"Bearer " + found.token.encode())
    request.setAttribute(QNetworkRequest.Attribute.Http2AllowedAttribute, False)
    return request
