"""The admin contract over a real socket: a snapshot at once, events as they are pushed, commands recorded."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from pathlib import Path

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from pointsman.system import instance
from pointsman.tray import samples
from pointsman.wire import admin, sse

TOKEN = "t0ken"


class AdminServer:
    """Runs in a thread; `snapshot` is what it tells, `problem` what commands are refused with."""

    def __init__(self, runtime: Path, snapshot: admin.Snapshot) -> None:
        self.snapshot = snapshot
        self.problem: admin.Problem | None = None
        self.commands: list[admin.Command] = []
        self._runtime = runtime
        self._queues: list[asyncio.Queue[bytes | None]] = []
        routes = [
            Route("/v1/events", self._events),
            Route("/v1/command", self._command, methods=["POST"]),
        ]
        config = uvicorn.Config(Starlette(routes=routes), port=0, log_level="error", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self.serve, daemon=True)

    def serve(self) -> None:
        """Serve until told to stop; the runtime file is written once the port is known."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._server.config.load()
        self._server.lifespan = self._server.config.lifespan_class(self._server.config)
        await self._server.startup()
        port = self._server.servers[0].sockets[0].getsockname()[1]
        runtime = instance.Runtime(
            pid=os.getpid(), port=4477, admin_port=port, token=TOKEN, version="0.1.0", started=time.time()
        )
        instance.publish(self._runtime, runtime)
        await self._server.main_loop()
        await self._server.shutdown()

    def start(self) -> None:
        """Start, and wait until the runtime file says where."""
        self._thread.start()
        while instance.read(self._runtime) is None and self._thread.is_alive():
            threading.Event().wait(0.01)

    def stop(self) -> None:
        """End the streams and the server."""
        self._runtime.unlink(missing_ok=True)
        self._server.should_exit = True
        self._push(None)
        self._thread.join(10)

    @property
    def streams(self) -> int:
        """How many event streams are open."""
        return len(self._queues)

    def show(self, snapshot: admin.Snapshot) -> None:
        """Tell another snapshot."""
        self.snapshot = snapshot
        self._push(sse.encode(admin.encode(snapshot), "snapshot"))

    def tell(self, event: msgspec.Struct) -> None:
        """Tell an event."""
        self._push(sse.encode(msgspec.json.encode(event), "event"))

    def raw(self, piece: bytes) -> None:
        """Send these bytes as they are."""
        self._push(piece)

    def _push(self, piece: bytes | None) -> None:
        for queue in list(self._queues):
            self._loop.call_soon_threadsafe(queue.put_nowait, piece)

    async def _events(self, request):
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Response(status_code=401)
        return StreamingResponse(self._stream(), media_type="text/event-stream")

    async def _stream(self):
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._queues.append(queue)
        try:
            yield sse.encode(admin.encode(self.snapshot), "snapshot")
            while (piece := await queue.get()) is not None:
                yield piece
        finally:
            self._queues.remove(queue)

    async def _command(self, request):
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Response(status_code=401)
        self.commands.append(admin.decode_command(await request.body()))
        if self.problem is not None:
            return Response(admin.encode(self.problem), status_code=400)
        return Response(b"{}", media_type="application/json")


if __name__ == "__main__":
    AdminServer(Path(sys.argv[1]), samples.calm()).serve()
