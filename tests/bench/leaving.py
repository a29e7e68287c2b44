"""How long after a client has left its provider's connection closes, on a real gateway: before the first byte, in a stream.

    python -m tests.bench.leaving [--count 200]

Prints milliseconds at p50, p95 and the worst, beside those of a client that is connected to the provider directly.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

from tests.fakes.home import Home, target
from tests.fakes.watching_upstream import WatchingUpstream, watching

CASES = {"before the first byte": ("silent", True), "not streamed": ("silent", False), "in a stream": ("begins", True)}


def request(model: str, key: str, *, stream: bool) -> bytes:
    """The bytes of one request."""
    body = json.dumps({"model": model, "stream": stream, "messages": [{"role": "user", "content": "Hi"}]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def once(port: int, sent: bytes, *, begins: bool, upstream: WatchingUpstream) -> float:
    """Milliseconds from leaving to the closed connection."""
    upstream.asked.clear()
    upstream.closed.clear()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    await upstream.asked.wait()
    if begins:
        await reader.readuntil(b"Hello")
    began = time.perf_counter()
    writer.close()
    await upstream.closed.wait()
    return (time.perf_counter() - began) * 1000


async def measure(count: int) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:
        async with watching() as upstream:
            targets = "".join(target(one, one) for one in ("silent", "begins"))
            home = await asyncio.to_thread(Home(Path(name) / "place", upstream.base_url, targets).start)
            try:
                key = await asyncio.to_thread(home.agent)
                direct = int(upstream.base_url.rpartition(":")[2].partition("/")[0])
                for case, (model, stream) in CASES.items():
                    for where, port in (("direct", direct), ("gateway", home.runtime.port)):
                        sent, begins = request(model, key, stream=stream), model == "begins"
                        took = sorted([await once(port, sent, begins=begins, upstream=upstream) for _ in range(count)])
                        figures = took[count // 2], took[int(count * 0.95)], took[-1]
                        print(f"{case:22} {where:8}", *(f"{figure:7.2f}" for figure in figures))
            finally:
                await asyncio.to_thread(home.stop)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=200)
    asyncio.run(measure(parser.parse_args().count))
