"""Refusals in the caller's dialect, so that its SDK shows the sentence and does not try again by itself."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.errors import Refusal, UpstreamSaid
from pointsman.wire import sse

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


def status_and_body(refusal: Refusal, dialect: str = "chat") -> tuple[int, bytes]:
    """The vendor's own envelope.

    https://platform.openai.com/docs/guides/error-codes and https://docs.claude.com/en/api/errors describe them.
    """
    found = {"type": "error", "error": _anthropic(refusal)} if dialect == "messages" else {"error": _openai(refusal)}
    return refusal.status, msgspec.json.encode(found)


def in_band(refusal: Refusal, dialect: str = "chat") -> bytes:
    """The same inside a stream whose status is already out: one whole event."""
    if dialect == "messages":
        return sse.encode(msgspec.json.encode({"type": "error", "error": _anthropic(refusal)}), "error")
    if dialect == "responses":
        error = {"type": "error", "code": refusal.code, "message": message(refusal), "param": None}
        return sse.encode(msgspec.json.encode({**error, "sequence_number": 0}), "error")
    return sse.encode(msgspec.json.encode({"error": _openai(refusal)}))


def headers(refusal: Refusal) -> list[tuple[bytes, bytes]]:
    """`x-should-retry` is what the vendors' SDKs obey before they look at the status.

    What an upstream said stands as it said it: its status and `retry-after` tell the SDK what to do.
    """
    if isinstance(refusal, UpstreamSaid):
        return [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in refusal.headers.items()]
    return [(b"x-should-retry", b"true" if refusal.retry else b"false")]


def message(refusal: Refusal) -> str:
    """What the client reads."""
    return f"{refusal.sentence} {refusal.detail}".rstrip()


def _openai(refusal: Refusal) -> dict[str, str | None]:
    kind = _OPENAI.get(refusal.status, "server_error" if refusal.status >= 500 else "invalid_request_error")
    return {"message": message(refusal), "type": kind, "param": refusal.param, "code": refusal.code}


def _anthropic(refusal: Refusal) -> dict[str, Any]:
    """`details.error_code` is where the vendor's SDK looks for what it can mend by itself."""
    kind = _ANTHROPIC.get(refusal.status, "api_error" if refusal.status >= 500 else "invalid_request_error")
    return {"type": kind, "message": message(refusal), "details": {"error_code": refusal.code}}
