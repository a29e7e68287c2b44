"""A model in a folder behind the gateway: models.toml names the engine, and the gateway starts its worker."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.fakes import mlx_folder
from tests.fakes.home import Home

STARTER = Path(__file__).resolve().parents[2] / "resources" / "starter" / "starter.gguf"


def test_an_mlx_target(tmp_path: Path) -> None:
    """It answers in text and in calls, at no cost, like any local model."""
    folder = mlx_folder.write(STARTER, tmp_path / "Starter-MLX")
    targets = f'[targets.apple]\ntier = "local"\nengine = "mlx"\nsource = "{folder}"\ncontext = 1024\ncan = ["tools"]\n'
    gateway = Home(tmp_path / "house", targets=targets).start()
    try:
        head = {"authorization": f"Bearer {gateway.agent()}", "x-pointsman-fallback": "none"}
        tool = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}  # fmt: skip
        said = []
        for question, more in (
            ("What is the capital of France?", {}),
            ("What is the weather in Rome?", {"tools": [tool]}),
        ):
            body = {"model": "apple", "messages": [{"role": "user", "content": question}], "max_tokens": 48, "temperature": 0}  # fmt: skip
            answer = httpx.post(
                f"{gateway.runtime.address}/chat/completions", json=body | more, headers=head, timeout=90
            )
            assert (answer.status_code, answer.headers["x-pointsman-target"]) == (200, "apple"), answer.text
            said.append(answer.json()["choices"][0])
        assert "Paris" in said[0]["message"]["content"]
        assert said[1]["message"]["tool_calls"][0]["function"]["arguments"] == '{"city": "Rome"}'
    finally:
        gateway.stop()
