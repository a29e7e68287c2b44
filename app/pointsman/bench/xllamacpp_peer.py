"""xllamacpp, streaming, in a process of its own: a line of JSON asks for answers, a line says what they cost.

PYTHON xllamacpp_peer.py MODEL CONTEXT SLOTS, with any Python that has xllamacpp: this file needs nothing else.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
import time
from typing import Any


def main(model: str, context: str, slots: str) -> None:
    """Serve until the end of the input."""
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what it prints must not meet the lines
    library = importlib.import_module("xllamacpp")
    server = library.Server(_settings(library.CommonParams(), model, int(context), int(slots)))
    print(json.dumps({"version": getattr(library, "__version__", "")}), file=pipe, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(_measured(server, asked["prompts"], asked["tokens"])), file=pipe, flush=True)


def _settings(made: Any, model: str, context: int, slots: int) -> Any:
    """One thread, the processor alone; each slot has cells of its own, which is where it is quickest."""
    made.model.path = model
    made.n_ctx, made.n_parallel, made.n_gpu_layers = context, slots, 0
    made.n_batch = made.n_ubatch = 512
    made.kv_unified = False
    made.cpuparams.n_threads = made.cpuparams_batch.n_threads = 1
    made.verbosity = 0
    return made


def _measured(server: Any, prompts: list[str], tokens: int) -> dict[str, float]:
    """All at once: the tokens that came, processor seconds of this process, and seconds until the last."""
    counts = [0] * len(prompts)
    threads = [threading.Thread(target=_ask, args=(server, prompts, tokens, counts, at)) for at in range(len(prompts))]
    began, cpu = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"tokens": sum(counts), "cpu": time.process_time() - cpu, "seconds": time.perf_counter() - began}


def _ask(server: Any, prompts: list[str], tokens: int, counts: list[int], at: int) -> None:
    def take(part: Any) -> None:
        for one in part if isinstance(part, list) else [part]:
            counts[at] = max(counts[at], (one.get("timings") or {}).get("predicted_n", 0))

    body = {"prompt": prompts[at], "n_predict": tokens, "temperature": 0.0, "stream": True, "ignore_eos": True}
    server.handle_completions(body, take)


if __name__ == "__main__":
    main(*sys.argv[1:4])
