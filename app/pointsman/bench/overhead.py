"""What a request through the gateway costs, beside the upstream asked directly, nginx and a bare proxy, in one run.

`pointsman bench overhead`. The gateway is a real child process in a scratch home: an agent's key, three caps that never
bind, the runaway watch on, the client that providers get. Each request has a last message of its own but in the row that
says otherwise. All are measured in turn, round after round; a figure is the median of the rounds, and what a system adds
is taken within each round. With `--profile REQUESTS` it runs the gateway alone under cProfile, one request at a time,
and prints where the time of the event loop and of the other threads goes.
"""

from __future__ import annotations

import argparse
import pstats
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import msgspec
import psutil

from pointsman.bench import figures, gateway, litellm, nginx, systems, tables
from pointsman.bench.figures import Memory
from pointsman.bench.load import Case, Load, Sample, build
from pointsman.bench.systems import Place, System, Upstream
from pointsman.core.errors import PointsmanError

_ROOT = Path(__file__).resolve().parents[3]
SOURCES, LITELLM = _ROOT / "tests" / "bench", _ROOT / "build" / "litellm"
CASES = {
    Case(name="c1", at_once=1): "one at a time, 2 KB",
    Case(name="c10", at_once=10): "10 at once, 2 KB",
    Case(name="c32", at_once=32): "32 at once, 2 KB",
    Case(name="same", at_once=1, text="same"): "one at a time, 2 KB, the same body each time",
    Case(name="fresh", at_once=1, text="fresh"): "one at a time, 2 KB, each a session of its own",
    Case(name="tls", at_once=1, tls=True): "one at a time, 2 KB, the upstream (not direct) over TLS",
    Case(name="100 KB", at_once=1, size=102_400): "one at a time, 100 KB",
    Case(name="stream", at_once=1, stream=True): "one at a time, streamed at full speed",
    Case(name="paced", at_once=10, stream=True, paced=True): "10 at once, streamed, an event each 5 ms",
}
_WARM = 200  # requests before the profile begins


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how much."""

    seconds: float = 2.0
    rounds: int = 3
    requests: int = 100_000
    starts: int = 3
    litellm: bool = False
    json: str | None = None
    profile: int = 0


def main(argv: list[str]) -> int:
    """Measure and print; the exit code. Raises `SetupError` with what is missing."""
    given = _options(argv)
    with tempfile.TemporaryDirectory(prefix="pointsman-bench-") as name, Place(Path(name)) as place:
        build(SOURCES, place.folder)
        direct = systems.mock(place)
        if given.profile:
            _profile(place, direct, given.profile)
        else:
            _measure(place, direct, given)
    return 0


def _options(argv: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="pointsman bench overhead")
    parser.add_argument("--seconds", type=float, help="seconds of each measurement")
    parser.add_argument("--rounds", type=int, help="how often all systems are measured in turn")
    parser.add_argument("--requests", type=int, help="requests of the memory measurement")
    parser.add_argument("--litellm", action="store_true", help="LiteLLM as well")
    parser.add_argument("--quick", action="store_true", help="a glance: short runs, one round")
    parser.add_argument("--json", metavar="FILE", help="write all figures there; - is standard output")
    parser.add_argument("--profile", type=int, metavar="REQUESTS", help="where the gateway's time goes, by function")
    said = {name: value for name, value in vars(parser.parse_args(argv)).items() if value is not None}
    quick = {"seconds": 0.3, "rounds": 1, "requests": 2000, "starts": 1} if said.pop("quick") else {}
    return msgspec.convert(quick | said, Options)


def _measure(place: Place, direct: System, given: Options) -> None:
    found, colds = _started(place, direct, given)
    runs: dict[tuple[str, str], list[Sample]] = {}
    load = Load(place.folder)
    for number in range(given.rounds):
        for case, title in CASES.items():
            print(f"round {number + 1} of {given.rounds}: {title}", file=sys.stderr, flush=True)
            for system in found.values():
                if case.tls and system.tls is None:
                    continue
                runs.setdefault((case.name, system.name), []).append(load.run(system, case, given.seconds))
    memory = _memory(load, found[figures.OURS], given.requests)
    tables.give(_shown(runs, memory, colds), figures.summary(runs, memory, colds), given.json)


def _started(place: Place, direct: System, given: Options) -> tuple[dict[str, System], dict[str, float]]:
    """All systems, running, and their cold starts; the gateway's is the median of several."""
    upstream, found = Upstream(direct.port), nginx.program()
    if found:
        upstream = nginx.with_tls(place, upstream, found)
    else:
        print(nginx.MISSING, file=sys.stderr)
    ours, colds = _ours(place, upstream, given.starts)
    others = [nginx.proxy(place, upstream, found)] if found else []
    others.append(systems.bare(place, upstream))
    if given.litellm:
        others.append(litellm.start(place, upstream, litellm.install(LITELLM)))
    cold = {one.name: one.cold for one in others} | {ours.name: median(colds)}
    return {one.name: one for one in [direct, *others, ours]}, cold


def _ours(place: Place, upstream: Upstream, starts: int) -> tuple[System, list[float]]:
    """The gateway, started several times."""
    ours, end = gateway.start(place, upstream)
    colds = [ours.cold]
    while len(colds) < starts:
        end()
        ours, end = gateway.start(place, upstream)
        colds.append(ours.cold)
    return ours, colds


def _memory(load: Load, ours: System, requests: int) -> Memory:
    before = systems.resident(ours.pid)
    load.run(ours, Case(name="memory", at_once=10), 3600, requests)
    return Memory(requests=requests, before=before, after=systems.resident(ours.pid))


def _shown(runs: figures.Runs, memory: Memory, colds: Mapping[str, float]) -> str:
    names = [figures.DIRECT, figures.NGINX, figures.BARE, figures.OURS]
    names += [figures.LITELLM] if any(system == figures.LITELLM for _, system in runs) else []
    parts = (
        tables.cases(runs, {case.name: title for case, title in CASES.items()}, names),
        tables.rest(memory, colds),
        tables.bounds(figures.checks(runs, memory, colds.get(figures.OURS))),
    )
    return "\n\n".join(parts)


def _profile(place: Place, direct: System, requests: int) -> None:
    """Run the gateway under cProfile and print the functions that took most."""
    file = place.folder / "gateway.prof"
    ours, end = gateway.start(place, Upstream(direct.port), file)
    load = Load(place.folder)
    load.run(ours, Case(name="warm", at_once=1), 3600, _WARM)
    psutil.Process(ours.pid).send_signal(signal.SIGUSR1)
    sample = load.run(ours, Case(name="profile", at_once=1), 3600, requests)
    end()
    print(f"{sample.counted} requests, p50 {sample.ms.p50:.2f} ms under the profiler.\n")
    for part, path in {"The event loop": file, "Other threads": Path(f"{file}.threads")}.items():
        print(f"{part}\n")
        stats = pstats.Stats(str(path)).strip_dirs()
        stats.sort_stats("cumulative").print_stats(60)
        stats.sort_stats("tottime").print_stats(40)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except PointsmanError as error:
        print(error.sentence, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
