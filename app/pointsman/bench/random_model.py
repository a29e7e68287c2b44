"""A model of 110 million parameters whose weights are chance: it says nothing, at the speed of one that does.

Its tokens are words of up to three syllables, so its text is text; it never ends an answer by itself.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pointsman.bench.gguf_file import F32, Q8_0, Tensor, header, padded

Floats = npt.NDArray[np.float32]

NAME = "110M q8_0, made by chance"
CONTEXT = 16_384
_LAYERS, _WIDTH, _INNER, _HEADS, _KEY_HEADS, _HEAD, _VOCABULARY = 12, 768, 1536, 12, 4, 64, 32_000
_SYLLABLES = ["".join(pair) for pair in itertools.product("bcdfghjklmnpqrstvwyz", "aeiou")]
_SPACE = "\u0120"  # how byte-level tokens write a blank
_MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
_PLAIN, _CONTROL = 1, 3
_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write(path: Path) -> Path:
    """Make the file, always the same one, of 118 MB."""
    tensors = _tensors()
    begin, _ = header(_meta(), tensors)
    chance = np.random.default_rng(110)
    with path.open("wb") as file:
        file.write(begin.ljust(padded(len(begin)), b"\0"))
        for name, shape, kind in tensors:
            raw = _weights(chance, name, shape, kind)
            file.write(raw.ljust(padded(len(raw)), b"\0"))
    return path


def words(seed: str, count: int) -> str:
    """So many words that are a token each."""
    chosen = np.random.default_rng(list(seed.encode())).integers(len(_SYLLABLES), size=(count, 2))
    return "".join(f" {_SYLLABLES[first]}{_SYLLABLES[second]}" for first, second in chosen)


def _meta() -> dict[str, Any]:
    tokens, merges = _vocabulary()
    places = {"bos": _MARKS[0], "padding": _MARKS[0], "eos": _MARKS[2]}
    size = {
        "context_length": CONTEXT,
        "embedding_length": _WIDTH,
        "block_count": _LAYERS,
        "feed_forward_length": _INNER,
        "attention.head_count": _HEADS,
        "attention.head_count_kv": _KEY_HEADS,
        "attention.key_length": _HEAD,
        "attention.value_length": _HEAD,
        "attention.layer_norm_rms_epsilon": 1e-6,
        "rope.freq_base": 10000.0,
        "vocab_size": _VOCABULARY,
    }
    return {
        "general.architecture": "qwen3",
        "general.name": NAME,
        **{f"qwen3.{key}": one for key, one in size.items()},
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [_CONTROL if token in _MARKS else _PLAIN for token in tokens],
        "tokenizer.ggml.merges": merges,
        **{f"tokenizer.ggml.{name}_token_id": tokens.index(mark) for name, mark in places.items()},
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": _TEMPLATE,
    }


def _vocabulary() -> tuple[list[str], list[str]]:
    """Bytes, then words, each made of two that came before it."""
    pairs = [(one[0], one[1]) for one in _SYLLABLES]
    pairs += [(_SPACE, one) for one in _SYLLABLES]
    pairs += [(_SPACE + one, other) for one in _SYLLABLES for other in _SYLLABLES]
    longer = ((_SPACE + one + other, third) for one in _SYLLABLES for other in _SYLLABLES for third in _SYLLABLES)
    pairs += itertools.islice(longer, _VOCABULARY - 256 - len(pairs) - len(_MARKS))
    return [*_bytes(), *(one + other for one, other in pairs), *_MARKS], [f"{one} {other}" for one, other in pairs]


def _bytes() -> list[str]:
    """How byte-level tokens write each byte."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = itertools.count(256)
    return [chr(byte) if byte in shown else chr(next(others)) for byte in range(256)]


def _tensors() -> list[Tensor]:
    found: list[Tensor] = [("token_embd.weight", (_WIDTH, _VOCABULARY), Q8_0)]
    for at in range(_LAYERS):
        block = f"blk.{at}."
        for part, wide, high in (
            ("attn_q", _WIDTH, _HEADS * _HEAD),
            ("attn_k", _WIDTH, _KEY_HEADS * _HEAD),
            ("attn_v", _WIDTH, _KEY_HEADS * _HEAD),
            ("attn_output", _HEADS * _HEAD, _WIDTH),
            ("ffn_gate", _WIDTH, _INNER),
            ("ffn_up", _WIDTH, _INNER),
            ("ffn_down", _INNER, _WIDTH),
        ):
            found.append((f"{block}{part}.weight", (wide, high), Q8_0))
        for part, wide in (("attn", _WIDTH), ("ffn", _WIDTH), ("attn_q", _HEAD), ("attn_k", _HEAD)):
            found.append((f"{block}{part}_norm.weight", (wide,), F32))
    return [*found, ("output_norm.weight", (_WIDTH,), F32), ("output.weight", (_WIDTH, _VOCABULARY), Q8_0)]


def _weights(chance: np.random.Generator, name: str, shape: tuple[int, ...], kind: int) -> bytes:
    if kind == F32:
        return np.ones(shape, np.float32).tobytes()
    numbers = chance.standard_normal(shape[::-1], np.float32) * np.float32(shape[0] ** -0.5)
    if name == "output.weight":
        numbers *= 3
        numbers[-len(_MARKS) :] = 0  # never the likeliest: no answer ends by itself
        numbers[:256] = 0  # nor a byte that is no text
    return _eight_bits(numbers)


def _eight_bits(numbers: Floats) -> bytes:
    """Blocks of 32 whole numbers and what to multiply them by."""
    blocks = numbers.reshape(-1, 32)
    scale = (np.abs(blocks).max(axis=1) / 127).astype(np.float16)
    packed = np.zeros(len(blocks), [("scale", np.float16), ("numbers", np.int8, 32)])
    packed["scale"] = scale
    divided = blocks / np.where(scale == 0, 1, scale).astype(np.float32)[:, None]
    packed["numbers"] = np.clip(np.rint(divided), -127, 127)
    return packed.tobytes()
