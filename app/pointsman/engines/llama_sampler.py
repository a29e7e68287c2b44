"""Chooses the tokens of one answer, with llama.cpp's samplers and, where a form is promised, its grammar.

The grammar masks only when it must: a token is sampled freely first, and only if the grammar refuses it are all others
tried. That gives the same distribution as masking each time, at the price of one look at one token. The samplers see
the whole vocabulary only where the few likeliest would not give the same.
"""

from __future__ import annotations

import codecs
import ctypes
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from pointsman.engines.failures import Rejected
from pointsman.engines.llama_api import C
from pointsman.engines.sampling import Sampling

_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
_DEPTHS = (8.0, 20.0)  # nats below the likeliest within which the few that samplers keep are looked for

Logits = npt.NDArray[np.float32]


class Candidates:
    """Tokens with their logits, in the layout that samplers work on. One for a model: each use ends the one before."""

    def __init__(self, vocabulary: int) -> None:
        self._rows = np.zeros(vocabulary, _CANDIDATE)
        self._ids = np.arange(vocabulary, dtype=np.int32)
        self._data: Any = self._rows.ctypes.data_as(C.llama_token_data_p)
        self._native = C.llama_token_data_array()

    def all(self, logits: Logits) -> Any:
        """The whole vocabulary."""
        return self._filled(self._ids, logits)

    def likeliest(self, logits: Logits, count: int) -> Any:
        """At least so many of the likeliest, and all that are as likely as the last of them."""
        highest = logits.max()
        for depth in _DEPTHS:
            ids = np.flatnonzero(logits >= highest - depth)
            if len(ids) >= count:
                return self._filled(ids, logits[ids])
        return self.all(logits)

    def any_left(self) -> bool:
        """Whether a grammar left one."""
        return bool(np.isfinite(self._rows["logit"][: self._native.size]).any())

    def _filled(self, ids: npt.NDArray[Any], logits: Logits) -> Any:
        count = len(ids)
        self._rows["id"][:count], self._rows["logit"][:count] = ids, logits
        native = self._native
        native.data, native.size, native.selected, native.sorted = self._data, count, -1, False
        return native


class Vocabulary(msgspec.Struct, frozen=True):
    """llama.cpp's vocabulary, how many tokens it has, the bytes of each, and room for all of them."""

    native: Any
    size: int
    piece: Callable[[int], bytes]
    candidates: Candidates


class Sampler:
    """Close it: llama.cpp does not count references. `refused` counts the tokens that the grammar did not take."""

    def __init__(self, vocab: Vocabulary, sampling: Sampling, grammar: str | None) -> None:
        self._grammar = _grammar_sampler(vocab.native, grammar) if grammar else None
        self._chain = _chain(sampling, vocab.size)
        self._candidates = vocab.candidates
        self._sampling = sampling
        self._piece = vocab.piece
        # llama.cpp's grammar takes some sequences of bytes for characters that are none.
        self._written = codecs.getincrementaldecoder("utf-8")()
        self.refused = 0

    @property
    def promised(self) -> bool:
        """Whether the answer has a form to keep."""
        return self._grammar is not None

    def free(self, logits: Logits) -> int:
        """The next token, whatever the grammar says."""
        if self._sampling.plain:
            return int(logits.argmax())
        token = self._drawn(logits)
        C.llama_sampler_accept(self._chain, token)
        return token

    def constrained(self, logits: Logits, passes: Callable[[int], bool] = lambda _: False) -> int:
        """The next token under the grammar, or one that `passes` unseen by it.

        Raises `Rejected` when the grammar allows none that the model knows.
        """
        token = self._drawn(logits)
        if not passes(token):
            if not (self._allows(token) and self._readable(token)):
                token = self._masked(logits.copy())
            C.llama_sampler_accept(self._grammar, token)
            self._written.decode(self._piece(token))
        C.llama_sampler_accept(self._chain, token)
        return token

    def close(self) -> None:
        """Give the memory back; the sampler is unusable after this."""
        for part in (self._grammar, self._chain):
            if part:
                C.llama_sampler_free(part)
        self._grammar = self._chain = None

    def _drawn(self, logits: Logits) -> int:
        """As from the whole vocabulary: top_k comes first in the chain but for what weighs each token anew."""
        sampling = self._sampling
        if sampling.plain:
            return int(logits.argmax())
        if sampling.greedy or sampling.weighs or not sampling.top_k:
            return self._chosen(self._candidates.all(logits))
        return self._chosen(self._candidates.likeliest(logits, sampling.top_k))

    def _chosen(self, candidates: Any) -> int:
        C.llama_sampler_apply(self._chain, ctypes.byref(candidates))
        return int(candidates.data[candidates.selected].id)

    def _allows(self, token: int) -> bool:
        one = (C.llama_token_data * 1)(C.llama_token_data(id=token, logit=0.0, p=0.0))
        candidates = C.llama_token_data_array(data=one, size=1, selected=-1, sorted=False)
        C.llama_sampler_apply(self._grammar, ctypes.byref(candidates))
        return bool(one[0].logit == 0.0)

    def _readable(self, token: int) -> bool:
        """Whether what was written so far can be text with this token behind it."""
        before = self._written.getstate()
        try:
            self._written.decode(self._piece(token))
            held = self._written.getstate()[0]
        except UnicodeDecodeError:
            return False
        finally:
            self._written.setstate(before)
        return not (held[:1] == b"\xed" and held[1:2] >= b"\xa0")  # half a surrogate, which Python sees a byte later

    def _masked(self, logits: Logits) -> int:
        self.refused += 1
        while True:
            candidates = self._candidates.all(logits)
            C.llama_sampler_apply(self._grammar, ctypes.byref(candidates))
            if not self._candidates.any_left():
                # Accepting a forbidden token would end the process with a C++ exception.
                raise Rejected("engine_error", "The model knows no token that the promised form allows here.")
            token = self._chosen(candidates)
            if self._readable(token):
                return token
            logits[token] = -np.inf


def _grammar_sampler(vocab: Any, grammar: str) -> Any:
    sampler = C.llama_sampler_init_grammar(vocab, grammar.encode(), b"root")
    if not sampler:
        raise Rejected("bad_request", "This model cannot promise JSON of that form: its grammar cannot be built.")
    return sampler


def _chain(sampling: Sampling, n_vocab: int) -> Any:
    chain = C.llama_sampler_chain_init(C.llama_sampler_chain_default_params())
    for part in _parts(sampling, n_vocab):
        C.llama_sampler_chain_add(chain, part)
    return chain


def _parts(sampling: Sampling, n_vocab: int) -> list[Any]:
    parts = []
    if sampling.logit_bias:
        pairs = [C.llama_logit_bias(token=token, bias=bias) for token, bias in sampling.logit_bias.items()]
        parts.append(C.llama_sampler_init_logit_bias(n_vocab, len(pairs), (C.llama_logit_bias * len(pairs))(*pairs)))
    if sampling.penalised:
        frequency, presence = sampling.frequency_penalty, sampling.presence_penalty
        parts.append(C.llama_sampler_init_penalties(n_vocab, 1 << 12, 1.0, frequency, presence))
    if sampling.greedy:
        return [*parts, C.llama_sampler_init_greedy()]
    if sampling.top_k:
        parts.append(C.llama_sampler_init_top_k(sampling.top_k))
    return [
        *parts,
        C.llama_sampler_init_top_p(sampling.top_p, 1),
        C.llama_sampler_init_min_p(sampling.min_p, 1),
        C.llama_sampler_init_temp(sampling.temperature),
        C.llama_sampler_init_dist(sampling.seed),
    ]
