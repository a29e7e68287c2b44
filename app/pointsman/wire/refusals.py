"""Refusals in the caller's dialect, so that its SDK shows the sentence and does not try again by itself."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from pointsman.core.errors import Busy, Fault, Refusal, Resting, UpstreamSaid, WrongMethod
from pointsman.wire import body as body_
from pointsman.wire import sse
from pointsman.wire.faults import TOO_LONG
from pointsman.wire.scan import UNREADABLE
from pointsman.wire.translate.answers import Answering
from pointsman.wire.translate.answers.responses import bare

_OPENAI = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    429: "rate_limit_error",
}
_ANTHROPIC = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_SHARED = ("insufficient_quota", "usage_not_included", TOO_LONG)  # words that both of OpenAI's dialects have
_LATER = (408, 409, 429)  # statuses that time may mend, as those from 500 on
_TOO_LONG = "prompt is too long"  # what agents of Messages look for, as their vendor names no code
_SOON = 5  # seconds after which a place may be free where all were taken
_FIRST = 2**20  # bytes in which the first event ends
_NUMBER = re.compile(rb'"sequence_number":\s*(\d{1,18})')


def status_and_body(refusal: Refusal, dialect: str = "chat") -> tuple[int, bytes]:
    """The vendor's own envelope.

    https://platform.openai.com/docs/guides/error-codes and https://docs.claude.com/en/api/errors describe them.
    """
    found = _anthropic(refusal) if dialect == "messages" else {"error": _openai(refusal, dialect)}
    return refusal.status, msgspec.json.encode(found)


def in_band(refusal: Refusal, dialect: str = "chat", told: bytes = b"") -> bytes:
    """The same inside a stream whose status is already out: one whole event. `told` is what the client has of it.

    Agents that speak Responses read `response.failed` and pass over `error`.
    """
    if dialect == "messages":
        return sse.encode(msgspec.json.encode(_anthropic(refusal)), "error")
    if dialect == "responses":
        failed = {**_begun(told), "status": "failed", "error": failure(refusal)}
        event = {"type": "response.failed", "sequence_number": _next(told), "response": failed}
        return sse.encode(msgspec.json.encode(event), "response.failed")
    return sse.encode(msgspec.json.encode({"error": _openai(refusal, dialect)}))


def failure(refusal: Refusal) -> dict[str, str]:
    """The `error` of a response that failed, with a code of its vendor's: the very one, where its vendor said it.

    Codex tries again after `server_error` and `rate_limit_exceeded`; after `invalid_prompt` it shows the sentence.
    """
    if said := vendors_code(refusal):
        code = said
    elif _code(refusal) == TOO_LONG:
        code = TOO_LONG
    elif refusal.status == 429:
        code = "rate_limit_exceeded"
    else:
        code = "server_error" if _later(refusal) else "invalid_prompt"
    return {"code": code, "message": message(refusal)}


def vendors_code(refusal: Refusal | None) -> str | None:
    """The code that a client of Responses knows from its vendor, None where nobody said one.

    A word of another dialect stands too where it tells apart what one status does not: no money, and too fast.
    """
    fault = refusal.fault if isinstance(refusal, UpstreamSaid) else Fault()
    return fault.code if fault.dialect == "responses" or fault.code in _SHARED else None


def _later(refusal: Refusal) -> bool:
    """Whether trying again may help."""
    if isinstance(refusal, UpstreamSaid):
        return refusal.status in _LATER or refusal.status >= 500
    return refusal.retry


def _begun(told: bytes) -> dict[str, Any]:
    """The response as its client first heard of it."""
    first = next(iter(sse.Parser().feed(told[:_FIRST])), sse.Event("", b""))
    try:
        return dict(body_.fields(bytes(body_.fields(first.data)["response"])))
    except (*UNREADABLE, ValueError, KeyError):
        return bare(Answering(id="0", model="", created=0), "failed")


def _next(told: bytes) -> int:
    """The number after the last one; text that a model says cannot stand for one, for its quotes are escaped."""
    found = _NUMBER.match(told, max(told.rfind(b'"sequence_number":'), 0))
    return int(found[1]) + 1 if found else 0


def headers(refusal: Refusal) -> list[tuple[bytes, bytes]]:
    """`x-should-retry` is what the vendors' SDKs obey before they look at the status.

    What an upstream said stands as it said it: its status and `retry-after` tell the SDK what to do.
    """
    if isinstance(refusal, UpstreamSaid):
        return [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in refusal.headers.items()]
    told = [(b"x-should-retry", b"true" if refusal.retry else b"false")]
    if isinstance(refusal, WrongMethod):
        told.append((b"allow", ", ".join(refusal.allowed).encode()))
    if isinstance(refusal, Busy):
        told.append((b"retry-after", b"%d" % _SOON))
    if isinstance(refusal, Resting):
        told.append((b"retry-after", b"%d" % refusal.seconds))
    return told


def message(refusal: Refusal) -> str:
    """What the client reads."""
    return f"{refusal.sentence} {refusal.detail}".rstrip()


def _fault(refusal: Refusal) -> Fault:
    """The upstream's own words, where it is its refusal."""
    return refusal.fault if isinstance(refusal, UpstreamSaid) else Fault()


def _code(refusal: Refusal) -> str:
    return _fault(refusal).code or refusal.code


def _openai(refusal: Refusal, dialect: str) -> dict[str, str | None]:
    """An upstream's type stands for a client of the same vendor's dialects, the name of a field for one of its own."""
    fault = _fault(refusal)
    kind = _OPENAI.get(refusal.status, "server_error" if refusal.status >= 500 else "invalid_request_error")
    return {
        "message": message(refusal),
        "type": (fault.type if fault.dialect != "messages" else None) or kind,
        "param": fault.param if fault.dialect == dialect else refusal.param,
        "code": _code(refusal),
    }


def _anthropic(refusal: Refusal) -> dict[str, Any]:
    """`details.error_code` is where the vendor's SDK looks for what it can mend by itself."""
    fault, said = _fault(refusal), message(refusal)
    if _code(refusal) == TOO_LONG and _TOO_LONG not in said.lower():
        said = f"{_TOO_LONG}: {said}"
    kind = _ANTHROPIC.get(refusal.status, "api_error" if refusal.status >= 500 else "invalid_request_error")
    own = fault.type if fault.dialect == "messages" else None
    details = {"error_code": _code(refusal)}
    return {"type": "error", "error": {"type": own or kind, "message": said, "details": details}}
