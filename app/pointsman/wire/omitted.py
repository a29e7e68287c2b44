"""What `splice` leaves out of a body of the upstream's own dialect: reasoning that the upstream could not make use of."""

from __future__ import annotations

import msgspec

from pointsman.wire import body as body_
from pointsman.wire import messages, responses
from pointsman.wire.body import Change
from pointsman.wire.chat import REASONING


def chat(body: bytes, change: Change) -> list[str]:
    """The field in which its model thought, where the upstream takes none back."""
    if change.reasoning or b'"%b"' % REASONING.encode() not in body:
        return []
    said = msgspec.json.decode(body_.fields(body)["messages"], type=list[body_.Fields])
    return [REASONING] if any(REASONING in message for message in said) else []


def of_responses(body: bytes, _change: Change) -> list[str]:
    """Items that a model of another dialect thought."""
    given = bytes(body_.fields(body).get("input", b"")) if b'"rs_' in body else b""
    if not given.startswith(b"["):
        return []
    return ["reasoning"] if any(map(responses.foreign, msgspec.json.decode(given, type=list[msgspec.Raw]))) else []


def of_messages(body: bytes, _change: Change) -> list[str]:
    """Blocks that a model of another dialect thought."""
    return ["thinking"] if messages.FOREIGN.encode() in body and messages.holds_foreign(body) else []


def nothing(_body: bytes, _change: Change) -> list[str]:
    """The body goes as it is."""
    return []
