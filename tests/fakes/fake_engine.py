"""A worker without a model, for tests of the supervisor: `python -P fake_engine.py [--start HOW]`.

It speaks bare JSON rather than our structs, so that it also checks what goes over the wire. The last message says
what it does: "say N" answers N words, "wait" answers one word and waits for a cancel, and "crash", "half", "hang" and those
of NOISE are what goes wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from typing import Any

NOISE = {
    "garbage": b"llama_model_loader: loaded\n",
    "binary": b"\0\xff\xfe\x80\n",
    "stranger": b'{"ev":"text","id":7,"text":[]}\n',
    "flood": b"x" * (17 << 20),
}


def shout(noise: bytes) -> None:
    """What is no event, for as long as anybody reads it."""
    while noise:
        noise = noise[os.write(1, noise) :]


def send(**event: Any) -> None:
    """One line of the protocol."""
    os.write(1, json.dumps(event).encode() + b"\n")


def words(request: str, count: int) -> None:
    """An answer of so many words."""
    for at in range(count):
        send(ev="text", id=request, text=f"{'' if at == 0 else ' '}{at}")
    end(request, "stop", count)


def end(request: str, finish: str, count: int = 0) -> None:
    """The last event of an answer."""
    send(ev="end", id=request, finish=finish, prompt_tokens=3, completion_tokens=count, entropy=0.25)


def chat(request: str, wish: str) -> None:
    """Do as the last message says."""
    send(ev="started", id=request, prompt_tokens=3)
    if wish.startswith("say "):
        words(request, int(wish.split()[1]))
        return
    send(ev="text", id=request, text="well")
    if wish == "crash":
        os._exit(3)
    if wish in NOISE:
        shout(NOISE[wish])
    if wish == "half":
        os.write(1, b'{"ev":"text","id"')
        os._exit(0)
    if wish == "hang":
        threading.Event().wait()


def obey(command: dict[str, Any]) -> None:
    """One command."""
    match command["op"]:
        case "chat":
            chat(command["id"], command["messages"][-1]["content"])
        case "cancel":
            print("cancelled", file=sys.stderr, flush=True)
            end(command["id"], "cancelled")
        case "ping":
            send(ev="pong", steps=1, active=0, waiting=0, resident_bytes=1)
        case "quit":
            sys.exit(0)


def main() -> None:
    """Start as told, then obey until the input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--start", default="ready", choices=["ready", "crash", "unloadable", "never", "noise"])
    how = parser.parse_known_args()[0].start  # a gateway also says which model
    if how == "crash":
        os._exit(4)
    if how == "noise":
        shout(NOISE["garbage"])
    if how == "unloadable":
        send(ev="unloadable", message="The model is made of cheese.")
        return
    if how == "ready":
        send(ev="ready", protocol=1, model="fake", context=4096, load_seconds=0.01, slots=1)
    for line in sys.stdin.buffer:
        obey(json.loads(line))


if __name__ == "__main__":
    main()
