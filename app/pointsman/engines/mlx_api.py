"""MLX and mlx-lm, loaded as they have to be. Only modules named mlx_* import it."""

from __future__ import annotations

import os

# A model is a folder here: nothing is ever fetched, and nothing that came with it is run.
os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
import mlx.core as mx

if not mx.metal.is_available():
    # For a processor MLX compiles pieces of networks with the system's C++ compiler, into a folder that all users share.
    mx.disable_compile()
from mlx_lm.generate import BatchGenerator
from mlx_lm.models.cache import LRUPromptCache, make_prompt_cache
from mlx_lm.utils import load_model

__all__ = ["BatchGenerator", "LRUPromptCache", "load_model", "make_prompt_cache", "mx"]
