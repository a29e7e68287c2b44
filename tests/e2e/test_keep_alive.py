"""A stream whose provider stalls: its client is told that it goes on, in its own dialect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from pointsman.gateway.door import Door
from tests.fakes.busy_house import at_the_door, open_house, workers
from tests.fakes.fake_upstream import FakeUpstream
from tests.fakes.home import MODELS, target

USER = [{"role": "user", "content": "Hello"}]
ASKED: dict[str, dict[str, Any]] = {
    "chat/completions": {"messages": USER},
    "responses": {"input": "Hello"},
    "messages": {"messages": USER, "max_tokens": 50},
    "completions": {"prompt": "Hello"},
}


@pytest.mark.parametrize(
    ("path", "beat"),
    [
        ("chat/completions", ": keep-alive"),
        ("responses", ": keep-alive"),
        ("completions", ": keep-alive"),
        ("messages", 'event: ping\ndata: {"type": "ping"}'),
    ],
)
async def test_it_is_kept_alive(
    tmp_path: Path, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch, path: str, beat: str
) -> None:
    """After the first words, with a beat between whole events."""
    models = tmp_path / "models.toml"
    models.write_text(MODELS.format(base_url=upstream.base_url, targets=target("stall", "stall")))
    monkeypatch.setenv("POINTSMAN_MODELS", str(models))
    monkeypatch.setenv("FAKE_KEY", "sk-test")
    async with (
        open_house(tmp_path / "home", workers(tmp_path)) as busy,
        at_the_door(busy, lambda house: Door(house, every=0.02)),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{busy.port}/v1/") as client,
    ):
        (key,) = await busy.agents("waiter")
        head = {"authorization": f"Bearer {key}"}
        body = {"model": "stall", "stream": True, **ASKED[path]}
        async with client.stream("POST", path, json=body, headers=head, timeout=30) as answer:
            events = await _until(answer, beat)
        assert "The " in "".join(events)
        await busy.all_ended()


async def _until(answer: httpx.Response, beat: str) -> list[str]:
    """The events before the second beat, each whole."""
    text = ""
    async for piece in answer.aiter_text():
        text += piece
        if text.count(f"{beat}\n\n") == 2:
            break
    events = text.split("\n\n")
    assert all(event.startswith(("data: ", "event: ", ":")) for event in events if event)
    return events
