"""What llama.cpp says it takes for models: `python -P llama_figures.py`, wishes as JSON lines in, figures out.

A wish is [path, context, kv, whole, slots, real, step]; where `real` is false nothing is allocated, only counted.
`step` is 0 for a model that answers, else how many tokens a step takes of one that makes vectors.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from pointsman.engines.llama_api import C

_KINDS = {"f16": 1, "q8_0": 8}
_LINES = {
    "weights": r"model buffer size = +([\d.]+) MiB",
    "kept": r"kv_cache: size = +([\d.]+) MiB",
    "state": r"recurrent: size = +([\d.]+) MiB",
    "output": r"output buffer size = +([\d.]+) MiB",
    "compute": r"compute buffer size = +([\d.]+) MiB",
}
_heard: list[str] = []


@C.llama_log_callback
def _hear(_level: int, text: bytes, _user: Any) -> None:
    _heard.append(text.decode("utf-8", "replace"))


def figures(path: str, context: int, how: tuple[str, bool, int, bool, int]) -> dict[str, float] | None:
    """Mebibytes by kind, None where it does not load."""
    kv, whole, slots, real, step = how
    _heard.clear()
    wanted = C.llama_model_default_params()
    wanted.use_extra_bufts, wanted.no_alloc, wanted.load_mode = False, not real, 0
    model = C.llama_model_load_from_file(path.encode(), wanted)
    if not model:
        return None
    params = C.llama_context_default_params()
    params.n_ctx, params.n_batch, params.n_ubatch = context, step or 512, step or 512
    params.n_seq_max = slots
    if step:
        params.embeddings, params.pooling_type = True, C.LLAMA_POOLING_TYPE_NONE
    else:
        params.n_outputs_max = slots
    params.n_threads = params.n_threads_batch = 1
    params.kv_unified, params.swa_full = True, whole
    params.type_k = params.type_v = _KINDS[kv]
    opened = C.llama_init_from_model(model, params)
    text = "".join(_heard)
    if opened:
        C.llama_free(opened)
    C.llama_model_free(model)
    return {name: sum(map(float, re.findall(line, text))) for name, line in _LINES.items()} if opened else None


if __name__ == "__main__":
    C.llama_log_set(_hear, None)
    for line in sys.stdin:
        path, context, *how = json.loads(line)
        print(json.dumps(figures(path, context, tuple(how))), flush=True)
