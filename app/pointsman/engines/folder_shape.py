"""The shape of an MLX model from its folder: config.json and the sizes of its weights. Read with suspicion too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from pointsman.core.model_shape import ModelProblem, Shape, shape_of

_LONGEST = 1 << 20
_NAMES = {
    "block_count": ("num_hidden_layers", "n_layers"),
    "embedding_length": ("hidden_size", "dim"),
    "feed_forward_length": ("intermediate_size", "hidden_dim"),
    "attention.head_count": ("num_attention_heads", "n_heads"),
    "attention.head_count_kv": ("num_key_value_heads", "n_kv_heads"),
    "attention.key_length": ("head_dim",),
    "attention.value_length": ("head_dim",),
    "context_length": ("max_position_embeddings",),
    "vocab_size": ("vocab_size",),
    "expert_count": ("num_experts", "num_local_experts", "n_routed_experts"),
    "expert_used_count": ("num_experts_per_tok",),
    "expert_feed_forward_length": ("moe_intermediate_size",),
}


def shape(folder: Path) -> Shape:
    """What is in the folder. Raises `ModelProblem` or `OSError`."""
    config = _config(folder / "config.json")
    weights = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    if not weights:
        raise ModelProblem("there are no weights in it")
    meta: dict[str, Any] = {
        f"mlx.{name}": found for name, keys in _NAMES.items() if (found := _first(config, keys)) is not None
    }
    meta |= {"general.architecture": "mlx"}
    layers = meta.get("mlx.block_count", 0)
    part = "ffn_exps" if "mlx.expert_count" in meta else "all"
    tensors = [(f"blk.{at}.{part}", weights // layers) for at in range(min(layers, 1024))]
    # What MLX keeps of each token is not rounded, as it could not answer several requests at once; nor does it use two
    # memories for one model.
    return structs.replace(shape_of(meta, tensors), squeezes=False, divides=False)


def _config(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _LONGEST:
        raise ModelProblem("its config.json is too long")
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        raise ModelProblem("its config.json cannot be read") from None
    inner = found.get("text_config")
    return {**found, **inner} if isinstance(inner, dict) else found


def _first(config: dict[str, Any], keys: tuple[str, ...]) -> int | None:
    return next((config[key] for key in keys if isinstance(config.get(key), int) and config[key] >= 0), None)
