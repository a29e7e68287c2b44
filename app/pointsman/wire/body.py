"""What the three dialects share in reading a request's body and in changing a few of its fields.

A body is a JSON object. Values that no rule changes travel as the bytes they came in.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, ParamSpec, TypeVar

import msgspec

from pointsman.core.errors import BadRequest
from pointsman.core.request import Verdict
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


def digest(raw: bytes) -> str:
    """A short hash; the same for the same bytes."""
    return hashlib.blake2b(raw, digest_size=16).hexdigest()


# How it is streamed, and what a client notes of its own try: a retry may differ in them and is the same request.
_NOTES = ("stream", "stream_options", "metadata", "client_metadata", "user", "safety_identifier", "prompt_cache_key")


def whole(found: Fields) -> str:
    """One digest for all that is asked; the same for a request and for its retry."""
    kept = sorted((name, bytes(raw)) for name, raw in found.items() if name not in _NOTES)
    return digest(b"\0".join(name.encode("utf-8", "replace") + b"\0" + raw for name, raw in kept))


def rest(found: Fields, apart: Collection[str], sense: Sense) -> tuple[Verdict, ...]:
    """What the fields but those `apart` hold: tools, metadata, user, a schema.

    Tools are a program's text: the mail addresses of their examples are nobody's; a key in them is somebody's.
    """
    verdicts = []
    for name, raw in found.items():
        if name not in apart and len(bytes(raw)) > _SHORT:
            findings = sense(bytes(raw)).findings
            verdicts.append(Verdict(tuple(one for one in findings if name != "tools" or one.kind != "mail_address")))
    return tuple(verdicts)


def limit(name: str, given: Iterable[int | None]) -> int | None:
    """The smallest of the limits given, if any. Raises `BadRequest` where one makes no sense."""
    known = [one for one in given if one is not None]
    if any(not 1 <= one <= MOST_TOKENS for one in known):
        raise BadRequest(f"{name} must be from 1 to {MOST_TOKENS}.")
    return min(known) if known else None


def strange(found: Iterable[str], priced: Collection[str]) -> str | None:
    """The first field whose cost nobody has bounded, said in words."""
    name = next((name for name in found if name not in priced), None)
    return None if name is None else f"the field '{plain(name)}'"


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
