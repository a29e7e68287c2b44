"""A qwen3 model in a GGUF file, as the folder that MLX loads: the same weights, tokens and chat template.

MLX reads GGUF by itself and keeps eight-bit weights as they are, so nothing is rounded on the way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

_BLOCK = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_WHOLE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_CONTROL, _OWN = 3, 4  # kinds of tokens in a GGUF file


def write(gguf: Path, folder: Path) -> Path:
    """Make the folder, and return it."""
    loaded: Any = mx.load(str(gguf), return_metadata=True)
    weights, facts = loaded
    folder.mkdir(parents=True, exist_ok=True)
    mx.save_safetensors(str(folder / "model.safetensors"), {_name(name): one for name, one in weights.items()})
    _tokenizer(facts).save(str(folder / "tokenizer.json"))
    for name, content in {"config.json": _config(facts), "tokenizer_config.json": _tokenizer_config(facts)}.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    (folder / "chat_template.jinja").write_text(facts["tokenizer.chat_template"], encoding="utf-8")
    return folder


def _name(name: str) -> str:
    if not name.startswith("blk."):
        first, _, rest = name.partition(".")
        return f"{_WHOLE[first]}.{rest}"
    _, layer, part, rest = name.split(".")
    return f"model.layers.{layer}.{_BLOCK[part]}.{rest}"


def _tokenizer(facts: Mapping[str, Any]) -> Tokenizer:
    tokens, kinds = facts["tokenizer.ggml.tokens"], facts["tokenizer.ggml.token_type"].tolist()
    merges = [tuple(merge.split(" ")) for merge in facts["tokenizer.ggml.merges"]]
    plain = {token: at for at, (token, kind) in enumerate(zip(tokens, kinds, strict=True)) if kind < _CONTROL}
    made = Tokenizer(models.BPE(vocab=plain, merges=merges))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_QWEN2), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    for token, kind in zip(tokens, kinds, strict=True):
        if kind in (_CONTROL, _OWN):
            made.add_tokens([AddedToken(token, special=kind == _CONTROL, normalized=False)])
    assert all(made.token_to_id(token) == at for at, token in enumerate(tokens))
    return made


def _config(facts: Mapping[str, Any]) -> dict[str, Any]:
    def number(name: str) -> Any:
        return facts[f"qwen3.{name}"].item()

    return {
        "model_type": "qwen3",
        "architectures": ["Qwen3ForCausalLM"],
        "hidden_size": number("embedding_length"),
        "num_hidden_layers": number("block_count"),
        "intermediate_size": number("feed_forward_length"),
        "num_attention_heads": number("attention.head_count"),
        "num_key_value_heads": number("attention.head_count_kv"),
        "head_dim": number("attention.key_length"),
        "rms_norm_eps": number("attention.layer_norm_rms_epsilon"),
        "rope_theta": number("rope.freq_base"),
        "max_position_embeddings": number("context_length"),
        "vocab_size": len(facts["tokenizer.ggml.tokens"]),
        "tie_word_embeddings": False,
        "eos_token_id": facts["tokenizer.ggml.eos_token_id"].item(),
        "quantization": {"group_size": 32, "bits": 8},
    }


def _tokenizer_config(facts: Mapping[str, Any]) -> dict[str, Any]:
    tokens = facts["tokenizer.ggml.tokens"]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": tokens[facts["tokenizer.ggml.eos_token_id"].item()],
        "pad_token": tokens[facts["tokenizer.ggml.padding_token_id"].item()],
    }
