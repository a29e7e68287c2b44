"""Headers that go to upstreams and come from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aiohttp


def lowered(response: aiohttp.ClientResponse) -> dict[str, str]:
    """The answer's headers by lower-case name."""
    return {name.lower(): value for name, value in response.headers.items()}


def authorised(key: str | None) -> dict[str, str]:
    """The header that carries a key; all vendors of the three dialects take it."""
    return {"authorization": f"Bearer {key}"} if key else {}


VERSION = {"anthropic-version": "2023-06-01"}
"""What upstreams of Messages want where the client named no version; the others pass over it."""
