"""The way to the admin door: find the running gateway, ask it one thing, pass on its sentence when it says no."""

from __future__ import annotations

from typing import Any, TypeVar

import httpx
import msgspec

from pointsman.core.errors import SetupError
from pointsman.system import instance, paths
from pointsman.wire import admin

Answer = TypeVar("Answer")
_READ_SECONDS = 60.0
_UNREADABLE = "The gateway's answer could not be read. Restart it, so that it is as new as this command."


class NotRunning(SetupError):
    """No gateway runs for this home."""

    code = "not_running"
    exit_code = 2


class Refused(SetupError):
    """The gateway did not do it; the sentence is the gateway's own."""

    code = "refused"


def send(command: admin.Command, answer: type[Answer]) -> Answer:
    """What the gateway answers to a command, as the type given."""
    try:
        return msgspec.json.decode(_ask("POST", "/v1/command", admin.encode(command)), type=answer)
    except msgspec.DecodeError:
        raise Refused(_UNREADABLE) from None


def plain(command: admin.Command) -> Any:
    """The same as plain values, with fields that this command does not know: what --json prints."""
    return send(command, Any)


def snapshot() -> admin.Snapshot:
    """Everything the gateway says of itself now."""
    try:
        return admin.decode_snapshot(_ask("GET", "/v1/snapshot"))
    except msgspec.DecodeError:
        raise Refused(_UNREADABLE) from None


def _ask(method: str, path: str, body: bytes | None = None) -> bytes:
    runtime = instance.read(paths.find().runtime)
    if runtime is None:
        raise _not_running()
    headers = {"authorization": f"Bearer {runtime.token}", "content-type": "application/json"}
    limits = httpx.Timeout(_READ_SECONDS, connect=2.0)
    try:
        # trust_env=False: a proxy from the environment must never see the admin token
        with httpx.Client(base_url=runtime.admin, headers=headers, timeout=limits, trust_env=False) as client:
            response = client.request(method, path, content=body)
    except httpx.ConnectError:
        raise _not_running() from None
    except httpx.HTTPError:
        raise Refused("The gateway did not answer in time. Look with 'pointsman status', then try again.") from None
    if response.status_code >= httpx.codes.BAD_REQUEST:
        raise Refused(admin.decode_problem(response.content).sentence)
    return response.content


def _not_running() -> NotRunning:
    return NotRunning("Pointsman is not running. Start it with 'pointsman gateway'.")
