"""Cold start, memory and added latency of a real gateway, against the same upstream asked directly.

    python -m tests.bench.first_light [--data ../shared]

`mock.c` and `load.c` (an upstream and a closed-loop load in C) are built from the data folder's `bench/`.
Figures are medians of one run on whatever machine this is; compare only rows of one run.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import httpx
import psutil

from tests.fakes.home import Home, target

BODY = {"messages": [{"role": "user", "content": "Say hello. " + "x" * 2000}], "max_tokens": 20}


def build(data: Path, folder: Path) -> tuple[Path, Path]:
    """The two C programs."""
    for name in ("mock", "load"):
        source = data / "bench" / f"{name}.c"
        subprocess.run(["cc", "-O2", "-o", folder / name, source, "-lm"], check=True)
    return folder / "mock", folder / "load"


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def load(program: Path, port: int, model: str, key: str, concurrency: int) -> None:
    """Print what the load program says: milliseconds at p50, p95 and p99, and requests a second."""
    body = program.parent / "body.json"
    body.write_text(json.dumps({"model": model, **BODY}))
    heads = [f"Authorization: Bearer {key}", "Content-Type: application/json"]
    command = [program, port, "/v1/chat/completions", body, concurrency, 3000, 300, 20, *heads]
    said = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout
    print(f"  {model} c{concurrency}: {said.strip()}")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("../shared"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mock, program = build(given.data, folder)
        port = free_port()
        upstream = subprocess.Popen([str(mock), str(port), "0", "0", "0"])
        home = Home(folder / "place", f"http://127.0.0.1:{port}/v1", target("mock", "mock"))
        home.forks = False
        try:
            measure(home, program, port)
        finally:
            home.stop()
            upstream.kill()
            upstream.wait()


def measure(home: Home, program: Path, port: int) -> None:
    """Start, first answer, memory, and the load."""
    began = time.perf_counter()
    home.start()
    print(f"listening after {time.perf_counter() - began:.2f} s")
    key = home.agent()
    asked = {"model": "local", "messages": [{"role": "user", "content": "What is the capital of France?"}]}
    head = {"authorization": f"Bearer {key}"}
    httpx.post(f"{home.runtime.address}/chat/completions", json=asked, headers=head, timeout=60).raise_for_status()
    print(f"first local answer after {time.perf_counter() - began:.2f} s, from nothing")
    assert home.process is not None
    gateway = psutil.Process(home.process.pid)
    for concurrency in (1, 10):
        load(program, port, "direct", "sk-test", concurrency)
        load(program, home.runtime.port, "mock", key, concurrency)
    print(f"gateway {gateway.memory_info().rss / 2**20:.0f} MB resident")
    for worker in gateway.children():
        print(f"worker {worker.memory_info().rss / 2**20:.0f} MB resident")


if __name__ == "__main__":
    main()
