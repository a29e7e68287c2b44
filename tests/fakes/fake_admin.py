"""An admin door over a real socket that answers from a script and keeps the commands it was sent."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pointsman.system import instance
from pointsman.wire import admin

TOKEN = "a-token-for-tests"


class FakeAdmin:
    """`answers` is what each kind of command gets; a `Problem` there is sent with status 409."""

    def __init__(self) -> None:
        self.answers: dict[type, Any] = {}
        self.snapshot: Any = {}
        self.commands: list[admin.Command] = []
        self.tokens: list[str | None] = []

    def reply(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of an answer."""
        if (method, path) == ("GET", "/v1/snapshot"):
            return 200, admin.encode(self.snapshot)
        command = admin.decode_command(body)
        self.commands.append(command)
        answer = self.answers.get(type(command), {"ok": True})
        return (409 if isinstance(answer, admin.Problem) else 200), admin.encode(answer)


@contextmanager
def serving(runtime: Path) -> Iterator[FakeAdmin]:
    """A door that listens, and a runtime file that says where."""
    fake = FakeAdmin()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["content-length"])))

        def _answer(self, body: bytes) -> None:
            fake.tokens.append(self.headers["authorization"])
            status, answer = fake.reply(self.command, self.path, body)
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    runtime.parent.mkdir(parents=True, exist_ok=True)
    port = server.server_address[1]
    instance.publish(
        runtime,
        instance.Runtime(pid=os.getpid(), port=4477, admin_port=port, token=TOKEN, version="0.1.0", started=0.0),
    )
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
