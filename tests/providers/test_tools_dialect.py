"""A model that takes tools in one of its provider's dialects only is spoken to in that one, whatever the client speaks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pointsman.core.catalog import Catalog, Source, read
from pointsman.core.request import Hints, Verdict
from pointsman.core.routing import Attempt
from pointsman.gateway import remote
from pointsman.gateway.attempts import Job, Sent, Tally
from pointsman.wire.body import Change
from pointsman.wire.dialects import DIALECTS

CATALOG: Catalog = read(
    [
        Source(
            "test.toml",
            """
[providers.both]
dialect = ["chat", "responses"]
base_url = "https://both.example/v1"
[targets.newest]
tier = "cloud"
provider = "both"
tools_dialect = "responses"
[targets.older]
tier = "cloud"
provider = "both"
""",
        )
    ]
)
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


def way(target: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    """In which dialect a chat request goes to this target, and the body that goes there."""
    given = {"model": target, "messages": [{"role": "user", "content": "Hello"}], "reasoning_effort": "high", **fields}
    body = json.dumps(given).encode()
    request = DIALECTS["chat"].read("r", body, Hints(), lambda _raw: Verdict())
    attempt = Attempt(target=target, tier="cloud", about=1, at_most=1, output=100)
    job = Job(request, Sent(dialect=DIALECTS["chat"], body=body), attempt, Tally())
    spoken = CATALOG.dialects(CATALOG.targets[target], tools=request.tools > 0)
    found = remote._way(job, spoken, Change(model=target, output=100))
    return found.dialect.name, json.loads(found.body)


def test_tools_go_where_they_are_taken() -> None:
    """A chat request with tools becomes one of Responses, with its tools and its effort."""
    dialect, body = way("newest", tools=[TOOL])
    assert dialect == "responses"
    assert [tool["name"] for tool in body["tools"]] == ["look"]
    assert body["reasoning"]["effort"] == "high"


@pytest.mark.parametrize(("target", "fields"), [("newest", {}), ("older", {"tools": [TOOL]})])
def test_all_else_keeps_its_bytes(target: str, fields: dict[str, Any]) -> None:
    """Without tools, or where chat takes them, nothing is translated."""
    assert way(target, **fields)[0] == "chat"
