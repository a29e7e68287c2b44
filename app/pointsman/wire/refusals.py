"""Refusals in the caller's dialect, so that its SDK shows the sentence and does not try again by itself."""

from __future__ import annotations

import msgspec

from pointsman.core.errors import Refusal

_TYPES = {400: "invalid_request_error", 401: "authentication_error", 402: "insufficient_quota", 403: "permission_error"}


def status_and_body(refusal: Refusal) -> tuple[int, bytes]:
    """OpenAI's envelope, as https://platform.openai.com/docs/guides/error-codes describes it."""
    return refusal.status, msgspec.json.encode({"error": _error(refusal)})


def in_band(refusal: Refusal) -> bytes:
    """The same inside a stream whose status is already out: the body of one `data:` event."""
    return msgspec.json.encode({"error": _error(refusal)})


def headers(refusal: Refusal) -> list[tuple[bytes, bytes]]:
    """`x-should-retry` is what the vendors' SDKs obey before they look at the status."""
    return [(b"x-should-retry", b"true" if refusal.retry else b"false")]


def _error(refusal: Refusal) -> dict[str, str | None]:
    kind = _TYPES.get(refusal.status, "server_error" if refusal.status >= 500 else "invalid_request_error")
    message = f"{refusal.sentence} {refusal.detail}".rstrip()
    return {"message": message, "type": kind, "param": None, "code": refusal.code}
