"""What every worker program does: one process, one model, spoken to over stdin and stdout."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import queue
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import psutil

from pointsman.core import fit
from pointsman.core.catalog_parts import TOOL_FORMATS
from pointsman.core.fit import SLOTS
from pointsman.engines import protocol
from pointsman.engines.engine import Engine
from pointsman.engines.failures import LoadFailed
from pointsman.engines.interrupt import Interrupt
from pointsman.engines.lookup import MOST
from pointsman.engines.serving import Inbox, Outbox, claim_stdout, open_stdin, serve, start_reader
from pointsman.system import container

_PR_SET_PDEATHSIG = 1


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What to load and how; `context` None takes a usual size, and it is never more than the model was trained for."""

    path: str
    context: int | None
    threads: int
    tool_format: str | None
    kv: str | None = None
    windowed: bool = False
    gpu_layers: int | None = None
    slots: int = SLOTS
    lookup: int = 0


Load = Callable[[Wanted, Interrupt], Engine]


def run(argv: Sequence[str], load: Load) -> int:
    """Runs until it is told to quit or the gateway is gone; 1 when the model cannot be loaded."""
    options = _options(argv)
    outbox = Outbox(claim_stdout())
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    _settle()
    inbox: Inbox = queue.SimpleQueue()
    interrupt = Interrupt()
    start_reader(open_stdin(), inbox, interrupt)
    try:
        engine = load(_wanted(options), interrupt)
    except LoadFailed as error:
        outbox.send(protocol.Unloadable(str(error)))
        return 1
    outbox.send(_ready(options.name or Path(options.model).stem, engine))
    serve(engine, inbox, interrupt, outbox, options.queue)
    return 0


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="pointsman worker")
    parser.add_argument("--model", required=True, help="path of a GGUF file, or of the folder of an MLX model")
    parser.add_argument("--context", type=_positive, help="tokens of prompt and answer together")
    parser.add_argument("--threads", type=_positive, help="threads to compute with")
    parser.add_argument(
        "--tool-format", choices=TOOL_FORMATS, help="how it writes tool calls, if not as its template tells"
    )
    parser.add_argument("--kv", choices=("f16", "q8_0"), help="how what is kept of each token is stored")
    parser.add_argument("--windowed", action="store_true", help="layers with a window forget what is behind it")
    parser.add_argument("--gpu-layers", type=int, help="how many layers to move to graphics devices; all, if not said")
    parser.add_argument("--slots", type=_positive, default=SLOTS, help="how many requests are answered at once")
    parser.add_argument("--queue", type=int, help="how many more may wait; any number, if not said")
    parser.add_argument("--lookup", type=int, default=0, help="how many tokens to guess in one step, of what was said")
    parser.add_argument("--name", help="what the model is called")
    return parser.parse_args(argv)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _wanted(options: argparse.Namespace) -> Wanted:
    threads = options.threads or max(1, _cores() - 1)
    return Wanted(
        path=options.model,
        context=options.context,
        threads=threads,
        tool_format=options.tool_format,
        kv=options.kv,
        windowed=options.windowed,
        gpu_layers=options.gpu_layers,
        slots=fit.slots(options.slots),
        lookup=max(0, min(options.lookup, MOST)),
    )


def _ready(name: str, engine: Engine) -> protocol.Ready:
    return protocol.Ready(
        protocol=protocol.PROTOCOL,
        model=name,
        context=engine.context,
        load_seconds=round(time.time() - psutil.Process().create_time(), 3),
        slots=engine.slots,
    )


def _cores() -> int:
    physical = psutil.cpu_count(logical=False) or 1
    allowed = len(os.sched_getaffinity(0)) if sys.platform == "linux" else physical
    return min(int(physical), allowed, max(1, int(container.processors() or allowed)))


def _settle() -> None:
    """Be the first to go when memory is short, and never outlive the gateway."""
    with contextlib.suppress(ValueError, OSError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the gateway, which ends us
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("500")
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
