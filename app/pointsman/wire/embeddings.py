"""Embeddings: texts, or tokens as numbers, in; vectors out, which pass as the bytes they are.

Shapes: https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

import base64
import sys
from array import array
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NoReturn

import msgspec

from pointsman.core.errors import BadRequest
from pointsman.core.pricing import Meters
from pointsman.core.request import Hints, Message, Request, Verdict
from pointsman.wire import body as body_
from pointsman.wire.body import Change, Sense
from pointsman.wire.scan import NOTHING, UNREADABLE, Scan, Seen

NAME = "embeddings"
_SENSED_APART = ("input", "model")
# Fields whose cost is in the tokens that are bounded here. Any other may change model or price.
_PRICED = frozenset(["model", "input", "encoding_format", "dimensions", "user"])
_MOST_INPUTS = 2048  # as many as the vendor takes
_MOST_TOKENS = 2**40  # beyond this a provider talks nonsense, and its usage counts as missing


class _Body(msgspec.Struct, frozen=True):
    model: str
    input: msgspec.Raw


_bodies = msgspec.json.Decoder(_Body)
_texts = msgspec.json.Decoder(str | list[msgspec.Raw])
_text = msgspec.json.Decoder(str)
_tokens = msgspec.json.Decoder(list[int])


def read(id_: str, body: bytes, hints: Hints, sense: Sense) -> Request:
    """The neutral request: a message for each input, and no output. Raises `BadRequest` that names the field."""
    peek = body_.peek(_bodies, body, NAME)
    raws, texts, counted = _inputs(peek.input)
    messages = tuple([_message(raw, sense, seen=text is not None) for raw, text in zip(raws, texts, strict=True)])
    fields = body_.fields(body)
    rest = body_.rest(fields, _SENSED_APART, sense)
    return Request(
        id=id_,
        dialect=NAME,
        model=peek.model,
        stream=False,
        messages=messages,
        size=sum([message.size for message in messages]),
        unpriced=body_.strange(fields, _PRICED),
        extra_tokens=counted,
        rest=rest.verdicts,
        last_user=(texts[-1] or "")[: body_.LAST_USER],
        digest=body_.whole(fields, {**rest.digests, "input": body_.joined(messages)}),
        hints=hints,
    )


def _inputs(given: msgspec.Raw) -> tuple[list[bytes], list[str | None], int]:
    """The bytes of each input, its text where it is one, and how many tokens came as numbers."""
    try:
        found = _texts.decode(given)
        if isinstance(found, str):
            return [bytes(given)], [found], 0
        return _listed(found, bytes(given))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest("'input' must be a text, a list of texts, a list of tokens, or a list of those.") from None


def _listed(found: list[msgspec.Raw], whole: bytes) -> tuple[list[bytes], list[str | None], int]:
    if not found:
        raise BadRequest("'input' is empty. Send at least one text.")
    raws = [bytes(raw) for raw in found]
    if raws[0][:1] == b'"':
        return raws, [_text.decode(raw) for raw in raws], 0
    if raws[0][:1] == b"[":
        return raws, [None] * len(raws), sum(len(_tokens.decode(raw)) for raw in raws)
    return [whole], [None], len(_tokens.decode(whole))


def _message(raw: bytes, sense: Sense, *, seen: bool) -> Message:
    """Tokens as numbers are counted by themselves; their digits say nothing that could be looked at."""
    verdict = sense(raw) if seen else Verdict()
    digest = verdict.digest or body_.digest(raw)
    return Message(role="user", digest=digest, size=len(raw) if seen else 0, verdict=verdict)


def splice(body: bytes, change: Change) -> bytes:
    """The body with the model's name at the provider. The rest keeps its bytes."""
    fields = body_.fields(body)
    fields["model"] = body_.raw(change.model)
    return msgspec.json.encode(fields)


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int | None = None
    total_tokens: int | None = None


class _Answer(msgspec.Struct, frozen=True):
    data: msgspec.Raw = msgspec.Raw()
    usage: _Usage | None = None


class EmbeddingsScan(Scan):
    """Usage has input alone."""

    _answers: ClassVar = msgspec.json.Decoder(_Answer)

    def data(self, data: bytes) -> Seen:
        """Take the whole answer."""
        try:
            answer = self._answers.decode(data)
        except UNREADABLE:
            return NOTHING
        if bytes(answer.data)[:1] != b"[":
            return Seen(error=True)
        self.finish = "stop"
        usage = answer.usage or _Usage()
        known = [count for count in (usage.prompt_tokens, usage.total_tokens) if count is not None]
        if known and all(0 <= count < _MOST_TOKENS for count in known):
            self.meters = Meters(fresh_input=max(known))
        return Seen(content=True, done=True)


class Asked(msgspec.Struct, frozen=True):
    """What a model of this machine needs to know: the texts, the vector's size, whether vectors are sent as bytes."""

    inputs: list[str]
    dimensions: int | None
    packed: bool


class _Wanted(msgspec.Struct, frozen=True):
    input: msgspec.Raw
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None


_wanted = msgspec.json.Decoder(_Wanted)


def asked(body: bytes) -> Asked:
    """What is asked of a model of this machine. Raises `BadRequest` that names the field."""
    wanted = body_.peek(_wanted, body, NAME)
    _, texts, _ = _inputs(wanted.input)
    inputs = [text for text in texts if text is not None]
    if len(inputs) != len(texts):
        raise BadRequest(
            "'input' holds tokens as numbers, and nobody can tell whether they are this model's own. Send the text."
        )
    if len(inputs) > _MOST_INPUTS:
        raise BadRequest(f"'input' holds {len(inputs)} texts, and {_MOST_INPUTS} are the most at once.")
    if wanted.dimensions is not None and wanted.dimensions < 1:
        raise BadRequest("'dimensions' must be at least 1.")
    return Asked(inputs, wanted.dimensions, wanted.encoding_format == "base64")


def answer(model: str, vectors: Sequence[bytes], tokens: int, *, packed: bool) -> bytes:
    """The whole answer; vectors are 32-bit floats, the lowest byte first, in the order of their texts."""
    told: list[Any] = [base64.b64encode(one).decode() if packed else _floats(one) for one in vectors]
    data = [{"object": "embedding", "index": at, "embedding": one} for at, one in enumerate(told)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return msgspec.json.encode({"object": "list", "data": data, "model": model, "usage": usage})


def _floats(raw: bytes) -> list[float]:
    numbers = array("f", raw)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()


def untold(*_given: Any) -> NoReturn:
    """Vectors exist in no other dialect; routing sends them nowhere else."""
    raise BadRequest("Embeddings cannot be translated into another dialect.")
