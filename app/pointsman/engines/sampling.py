"""What a request says about choosing tokens, checked and with our defaults filled in."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

import msgspec

from pointsman.engines.failures import Rejected
from pointsman.engines.logprobs import MOST
from pointsman.engines.protocol import Chat


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """`temperature` 0 takes the likeliest token and ignores the rest but bias and penalties; `top_k` 0 means off.

    `logprobs` is how many other tokens to tell of, None for not even the chosen one.
    """

    temperature: float
    top_p: float
    top_k: int
    min_p: float
    frequency_penalty: float
    presence_penalty: float
    seed: int
    logit_bias: dict[int, float] = {}
    logprobs: int | None = None

    @property
    def greedy(self) -> bool:
        """Whether chance has no part."""
        return self.temperature == 0

    @property
    def penalised(self) -> bool:
        """Whether what was said before counts against a token."""
        return self.frequency_penalty != 0 or self.presence_penalty != 0

    @property
    def weighs(self) -> bool:
        """Whether a token's own likelihood is changed before any is chosen."""
        return self.penalised or bool(self.logit_bias)

    @property
    def plain(self) -> bool:
        """Whether the likeliest token is taken as the model says."""
        return self.greedy and not self.weighs


def sampling_of(chat: Chat, vocabulary: int) -> Sampling:
    """Raises `Rejected` on a value that makes no sense. Without a seed, a new one is drawn."""
    return Sampling(
        temperature=_within("temperature", chat.temperature, 0.7, 0.0, 5.0),
        top_p=_within("top_p", chat.top_p, 0.95, 0.0, 1.0),
        top_k=max(0, 40 if chat.top_k is None else min(chat.top_k, 1 << 20)),
        min_p=_within("min_p", chat.min_p, 0.05, 0.0, 1.0),
        frequency_penalty=_within("frequency_penalty", chat.frequency_penalty, 0.0, -2.0, 2.0),
        presence_penalty=_within("presence_penalty", chat.presence_penalty, 0.0, -2.0, 2.0),
        # llama.cpp takes 32 bits and reads all ones as "draw one yourself".
        logit_bias=_bias(chat.logit_bias, vocabulary),
        logprobs=None if chat.logprobs is None else int(_within("top_logprobs", chat.logprobs, 0, 0, MOST)),
        seed=(secrets.randbits(32) if chat.seed is None else chat.seed) % 0xFFFFFFFF,
    )


def _within(name: str, value: float | None, default: float, low: float, high: float) -> float:
    if value is None:
        return default
    if not low <= value <= high:
        raise Rejected("bad_request", f"{name} must lie between {low:g} and {high:g}, not {value:g}.")
    return value


def _bias(given: Mapping[str, float], vocabulary: int) -> dict[int, float]:
    """Finite biases only: where a grammar leaves but forbidden tokens, one of them has to be chosen all the same."""
    for token, bias in given.items():
        if not (token.isascii() and token.isdigit() and int(token) < vocabulary):
            raise Rejected(
                "bad_request", f"logit_bias names tokens by number, and this model has {vocabulary} of them."
            )
        _within("logit_bias", bias, 0.0, -100.0, 100.0)
    return {int(token): bias for token, bias in given.items()}
