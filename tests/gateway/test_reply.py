"""What is written to a client at the agent door."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pointsman.gateway.reply import Reply


async def test_each_piece_is_one_message() -> None:
    """Status first, then the pieces; the last one says so."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    reply = Reply(send)
    await reply.start(200, [])
    await reply.send(b"one")
    assert (reply.started, reply.finished) == (True, False)
    await reply.send(b"two", last=True)
    assert reply.finished
    assert [message.get("body") for message in sent] == [None, b"one", b"two"]
    assert [message.get("more_body") for message in sent] == [None, True, False]


async def test_a_client_that_never_reads_counts_as_gone() -> None:
    """Else its hold would stay for as long as it likes."""

    async def send(_message: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    with pytest.raises(ConnectionError):
        await Reply(send, patience=0.01).send(b"one")
