"""GGUF files of many architectures, made here: true headers, and for weights a hole in the file that reads as zeros."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pointsman.bench.gguf_file import F16, F32, Q4_K, Q8_0, header, padded, whole


class Model(NamedTuple):
    """A made-up model of a real architecture."""

    architecture: str
    meta: dict[str, Any]
    tensors: list[tuple[str, tuple[int, ...]]]
    vocabulary: int


class Size(NamedTuple):
    """How large a made-up model is."""

    layers: int = 4
    width: int = 256
    inner: int = 512
    heads: int = 8
    kv_heads: int = 2
    head: int = 64
    vocabulary: int = 4096
    context: int = 65536


USUAL, MANY_KEYS = Size(), Size(kv_heads=8)
SIX, TWELVE, WIDE_SIX = Size(layers=6), Size(layers=12), Size(layers=6, width=512)


def write(path: Path, model: Model, kind: str = "q8_0", *, noise: bool = False) -> Path:
    """Make the file; matrices are of this kind, vectors of whole numbers. `noise` fills one of kind f32 by chance."""
    wanted = {"f32": F32, "f16": F16, "q8_0": Q8_0, "q4_k": Q4_K}[kind]
    tensors = [(name, shape, _kind(name, shape, wanted)) for name, shape in model.tensors]
    meta = {
        "general.architecture": model.architecture,
        "tokenizer.ggml.model": "none",
        f"{model.architecture}.vocab_size": model.vocabulary,
        **{
            key if key.startswith(("general.", "tokenizer.")) else f"{model.architecture}.{key}": it
            for key, it in model.meta.items()
        },
    }
    begin, weights = header(meta, tensors)
    with path.open("wb") as file:
        file.write(begin)
        file.truncate(padded(len(begin)) + weights)
        if noise:
            file.seek(padded(len(begin)))
            chance = np.random.default_rng(1)
            file.write((chance.standard_normal(weights // 4) * 0.2).astype(np.float32).tobytes())
    return path


def _kind(name: str, shape: tuple[int, ...], wanted: int) -> int:
    plain = (
        len(shape) == 1 or "conv" in name or "ssm_a" in name or "ssm_d" in name or "norm" in name or "gate_inp" in name
    )
    return F32 if plain or not whole(shape[0], wanted) else wanted


def _meta(size: Size, **more: Any) -> dict[str, Any]:
    usual = {
        "context_length": size.context,
        "embedding_length": size.width,
        "block_count": size.layers,
        "feed_forward_length": size.inner,
        "attention.head_count": size.heads,
        "attention.head_count_kv": size.kv_heads,
        "attention.key_length": size.head,
        "attention.value_length": size.head,
        "attention.layer_norm_rms_epsilon": 1e-6,
        "rope.freq_base": 10000.0,
        "rope.dimension_count": size.head,
    }
    return usual | {key.replace("__", "."): it for key, it in more.items()}


def _ends(size: Size, *, tied: bool = False) -> list[tuple[str, tuple[int, ...]]]:
    first: list[tuple[str, tuple[int, ...]]] = [
        ("token_embd.weight", (size.width, size.vocabulary)),
        ("output_norm.weight", (size.width,)),
    ]
    return first if tied else [*first, ("output.weight", (size.width, size.vocabulary))]


def _attention(at: int, size: Size, *, norms: bool = False) -> list[tuple[str, tuple[int, ...]]]:
    block = f"blk.{at}."
    found: list[tuple[str, tuple[int, ...]]] = [
        (block + "attn_norm.weight", (size.width,)),
        (block + "attn_q.weight", (size.width, size.heads * size.head)),
        (block + "attn_k.weight", (size.width, size.kv_heads * size.head)),
        (block + "attn_v.weight", (size.width, size.kv_heads * size.head)),
        (block + "attn_output.weight", (size.heads * size.head, size.width)),
    ]
    if norms:
        found += [(block + f"attn_{part}_norm.weight", (size.head,)) for part in "qk"]
    return found


def _dense(at: int, size: Size) -> list[tuple[str, tuple[int, ...]]]:
    block = f"blk.{at}."
    return [
        (block + "ffn_norm.weight", (size.width,)),
        (block + "ffn_gate.weight", (size.width, size.inner)),
        (block + "ffn_up.weight", (size.width, size.inner)),
        (block + "ffn_down.weight", (size.inner, size.width)),
    ]


def _experts(at: int, size: Size, count: int, inner: int) -> list[tuple[str, tuple[int, ...]]]:
    block = f"blk.{at}."
    return [
        (block + "ffn_norm.weight", (size.width,)),
        (block + "ffn_gate_inp.weight", (size.width, count)),
        (block + "ffn_gate_exps.weight", (size.width, inner, count)),
        (block + "ffn_down_exps.weight", (inner, size.width, count)),
        (block + "ffn_up_exps.weight", (size.width, inner, count)),
    ]


def dense(size: Size = MANY_KEYS) -> Model:
    """Llama with as many key heads as heads."""
    tensors = _ends(size)
    for at in range(size.layers):
        tensors += _attention(at, size) + _dense(at, size)
    return Model("llama", _meta(size), tensors, size.vocabulary)


def grouped(size: Size = USUAL) -> Model:
    """Qwen 3: grouped queries, and the embedding serves as output."""
    tensors = _ends(size, tied=True)
    for at in range(size.layers):
        tensors += _attention(at, size, norms=True) + _dense(at, size)
    return Model("qwen3", _meta(size), tensors, size.vocabulary)


def experts(size: Size = USUAL, count: int = 16, used: int = 4, inner: int = 128) -> Model:
    """Qwen 3 with experts."""
    tensors = _ends(size)
    for at in range(size.layers):
        tensors += _attention(at, size, norms=True) + _experts(at, size, count, inner)
    more = {"expert_count": count, "expert_used_count": used, "expert_feed_forward_length": inner}
    return Model("qwen3moe", _meta(size) | more, tensors, size.vocabulary)


def windowed(size: Size = TWELVE, window: int = 512) -> Model:
    """Gemma 3: five layers of six look back only so far."""
    tensors = _ends(size, tied=True)
    for at in range(size.layers):
        tensors += _attention(at, size, norms=True) + _dense(at, size)
        tensors += [(f"blk.{at}.post_{part}_norm.weight", (size.width,)) for part in ("attention", "ffw")]
    return Model("gemma3", _meta(size, attention__sliding_window=window), tensors, size.vocabulary)


def sinks(size: Size = SIX, count: int = 8, used: int = 4, window: int = 128) -> Model:
    """gpt-oss: experts, every other layer looks back only so far."""
    tensors = _ends(size)
    for at in range(size.layers):
        block = f"blk.{at}."
        tensors += _attention(at, size)
        for part, wide in (("q", size.heads), ("k", size.kv_heads), ("v", size.kv_heads)):
            tensors.append((block + f"attn_{part}.bias", (wide * size.head,)))
        tensors += [
            (block + "post_attention_norm.weight", (size.width,)),
            (block + "attn_sinks.weight", (size.heads,)),
            (block + "attn_output.bias", (size.width,)),
            (block + "ffn_gate_inp.bias", (count,)),
            (block + "ffn_gate_exps.bias", (size.inner, count)),
            (block + "ffn_down_exps.bias", (size.width, count)),
            (block + "ffn_up_exps.bias", (size.inner, count)),
            *_experts(at, size, count, size.inner)[1:],
        ]
    more = {"expert_count": count, "expert_used_count": used, "expert_feed_forward_length": size.inner}
    meta = _meta(size, attention__sliding_window=window) | more
    return Model("gpt-oss", meta, tensors, size.vocabulary)


def hybrid(size: Size = SIX, every: int = 3, state: int = 128) -> Model:
    """Granite hybrid: most layers keep a state of fixed size, each third one attends."""
    tensors = _ends(size)
    inner, heads, kernel = 2 * size.width, 2 * size.width // 64, 4
    mixed = inner + 2 * state
    kv = [size.kv_heads if at % every == every - 1 else 0 for at in range(size.layers)]
    for at in range(size.layers):
        block = f"blk.{at}."
        if kv[at]:
            tensors += _attention(at, size)
        else:
            tensors += [
                (block + "attn_norm.weight", (size.width,)),
                (block + "ssm_in.weight", (size.width, 2 * inner + 2 * state + heads)),
                (block + "ssm_conv1d.weight", (kernel, mixed)),
                (block + "ssm_conv1d.bias", (mixed,)),
                (block + "ssm_dt.bias", (heads,)),
                (block + "ssm_a", (1, heads)),
                (block + "ssm_d", (1, heads)),
                (block + "ssm_norm.weight", (inner, 1)),
                (block + "ssm_out.weight", (inner, size.width)),
            ]
        tensors += _dense(at, size)
    more = {
        "attention.head_count_kv": kv,
        "ssm.conv_kernel": kernel,
        "ssm.inner_size": inner,
        "ssm.state_size": state,
        "ssm.time_step_rank": heads,
        "ssm.group_count": 1,
    }
    return Model("granitehybrid", _meta(size) | more, tensors, size.vocabulary)


def convolved(size: Size = WIDE_SIX, every: int = 3) -> Model:
    """LFM 2: short convolutions, each third layer attends."""
    tensors = [("token_embd.weight", (size.width, size.vocabulary)), ("token_embd_norm.weight", (size.width,))]
    kv = [size.kv_heads if at % every == every - 1 else 0 for at in range(size.layers)]
    for at in range(size.layers):
        block = f"blk.{at}."
        if kv[at]:
            tensors += _attention(at, size, norms=True)
        else:
            tensors += [
                (block + "attn_norm.weight", (size.width,)),
                (block + "shortconv.conv.weight", (3, size.width)),
                (block + "shortconv.in_proj.weight", (size.width, 3 * size.width)),
                (block + "shortconv.out_proj.weight", (size.width, size.width)),
            ]
        tensors += _dense(at, size)
    more = {"attention.head_count_kv": kv, "shortconv.l_cache": 3}
    return Model("lfm2", _meta(size) | more, tensors, size.vocabulary)


def latent(size: Size = USUAL, rank: int = 256, rope: int = 64, count: int = 8) -> Model:
    """DeepSeek 2: what is kept of each token is one small vector for all heads."""
    tensors, inner, shared = _ends(size), 128, 1
    key = size.head + rope
    for at in range(size.layers):
        block = f"blk.{at}."
        tensors += [
            (block + "attn_norm.weight", (size.width,)),
            (block + "attn_q_a_norm.weight", (128,)),
            (block + "attn_q_a.weight", (size.width, 128)),
            (block + "attn_q_b.weight", (128, size.heads * key)),
            (block + "attn_kv_a_norm.weight", (rank,)),
            (block + "attn_kv_a_mqa.weight", (size.width, rank + rope)),
            (block + "attn_k_b.weight", (size.head, rank, size.heads)),
            (block + "attn_v_b.weight", (rank, size.head, size.heads)),
            (block + "attn_output.weight", (size.heads * size.head, size.width)),
        ]
        if at == 0:
            tensors += _dense(at, size)
            continue
        tensors += _experts(at, size, count, inner)
        tensors += [
            (block + "ffn_gate_shexp.weight", (size.width, inner * shared)),
            (block + "ffn_down_shexp.weight", (inner * shared, size.width)),
            (block + "ffn_up_shexp.weight", (size.width, inner * shared)),
        ]
    more = {
        "attention.head_count_kv": 1,
        "attention.q_lora_rank": 128,
        "attention.kv_lora_rank": rank,
        "attention.key_length": rank + rope,
        "attention.value_length": rank,
        "attention.key_length_mla": key,
        "attention.value_length_mla": size.head,
        "rope.dimension_count": rope,
        "leading_dense_block_count": 1,
        "expert_count": count,
        "expert_used_count": 4,
        "expert_shared_count": shared,
        "expert_feed_forward_length": inner,
        "expert_weights_scale": 1.0,
    }
    return Model("deepseek2", _meta(size) | more, tensors, size.vocabulary)


def pooled(size: Size = USUAL, *, whole: bool = False) -> Model:
    """Qwen 3 as a model that makes vectors; `whole`: its tokens look at those behind them too."""
    made = grouped(size)
    more = {"pooling_type": 3} | ({"attention.causal": False} if whole else {})
    return made._replace(meta=made.meta | more)


def encoder(size: Size = MANY_KEYS) -> Model:
    """BERT, which keeps nothing of a text."""
    tensors: list[tuple[str, tuple[int, ...]]] = [
        ("token_embd.weight", (size.width, size.vocabulary)),
        ("position_embd.weight", (size.width, size.context)),
        ("token_types.weight", (size.width, 2)),
        *((f"token_embd_norm.{part}", (size.width,)) for part in ("weight", "bias")),
    ]
    for at in range(size.layers):
        names = [(part, size.width, size.width) for part in ("attn_q", "attn_k", "attn_v", "attn_output")]
        names += [("ffn_up", size.width, size.inner), ("ffn_down", size.inner, size.width)]
        for part, wide, high in names:
            tensors += [(f"blk.{at}.{part}.weight", (wide, high)), (f"blk.{at}.{part}.bias", (high,))]
        for part in ("attn_output_norm", "layer_output_norm"):
            tensors += [(f"blk.{at}.{part}.{kind}", (size.width,)) for kind in ("weight", "bias")]
    meta = {
        "context_length": size.context,
        "embedding_length": size.width,
        "block_count": size.layers,
        "feed_forward_length": size.inner,
        "attention.head_count": size.heads,
        "attention.layer_norm_epsilon": 1e-12,
        "attention.causal": False,
        "pooling_type": 1,
        "tokenizer.ggml.token_type_count": 2,
    }
    return Model("bert", meta, tensors, size.vocabulary)


ALL = {
    "dense": dense,
    "grouped": grouped,
    "experts": experts,
    "windowed": windowed,
    "sinks": sinks,
    "hybrid": hybrid,
    "convolved": convolved,
    "latent": latent,
}
