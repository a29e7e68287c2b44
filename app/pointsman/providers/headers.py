"""Headers that go to upstreams."""

from __future__ import annotations


def authorised(key: str | None) -> dict[str, str]:
    """The header that carries a key; all vendors of the three dialects take it."""
    return {"authorization": f"Bearer {key}"} if key else {}


VERSION = {"anthropic-version": "2023-06-01"}
"""What upstreams of Messages want where the client named no version; the others pass over it."""
