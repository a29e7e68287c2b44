"""What the three dialects share in reading a request's body and in changing a few of its fields.

A body is a JSON object. Values that no rule changes travel as the bytes they came in.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, ParamSpec, TypeVar

import msgspec

from pointsman.core import request as request_
from pointsman.core.errors import BadRequest
from pointsman.core.request import Message, Verdict
from pointsman.wire import misfit
from pointsman.wire.scan import UNREADABLE

Sense = Callable[[bytes], Verdict]
Fields = dict[str, msgspec.Raw]
P = ParamSpec("P")
T = TypeVar("T")

MOST_TOKENS = 10_000_000
LAST_USER = 65_536  # characters kept for the rules
SYSTEM = 4_096  # characters of the system prompt in which an agent says what a call of its own is for
_SHORT = 7  # bytes: true, null, a number; the shortest mail address in its quotes has one more
_fields = msgspec.json.Decoder(Fields)
digest = request_.digest


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What differs in the body that goes upstream: the model's name there, the most tokens out, how it is billed.

    `reasoning`: it may hold what another answer's model thought, as chat completions' `reasoning_content`. `compacts`:
    the provider makes compactions by itself.
    """

    model: str
    output: int
    limit_field: str = "max_tokens"
    reasoning: bool = True
    compacts: bool = False
    service_tier: str | None = None


def peek(decoder: msgspec.json.Decoder[T], body: bytes, dialect: str) -> T:
    """The fields that decide. Raises `BadRequest` with a sentence that names the field, never its text."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise BadRequest(f"The request does not fit {dialect}: {misfit.sentence(error)}") from None
    except UNREADABLE:
        raise BadRequest("The request's body is not JSON. Send a JSON object.") from None


def understood(dialect: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Work on what a client sent: what it can make nothing of is the client's mistake, a 400, and never a fault here."""
    said = f"The request does not fit {dialect}: a part of it has a type that does not belong there, or is no text."

    def marked(work: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(work)
        def checked(*given: P.args, **more: P.kwargs) -> T:
            try:
                return work(*given, **more)
            except _NONSENSE as error:  # kept for the log: where it was raised tells whether it was a mistake of ours
                raise BadRequest(said) from error

        return checked

    return marked


# Wrong types where a field may be anything, half a character, bytes that are no text, numbers and nesting past all sense.
_NONSENSE = (msgspec.MsgspecError, AttributeError, LookupError, TypeError, ValueError, ArithmeticError, RecursionError)


def fields(body: bytes) -> Fields:
    """All fields of a body that was peeked at, with their bytes."""
    return _fields.decode(body)


def readable(body: bytes) -> dict[str, Any]:
    """The values of a body that was peeked at, without those that nobody has read yet and nobody can read."""
    try:
        return dict(msgspec.json.decode(body))
    except UNREADABLE:
        return {name: value for name, raw in fields(body).items() for value in _value(raw)}


def _value(raw: msgspec.Raw) -> Iterator[Any]:
    try:
        yield msgspec.json.decode(raw)
    except UNREADABLE:
        return


def every(
    decoder: msgspec.json.Decoder[list[T]],
    one: Callable[[msgspec.Raw, int], T],
    raws: Sequence[msgspec.Raw],
    whole: bytes | msgspec.Raw,
) -> list[T]:
    """All values of a list at once; where one is wrong, one by one, so that `one` says which."""
    try:
        return decoder.decode(whole)
    except UNREADABLE:
        return [one(raw, at) for at, raw in enumerate(raws)]


# How it is streamed, and what a client notes of its own try: a retry may differ in them and is the same request.
_NOTES = ("stream", "stream_options", "metadata", "client_metadata", "user", "safety_identifier", "prompt_cache_key")
_sorted = msgspec.json.Encoder(order="sorted")


def whole(found: Fields, known: Mapping[str, str]) -> str:
    """One digest for all that is asked; the same for a request and for its retry.

    For the fields that are `known` their digests stand, so that no byte is read for it that was read before. They stand
    apart from the others: a text that looks like a digest is only a text.
    """
    kept, stands = found.copy(), {**known}
    for name in (*_NOTES, *known):
        kept.pop(name, None)
    for name in _NOTES:
        stands.pop(name, None)
    return digest(_sorted.encode((kept, stands)))


def joined(messages: Iterable[Message]) -> str:
    """What stands for the messages of a body in the digest of all of it."""
    return ",".join([message.digest for message in messages])


class Rest(msgspec.Struct, frozen=True):
    """What sense found in fields, and the digests of those that it looked at, by name."""

    verdicts: tuple[Verdict, ...]
    digests: dict[str, str]

    def of_tools(self, found: Fields) -> str:
        """The digest of the tools that a body has."""
        return self.digests.get("tools") or digest(bytes(found["tools"]))


def rest(found: Fields, apart: Collection[str], sense: Sense) -> Rest:
    """What the fields but those `apart` hold: tools, metadata, user, a schema.

    Tools are a program's text: the mail addresses of their examples are nobody's; a key in them is somebody's.
    """
    verdicts, digests = [], {}
    for name, raw in found.items():
        if name in apart or len(value := bytes(raw)) <= _SHORT:
            continue
        verdict = sense(value)
        digests[name] = verdict.digest or digest(value)
        findings = verdict.findings
        if findings and name == "tools":
            findings = tuple([one for one in findings if one.kind != "mail_address"])
        if findings:
            verdicts.append(Verdict(findings))
    return Rest(tuple(verdicts), digests)


def limit(name: str, given: Iterable[int | None]) -> int | None:
    """The smallest of the limits given, if any. Raises `BadRequest` where one makes no sense."""
    least = None
    for one in given:
        if one is None:
            continue
        if not 1 <= one <= MOST_TOKENS:
            raise BadRequest(f"{name} must be from 1 to {MOST_TOKENS}.")
        least = one if least is None else min(least, one)
    return least


def strange(found: Fields, priced: AbstractSet[str]) -> str | None:
    """The first field whose cost nobody has bounded, said in words."""
    if found.keys() <= priced:
        return None
    return f"the field '{plain(next(name for name in found if name not in priced))}'"


def plain(name: str) -> str:
    """A client's word, cut and cleaned, for a sentence."""
    return "".join(char if char.isalnum() or char in "_-." else "?" for char in name[:40])


def raw(value: Any) -> msgspec.Raw:
    """A value as a field's bytes."""
    return msgspec.Raw(msgspec.json.encode(value))


def number(found: msgspec.Raw | None) -> int | None:
    """A field's whole number, None where it has none."""
    value = msgspec.json.decode(found) if found is not None else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def is_true(found: Fields, name: str) -> bool:
    """Whether this field is `true`."""
    return bytes(found.get(name, b"")) == b"true"
