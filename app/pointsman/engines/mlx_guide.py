"""Holds an answer to its grammar while MLX writes it: llguidance says which tokens may come next."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from llguidance import LLMatcher, LLTokenizer
from llguidance import numpy as masks
from llguidance._tokenizer import TokenizerWrapper

from pointsman.engines.failures import Rejected
from pointsman.engines.lark import lark_of
from pointsman.engines.schema_grammar import Grammar


class Guides:
    """Makes guides for one model; `pieces` are the bytes of its tokens, and those without bytes fit no grammar."""

    def __init__(self, pieces: Sequence[bytes], ending: frozenset[int], encode: Callable[[str], list[int]]) -> None:
        self._ending = ending
        self._tokens = LLTokenizer(
            TokenizerWrapper(_Vocabulary(pieces, min(ending, default=0), encode)),
            n_vocab=len(pieces),
            eos_token=sorted(ending) or None,
        )

    def guide(self, grammar: Grammar) -> Guide:
        """Raises `Rejected` when llguidance does not take the grammar."""
        return Guide(
            LLMatcher(self._tokens, lark_of(grammar.rules), log_level=0), self._tokens.vocab_size, self._ending
        )


class Guide:
    """Where one answer is in its grammar."""

    def __init__(self, matcher: LLMatcher, size: int, ending: frozenset[int]) -> None:
        self._matcher, self._size, self._ending = matcher, size, ending
        if matcher.is_error():
            raise Rejected("bad_request", "This model cannot promise JSON of that form: its grammar cannot be built.")
        self._bits = masks.allocate_token_bitmask(1, size)

    def allows(self, token: int) -> bool:
        """Whether this token may come next."""
        if token in self._ending:
            return self._matcher.is_accepting()
        return bool(self._matcher.validate_tokens([token]) == 1)

    def accept(self, token: int) -> None:
        """Go on behind an allowed token."""
        if token not in self._ending and not self._matcher.consume_token(token):
            raise Rejected("engine_error", "The promised form is too large for this engine.")

    def mask(self) -> npt.NDArray[np.bool_]:
        """Which tokens may come next."""
        masks.fill_next_token_bitmask(self._matcher, self._bits, 0)
        if self._matcher.is_error():
            raise Rejected("engine_error", "The promised form is too large for this engine.")
        return np.unpackbits(self._bits.view(np.uint8), bitorder="little")[: self._size].astype(bool)


class _Vocabulary:
    """What llguidance asks of a tokenizer."""

    def __init__(self, pieces: Sequence[bytes], eos: int, encode: Callable[[str], list[int]]) -> None:
        self.eos_token_id, self.bos_token_id = eos, None
        self.tokens = list(pieces)
        self.special_token_ids = [token for token, piece in enumerate(pieces) if not piece]
        self._encode = encode

    def __call__(self, text: str | bytes) -> list[int]:
        return self._encode(text if isinstance(text, str) else text.decode("utf-8", "replace"))
