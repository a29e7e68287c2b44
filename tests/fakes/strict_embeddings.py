"""Embeddings, as strictly as their vendor reads them."""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import Any

from openai.types.embedding_create_params import EmbeddingCreateParams

from tests.fakes.strict_model import bad, known

_MOST = 2048  # inputs of one request


def check(body: dict[str, Any]) -> None:
    """Raise what the vendor would answer to a wrong body."""
    known(body, EmbeddingCreateParams.__annotations__, "Unknown parameter: '{}'.")
    if body["model"] != "embed-strict":
        raise bad("You are not allowed to generate embeddings from this model.", "model")
    if not 1 <= len(inputs(body)) <= _MOST or not all(inputs(body)):
        raise bad("'input' cannot be an empty string.", "input")


def inputs(body: dict[str, Any]) -> list[Any]:
    """Each text, or list of tokens."""
    given = body.get("input") or [""]
    return [given] if isinstance(given, str) or isinstance(given[0], int) else given


def tokens(body: dict[str, Any]) -> int:
    """A token for four bytes; numbers are tokens."""
    return sum(len(one.encode()) // 4 + 1 if isinstance(one, str) else len(one) for one in inputs(body))


def vector(given: Any, size: int = 8) -> list[float]:
    """The same for the same input."""
    digest = hashlib.sha256(repr(given).encode()).digest()
    return [byte / 256 for byte in digest[:size]]


def answer(body: dict[str, Any]) -> dict[str, Any]:
    """The vectors, as numbers or as bytes of 32-bit floats."""
    rows = [vector(one, body.get("dimensions") or 8) for one in inputs(body)]
    packed = body.get("encoding_format") == "base64"
    told = [base64.b64encode(struct.pack(f"<{len(row)}f", *row)).decode() if packed else row for row in rows]
    data = [{"object": "embedding", "index": at, "embedding": one} for at, one in enumerate(told)]
    usage = {"prompt_tokens": tokens(body), "total_tokens": tokens(body)}
    return {"object": "list", "data": data, "model": body["model"], "usage": usage}
