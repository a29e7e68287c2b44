"""What a GGUF file's header says of its size: weights by layer, what each token of context takes, what a step computes.

Where an architecture is not known better, the answer is the most that it can be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from pointsman.core.errors import SetupError

_LAYER = re.compile(r"blk\.(\d+)\.(.*)")
_MOST_LAYERS = 1024
_POOLED = (1, 2, 3)  # mean, first and last token; the others rank texts, or pool nothing
_MOST = 1 << 40  # no true number of a header is larger
# They keep nothing of a text, read it both ways, and weigh no next tokens.
_ENCODERS = frozenset(f"{name}bert" for name in ("", "modern-", "nomic-", "neo-", "euro")) | {
    "nomic-bert-moe",
    "jina-bert-v2",
    "jina-bert-v3",
    "gemma-embedding",
}
# Of how many layers one sees the whole context; the others look back over a window only.
_WINDOWED = {"gemma2": 2, "gemma3": 6, "gpt-oss": 2, "cohere2": 4}


class ModelProblem(SetupError):
    """A header that describes no model that could be loaded; the sentence says why."""

    code = "model_problem"


class Layer(Struct, frozen=True, kw_only=True):
    """`weights` in bytes, of them `experts` used in part; `keys` and `values` are numbers kept of each token.

    `window`: of the last tokens only. `state` is in bytes for each conversation, whatever its length.
    """

    weights: int
    experts: int = 0
    keys: int = 0
    values: int = 0
    window: bool = False
    state: int = 0


class Shape(Struct, frozen=True, kw_only=True):
    """All that memory and speed depend on. Sizes in bytes, `step` in numbers for each token of a step.

    `embedding` stays in main memory; `output` goes with the last layer, `tied` when it is the embedding again.
    `active` is the share of the experts that a token uses; `squeezes` says whether what is kept may be rounded to
    eight bits, `divides` whether some layers may lie in one memory and the rest in another.
    `vectors`: it makes vectors of texts, in pieces or each `whole` in one step; `scores`: and weighs next tokens in vain.
    """

    architecture: str
    layers: tuple[Layer, ...]
    embedding: int
    output: int
    tied: bool
    context: int
    vocabulary: int
    step: int
    window: int = 0
    active: float = 1.0
    squeezes: bool = True
    divides: bool = True
    vectors: Literal["", "pieces", "whole"] = ""
    scores: bool = True

    @property
    def weights(self) -> int:
        """All of them, once."""
        return sum(layer.weights for layer in self.layers) + self.embedding + self.output


class _Header:
    """The values of one architecture, each bounded."""

    def __init__(self, meta: Mapping[str, Any]) -> None:
        self._meta = meta
        self.architecture = str(meta.get("general.architecture", ""))

    def raw(self, key: str) -> Any:
        return self._meta.get(f"{self.architecture}.{key}")

    def number(self, key: str, otherwise: int = 0) -> int:
        """A whole number; the largest where there is one for each layer."""
        found = self.raw(key)
        if isinstance(found, list):
            found = max((one for one in found if isinstance(one, int)), default=otherwise)
        if isinstance(found, bool) or not isinstance(found, int):
            return otherwise
        if not 0 <= found <= _MOST:
            raise ModelProblem(f"its header says {found} for {key}")
        return found

    def each(self, key: str, count: int, otherwise: int) -> list[int]:
        """One for each layer."""
        found = self.raw(key)
        if isinstance(found, list):
            if len(found) < count or not all(isinstance(one, int) and 0 <= one <= _MOST for one in found):
                raise ModelProblem(f"its header has a wrong list for {key}")
            return [int(one) for one in found[:count]]
        return [self.number(key, otherwise)] * count


def shape_of(meta: Mapping[str, Any], tensors: Sequence[tuple[str, int]]) -> Shape:
    """The shape of a model with these values and these tensors (name, bytes). Raises `ModelProblem`."""
    head = _Header(meta)
    count = head.number("block_count")
    if not head.architecture or not 0 < count <= _MOST_LAYERS:
        raise ModelProblem("its header does not say what model it is")
    weights, experts, others, embedding = _weights(tensors, count)
    kept = _kept(head, count)
    layers = tuple(
        Layer(weights=weights[at], experts=experts[at], keys=keys, values=values, window=window, state=state)
        for at, (keys, values, window, state) in enumerate(kept)
    )
    used, all_ = head.number("expert_used_count"), head.number("expert_count")
    return Shape(
        architecture=head.architecture,
        layers=layers,
        embedding=embedding,
        output=others,
        tied=not any(name == "output.weight" for name, _ in tensors),
        context=head.number("context_length"),
        vocabulary=head.number("vocab_size", len_of(meta.get("tokenizer.ggml.tokens"))),
        step=_step(head, count),
        window=head.number("attention.sliding_window"),
        active=min(1.0, used / all_) if used and all_ else 1.0,
        squeezes=all(one.keys % 32 == one.values % 32 == 0 for one in layers) and _lengths_squeeze(head),
        vectors=_vectors(head),
        scores=head.architecture not in _ENCODERS,
    )


def _vectors(head: _Header) -> Literal["", "pieces", "whole"]:
    """Whether it makes vectors: its header then says how tokens become one."""
    if head.number("pooling_type") not in _POOLED:
        return ""
    both_ways = head.architecture in _ENCODERS or head.raw("attention.causal") is False
    return "whole" if both_ways else "pieces"


def _lengths_squeeze(head: _Header) -> bool:
    names = [f"attention.{part}_length{kind}" for part in ("key", "value") for kind in ("", "_swa")]
    width = head.number("embedding_length") // max(1, head.number("attention.head_count"))
    return all(head.number(name, width) % 32 == 0 for name in names)


def len_of(found: Any) -> int:
    """The length of a list of which only the length was read."""
    return found if isinstance(found, int) else 0


def _weights(tensors: Sequence[tuple[str, int]], count: int) -> tuple[list[int], list[int], int, int]:
    """Bytes of each layer, of its experts, of what belongs to none, and of the embedding."""
    layers, experts, others, embedding = [0] * count, [0] * count, 0, 0
    for name, size in tensors:
        match = _LAYER.fullmatch(name)
        if match and int(match[1]) < count:
            layers[int(match[1])] += size
            experts[int(match[1])] += size if "_exps" in match[2] else 0
        elif name.startswith(("token_embd.", "per_layer_token_embd.")):
            embedding += size
        else:
            others += size
    return layers, experts, others, embedding


def _kept(head: _Header, count: int) -> list[tuple[int, int, bool, int]]:
    """What each layer keeps: numbers of keys and values for a token, whether of a window only, bytes of a state."""
    heads = head.each("attention.head_count", count, 0)
    kv = head.each("attention.head_count_kv", count, max(heads, default=0))
    width = head.number("embedding_length") // max(1, *heads) if any(heads) else 0
    key, value = head.number("attention.key_length", width), head.number("attention.value_length", width)
    windows, recurrent = _windows(head, count), _recurrent(head, count, kv)
    shared = 0 if head.architecture in _ENCODERS else count - head.number("attention.shared_kv_layers")
    found = []
    for at in range(count):
        narrow = windows[at]
        keys = kv[at] * (head.number("attention.key_length_swa", key) if narrow else key)
        values = kv[at] * (head.number("attention.value_length_swa", value) if narrow else value)
        if head.number("attention.key_length_mla"):
            values = 0
        attends = at < shared and not (recurrent[at] and head.architecture != "falcon-h1")
        state = _state(head) if recurrent[at] else 0
        found.append((keys, values, narrow, state) if attends else (0, 0, False, state))
    return found


def _windows(head: _Header, count: int) -> list[bool]:
    """Which layers look back over a window only; none where it is not known for sure."""
    pattern = head.raw("attention.sliding_window_pattern")
    if not head.number("attention.sliding_window"):
        return [False] * count
    if isinstance(pattern, list) and len(pattern) >= count and head.architecture in {*_WINDOWED, "gemma4", "gemma3n"}:
        return [bool(one) for one in pattern[:count]]
    every = _WINDOWED.get(head.architecture)
    if every is None:
        return [False] * count
    every = pattern if isinstance(pattern, int) and not isinstance(pattern, bool) and pattern > 0 else every
    return [at % every < every - 1 for at in range(count)]


def _recurrent(head: _Header, count: int, kv: Sequence[int]) -> list[bool]:
    """Which layers keep a state instead of tokens."""
    if not (head.number("ssm.state_size") or head.number("shortconv.l_cache")):
        return [False] * count
    if head.architecture == "falcon-h1" or not any(kv):
        return [True] * count
    every = head.number("full_attention_interval")
    if every:
        return [(at + 1) % every != 0 for at in range(count)]
    return [one == 0 for one in kv]


def _state(head: _Header) -> int:
    """Bytes of one layer's state, of whole numbers."""
    short = head.number("shortconv.l_cache")
    if short:
        return 4 * head.number("embedding_length") * (short - 1)
    inner, state = head.number("ssm.inner_size"), head.number("ssm.state_size")
    mixed = inner + 2 * head.number("ssm.group_count") * state
    return 4 * (max(0, head.number("ssm.conv_kernel") - 1) * mixed + inner * state)


def _step(head: _Header, count: int) -> int:
    """Numbers that one layer works with for each token, as if none of their places were used twice."""
    width = head.number("embedding_length")
    heads = max(head.each("attention.head_count", count, 0))
    kv = max(head.each("attention.head_count_kv", count, heads))
    usual = width // max(1, heads)
    key = head.number("attention.key_length", usual)
    value = head.number("attention.value_length", usual)
    attention = 3 * heads * key + heads * value + kv * (2 * key + value)
    inner, used = head.number("feed_forward_length"), head.number("expert_used_count")
    forward = 3 * inner
    if used:
        each = head.number("expert_feed_forward_length", inner)
        shared = each * head.number("expert_shared_count") + head.number("expert_shared_feed_forward_length")
        forward = max(forward, used * (3 * each + 2 * width) + 4 * head.number("expert_count")) + 3 * shared
    scan = head.number("ssm.inner_size")
    mixed = scan + 2 * head.number("ssm.group_count") * head.number("ssm.state_size")
    convolved = 8 * width if head.number("shortconv.l_cache") else 0
    return 4 * width + attention + forward + 4 * scan + 4 * mixed + convolved
