"""How likely a token was, from one row of logits."""

from __future__ import annotations

import numpy as np
import pytest

from pointsman.engines.logprobs import logprob_of


def test_logprobs() -> None:
    """Probabilities add up to one, the likeliest come first, and a token has its bytes."""
    logits = np.log(np.array([0.5, 0.25, 0.125, 0.125], np.float32)) + 7
    told = logprob_of(logits, 1, 2, lambda token: b"\xc3" if token == 0 else bytes([97 + token]))
    assert (told.token, told.bytes) == ("b", [98])
    assert told.logprob == pytest.approx(np.log(0.25), abs=1e-5)
    assert [(one.token, one.bytes) for one in told.top] == [("\ufffd", [195]), ("b", [98])]
    assert logprob_of(logits, 0, 0, lambda _: b"x").top == []
    assert len(logprob_of(logits, 0, 20, lambda _: b"x").top) == 4
