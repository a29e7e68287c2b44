"""A model in a folder, loaded by MLX: its network, its tokens, and what they promise to the rest of an engine.

Not thread safe: the thread that loads it owns all of MLX in this process.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pointsman.engines.failures import LoadFailed
from pointsman.engines.mlx_api import load_model, make_prompt_cache, mx
from pointsman.engines.mlx_files import read_json
from pointsman.engines.mlx_guide import Guides
from pointsman.engines.mlx_sampler import Sampler
from pointsman.engines.mlx_tokens import Tokens
from pointsman.engines.sampling import Sampling
from pointsman.engines.schema_grammar import Grammar

_USUAL_CONTEXT = 8192
_SCRAP_BYTES = 256 << 20  # what MLX may keep of memory that it no longer uses


class MlxModel:
    """`token_bytes` is what one token of context takes in memory."""

    def __init__(self, path: str, context: int | None) -> None:
        folder = Path(path)
        mx.set_cache_limit(_SCRAP_BYTES)
        self.network, config = _load(folder)
        self.vocabulary, self.token_bytes = _tried(folder.name, self.network)
        self.context = min(context or _USUAL_CONTEXT, _trained(config))
        self._tokens = Tokens(folder, config, self.vocabulary)
        self.template, self.bos, self.eos = self._tokens.template, self._tokens.bos, self._tokens.eos
        self._guides: Guides

    def tokenize(self, text: str) -> list[int]:
        """A rendered prompt as tokens; chat templates of folders write the beginning token themselves."""
        return self._tokens.encode(text)

    def continued(self, text: str) -> list[int]:
        """Text in the middle of an answer as tokens."""
        return self._tokens.encode(text)

    def single(self, text: str) -> int | None:
        """The token that is just this text, if there is one."""
        return self._tokens.single(text)

    def show(self, marks: Sequence[str]) -> None:
        """Let these be read even where they are control tokens; once, before any sampler."""
        self._tokens.show(marks)
        pieces = [self.piece(token) for token in range(self.vocabulary)]
        self._guides = Guides(pieces, self._tokens.ending, self._tokens.encode)

    def piece(self, token: int) -> bytes:
        """The bytes of a token; control tokens are empty but for those that `show` named."""
        return self._tokens.piece(token)

    def ends(self, token: int) -> bool:
        """Whether the model says with this token that it is done."""
        return token in self._tokens.ending

    def sampler(self, sampling: Sampling, grammar: Grammar | None) -> Sampler:
        """Raises `Rejected` when llguidance does not take the grammar."""
        return Sampler(sampling, self._guides.guide(grammar) if grammar else None)


def _load(folder: Path) -> tuple[Any, dict[str, Any]]:
    kind = read_json(folder / "config.json").get("model_type")
    try:
        return load_model(folder)
    except Exception as error:  # noqa: BLE001 - mlx-lm has no errors of its own
        if "not supported" in str(error):
            raise LoadFailed(f"{folder.name} is of the kind {kind}, which this version of mlx-lm cannot run.") from None
        raise LoadFailed(f"{folder.name} cannot be loaded: its files are damaged, or not complete.") from None


def _tried(name: str, network: Any) -> tuple[int, int]:
    """The tokens that the network knows, and the bytes that one takes in its context: seen by computing one."""
    try:
        cache = make_prompt_cache(network)
        logits = network(mx.array([[0]]), cache=cache)
        mx.eval(logits)
    except Exception:  # noqa: BLE001 - any kind of network may be in a folder
        raise LoadFailed(f"{name} was loaded but computes nothing.") from None
    if logits.ndim != 3:
        raise LoadFailed(f"{name} is not a model that answers in text.")
    if not all(hasattr(one, "merge") for one in cache):
        raise LoadFailed(f"{name} is of a kind that MLX answers one request at a time with, which is not enough here.")
    held = [one for one in cache if getattr(one, "keys", None) is not None]
    return logits.shape[-1], sum(one.nbytes // max(1, one.keys.shape[2]) for one in held)


def _trained(config: dict[str, Any]) -> int:
    """Models of several kinds of input keep the number in a part of their own."""
    texts = config.get("text_config")
    for part in (config, texts if isinstance(texts, dict) else {}):
        if isinstance(found := part.get("max_position_embeddings"), int) and found > 0:
            return found
    return _USUAL_CONTEXT
