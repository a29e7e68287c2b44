"""Asking a gateway for its local model, and finding that model's worker."""

from __future__ import annotations

from typing import Any

import httpx
import psutil

from tests.fakes.home import Home

FRANCE = [{"role": "user", "content": "What is the capital of France?"}]
HERE = {"x-pointsman-fallback": "none"}


def ask(gateway: Home, key: str, model: str, head: dict[str, str] | None = None, **more: Any) -> httpx.Response:
    """One request, answered or refused whole."""
    body = {"model": model, "messages": FRANCE, "temperature": 0, "max_tokens": 32, **more}
    headers = {"authorization": f"Bearer {key}", **(head or {})}
    return httpx.post(f"{gateway.runtime.address}/chat/completions", json=body, headers=headers, timeout=100)


def sound(gateway: Home, key: str) -> None:
    """The gateway is healthy, and its good model answers."""
    health = httpx.get(f"{gateway.runtime.address.removesuffix('/v1')}/health").json()
    assert health["status"] == "ok"
    answer = ask(gateway, key, "starter", HERE)
    assert (answer.status_code, answer.headers.get("x-pointsman-target")) == (200, "starter"), answer.text
    assert "Paris" in answer.text


def worker(gateway: Home, key: str) -> psutil.Process:
    """The good model's, loaded. It is the one with the starter's path."""
    sound(gateway, key)
    assert gateway.process is not None
    children = psutil.Process(gateway.process.pid).children()
    return next(one for one in children if "starter" in one.cmdline()[one.cmdline().index("--name") + 1])
