"""How an upstream fails. Apart from the client, which takes long to load: whoever handles a failure needs no client."""

from __future__ import annotations

import msgspec


class UpstreamError(Exception):
    """`sent`: the request may have been dispatched, so it may be billed. `said`: what the upstream said; `late`: it took too long."""

    def __init__(self, reason: str, *, sent: bool, said: Said | None = None, late: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
        self.late = late
        self.said = said


class Said(msgspec.Struct, frozen=True):
    """An upstream's answer that is none: its status, its headers by lower-case name, the first bytes of its body."""

    status: int
    headers: dict[str, str]
    body: bytes
