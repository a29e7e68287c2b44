"""How many answers a local target bears at once, written down for it in the person's models.toml."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

import httpx
import msgspec

from pointsman.bench.engine_figures import Capacity, capacity
from pointsman.bench.streams import Ours
from pointsman.core.errors import SetupError
from pointsman.engines.local_model import WorkerSpec
from pointsman.gateway.main import read_catalog, worker_specs
from pointsman.store import own_models
from pointsman.system import instance, paths
from pointsman.system.paths import Paths
from pointsman.wire import admin

_COUNTS = (1, 2, 3, 4, 6, 8, 12, 16)
_STORY = "Tell me a long story."
_TOKENS = 64


def apply(target: str, rounds: int) -> str:
    """Measure, store, tell the gateway if it runs; what was stored, in a sentence. Raises `SetupError`."""
    home = paths.make(paths.find())
    own = home.models_toml
    own_models.with_limits(own_models.read(own), target, 1, 1)  # what cannot be written is said before it is measured
    found = measured(_spec(target, home), rounds)
    own_models.write(own, own_models.with_limits(own_models.read(own), target, found.slots, found.queue))
    _reload(home)
    return sentence(target, found, own)


def sentence(target: str, found: Capacity, file: Path) -> str:
    """What was found and stored."""
    answers = "1 answer" if found.slots == 1 else f"{found.slots} answers"
    return (
        f"{target} now gives {answers} at once and lets {found.queue} more requests wait, from its next load on: "
        f"each of {answers} comes at {found.speed:.0f} tokens a second, one alone at {found.alone:.0f}; "
        f"written to {file} as [limits.targets.{target}]."
    )


def measured(spec: WorkerSpec, rounds: int) -> Capacity:
    """The best of the rounds each: whatever else runs here makes a stream only slower."""
    speeds: dict[int, float] = {}
    with tempfile.TemporaryFile() as log, contextlib.closing(Ours(_roomy(spec), log)) as worker:
        worker.run([_STORY], _TOKENS)
        for count in _COUNTS:
            print(f"{count} at once", file=sys.stderr, flush=True)
            speeds[count] = max(worker.run([_STORY] * count, _TOKENS).speed for _ in range(rounds))
            if speeds[count] * 2 < speeds[1]:
                break
    if not speeds[1]:
        raise SetupError(f"{spec.name} says too little to be measured.")
    return capacity(speeds)


def _spec(target: str, home: Paths) -> WorkerSpec:
    specs = worker_specs(read_catalog(home), home)
    if target not in specs:
        raise SetupError(f"No local target is called {target}. There are: {', '.join(sorted(specs))}.")
    return specs[target]


def _roomy(spec: WorkerSpec) -> WorkerSpec:
    """Loaded as the gateway does, but with a slot for each that is tried."""
    return msgspec.structs.replace(spec, slots=max(_COUNTS), queue=None)


def _reload(home: Paths) -> None:
    """A gateway that runs reads the file again, so that the next load is as it says."""
    running = instance.read(home.runtime)
    if running is None:
        return
    headers = {"authorization": f"Bearer {running.token}"}
    try:
        with httpx.Client(base_url=running.admin, headers=headers, timeout=60, trust_env=False) as client:
            taken = client.post("/v1/command", content=admin.encode(admin.Reload())).is_success
    except httpx.HTTPError:
        taken = False
    if not taken:
        raise SetupError(
            "It was written to your models.toml, but the gateway did not take it: 'pointsman models reload'."
        )
