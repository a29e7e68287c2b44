"""GGUF models that make vectors, made here: the starter with other words in its header, and a very small BERT."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from pointsman.bench.gguf_file import header, padded, value

MEAN, CLS, LAST, RANK = 1, 2, 3, 4
WIDTH, LAYERS, INNER, CONTEXT = 32, 2, 64, 64
_BEGIN = 24  # bytes before the first value: mark, version, how many tensors, how many values
_ALIGNMENT = 32


def starter(original: Path, path: Path, context: int | None = None, **more: Any) -> Path:
    """The starter's weights and tokens; `more` are values of its header, and `context` tokens it says it was trained on."""
    raw = original.read_bytes()
    given = b"".join(_pair(name.replace("__", "."), one) for name, one in more.items())
    # A text that says nothing, so that what follows stays where llama.cpp looks for it.
    filler = -(len(given) + len(_pair("general.filler", ""))) % _ALIGNMENT
    given += _pair("general.filler", "." * filler)
    tensors, values = struct.unpack_from("<QQ", raw, 8)
    made = raw[:8] + struct.pack("<QQ", tensors, values + len(more) + 1) + given + raw[_BEGIN:]
    if context is not None:
        key = b"qwen3.context_length"
        at = made.index(key) + len(key) + 4
        made = made[:at] + struct.pack("<I", context) + made[at + 4 :]
    path.write_bytes(made)
    return path


def _pair(name: str, one: Any) -> bytes:
    return struct.pack("<Q", len(name)) + name.encode() + value(one)


def bert(path: Path, pooling: int = MEAN, context: int = CONTEXT, **more: Any) -> Path:
    """Reads lower-case letters, each a token, between a mark of the beginning and one of the end."""
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens = [*marks, *("\u2581" + letter for letter in letters), *letters]
    places = {
        "padding": 0,
        "unknown": 1,
        "bos": 2,
        "cls": 2,
        "seperator": 3,
        "eos": 3,
        "mask": 4,
    }  # as the format spells
    meta = {
        "general.architecture": "bert",
        "bert.context_length": context,
        "bert.embedding_length": WIDTH,
        "bert.block_count": LAYERS,
        "bert.feed_forward_length": INNER,
        "bert.attention.head_count": 2,
        "bert.attention.layer_norm_epsilon": 1e-12,
        "bert.attention.causal": False,
        "bert.pooling_type": pooling,
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3, 2, 3, 3, 3] + [1] * (2 * len(letters)),
        "tokenizer.ggml.token_type_count": 2,
        **{f"tokenizer.ggml.{name}_token_id": at for name, at in places.items()},
        **{name.replace("__", "."): one for name, one in more.items()},
    }
    return _written(path, meta, _tensors(len(tokens), context))


def _tensors(vocabulary: int, context: int) -> list[tuple[str, tuple[int, ...]]]:
    found: list[tuple[str, tuple[int, ...]]] = [
        ("token_embd.weight", (WIDTH, vocabulary)),
        ("position_embd.weight", (WIDTH, context)),
        ("token_types.weight", (WIDTH, 2)),
        ("token_embd_norm.weight", (WIDTH,)),
        ("token_embd_norm.bias", (WIDTH,)),
    ]
    for at in range(LAYERS):
        block = f"blk.{at}."
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            found += [(f"{block}{part}.weight", (WIDTH, WIDTH)), (f"{block}{part}.bias", (WIDTH,))]
        for part, wide, high in (("ffn_up", WIDTH, INNER), ("ffn_down", INNER, WIDTH)):
            found += [(f"{block}{part}.weight", (wide, high)), (f"{block}{part}.bias", (high,))]
        for part in ("attn_output_norm", "layer_output_norm"):
            found += [(f"{block}{part}.weight", (WIDTH,)), (f"{block}{part}.bias", (WIDTH,))]
    return found


def _written(path: Path, meta: dict[str, Any], tensors: list[tuple[str, tuple[int, ...]]]) -> Path:
    begin, _ = header(meta, [(name, shape, 0) for name, shape in tensors])
    chance = np.random.default_rng(7)
    parts = [begin.ljust(padded(len(begin)), b"\0")]
    for name, shape in tensors:
        numbers = chance.standard_normal(int(np.prod(shape))).astype(np.float32) * np.float32(0.3)
        numbers = np.ones_like(numbers) if name.endswith("norm.weight") else numbers
        raw = numbers.tobytes()
        parts.append(raw.ljust(padded(len(raw)), b"\0"))
    path.write_bytes(b"".join(parts))
    return path
