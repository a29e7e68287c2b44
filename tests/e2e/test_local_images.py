"""An image in a request: the engines on this machine read text only, so it is planned away from them or refused."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.fakes.fake_upstream import FakeUpstream
from tests.fakes.home import Home

PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def look(gateway: Home, model: str, **head: str) -> httpx.Response:
    """A question about one pixel."""
    parts: list[dict[str, Any]] = [{"type": "text", "text": "What is this?"}]
    parts.append({"type": "image_url", "image_url": {"url": PIXEL}})
    body = {"model": model, "messages": [{"role": "user", "content": parts}], "max_tokens": 20}
    headers = {
        "authorization": f"Bearer {gateway.agent()}",
        **{name.replace("_", "-"): it for name, it in head.items()},
    }
    return httpx.post(f"{gateway.runtime.address}/chat/completions", json=body, headers=headers, timeout=60)


@pytest.mark.parametrize("model", ["starter", "local"])
def test_it_goes_to_one_that_sees(gateway: Home, upstream: FakeUpstream, model: str) -> None:
    """Whoever asks for the model here gets an answer from there, and is told why; no worker is started for it."""
    answer = look(gateway, model)
    assert (answer.status_code, answer.headers["x-pointsman-tier"]) == (200, "cloud")
    assert "starter: it cannot see images" in answer.headers["x-pointsman-reason"]
    assert len(upstream.requests) == 1
    assert next(one.state for one in gateway.snapshot().models if one.name == "starter") == "unloaded"


@pytest.mark.parametrize("model", ["starter", "local"])
def test_it_is_refused_where_it_may_not_leave(gateway: Home, upstream: FakeUpstream, model: str) -> None:
    """One sentence that names the model and what it lacks."""
    answer = look(gateway, model, x_pointsman_tier="local", x_pointsman_fallback="none")
    said = answer.json()["error"]["message"]
    assert answer.status_code == 400 and "starter: it cannot see images" in said and "\n" not in said
    assert upstream.requests == []
