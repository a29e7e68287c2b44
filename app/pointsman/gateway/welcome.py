"""What the gateway says when it is up: where agents point, and for a newcomer a key and a line to paste."""

from __future__ import annotations

import json
import time

from pointsman.agents import identity
from pointsman.core.errors import BadRequest
from pointsman.gateway.fitting import Fitting
from pointsman.gateway.house import House
from pointsman.system.instance import Runtime

_AGENT = "welcome"


async def say(house: House, runtime: Runtime, *, fresh: bool) -> None:
    """Print the address; `fresh` adds a new key for the agent `welcome` and a curl line that works at once."""
    print(f"Pointsman runs. Agents point at {runtime.address}", flush=True)
    for notice in house.notices:
        print(f"Note: {notice}", flush=True)
    if fresh:
        print(_lines(runtime, await _key(house)), flush=True)


async def propose(house: House, *, fresh: bool) -> None:
    """Look at the machine and name a model to begin with, where there is none but the starter; print it if `fresh`."""
    sentence = await Fitting(house).propose(later=not fresh)
    if sentence and fresh:
        print(f"\n{sentence}", flush=True)


async def _key(house: House) -> str:
    key = identity.new_key()
    made = identity.digest(key), identity.hint(key)
    try:
        await house.agents.table.add(_AGENT, *made, time.time())
    except BadRequest:
        await house.agents.table.replace_key(_AGENT, *made)
    await house.agents.load()
    return key


def _lines(runtime: Runtime, key: str) -> str:
    body = {
        "model": "local",
        "stream": True,
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
    }
    return (
        f"An agent key, shown once (one from an earlier start no longer works): {key}\n"
        "Paste this line to see an answer of the starter model on this machine:\n\n"
        f"curl -N {runtime.address}/chat/completions -H 'Authorization: Bearer {key}' "
        f"-H 'Content-Type: application/json' -d '{json.dumps(body)}'\n\n"
        "Ctrl+C ends Pointsman."
    )
