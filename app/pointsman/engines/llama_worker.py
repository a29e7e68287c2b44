"""The GGUF worker: `python -m pointsman.engines.llama_worker --model PATH`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pointsman.engines.engine import Engine
from pointsman.engines.interrupt import Interrupt
from pointsman.engines.worker import Wanted, run


def main(argv: Sequence[str]) -> int:
    """The exit status."""
    return run(argv, load)


def load(wanted: Wanted, interrupt: Interrupt) -> Engine:
    """Raises `LoadFailed`."""
    # Only now, as loading llama.cpp may print, and what it prints must not meet the protocol.
    from pointsman.engines import llama_file, llama_vectors
    from pointsman.engines.embed_engine import EmbedEngine
    from pointsman.engines.llama import LlamaModel, ModelOptions
    from pointsman.engines.llama_engine import LlamaEngine

    options = ModelOptions(
        path=wanted.path,
        context=wanted.context,
        threads=wanted.threads,
        slots=wanted.slots,
        kv=wanted.kv,
        windowed=wanted.windowed,
        gpu_layers=wanted.gpu_layers,
        lookup=wanted.lookup,
    )
    loaded = llama_file.load(options)
    if llama_vectors.pooling(loaded) is not None:
        return EmbedEngine(llama_vectors.LlamaVectors(loaded, options, interrupt))
    return LlamaEngine(LlamaModel(options, interrupt, loaded), wanted.tool_format)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
