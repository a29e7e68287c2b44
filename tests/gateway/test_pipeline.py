"""What is decided of a request before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.core.request import Finding, Hints
from pointsman.gateway import pipeline
from pointsman.gateway.attempts import Sent
from pointsman.gateway.run import Run
from pointsman.wire.dialects import DIALECTS
from tests.fakes.asking import Office

BODY = b'{"model": "dear", "messages": [{"role": "user", "content": "hi"}]}'


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A house."""
    one = Office(tmp_path / "home")
    yield one
    one.close()


async def findings(office: Office, **beside: str) -> tuple[Finding, ...]:
    """What is found in a request whose body holds nothing, with this header or query."""
    headers = {name: value for name, value in beside.items() if name != "query"}
    sent = Sent(dialect=DIALECTS["chat"], body=BODY, headers=headers, query=beside.get("query", ""))
    return (await pipeline.decide(office.house, Run("r1", "tester"), sent, Hints())).facts.findings


async def test_headers_that_travel_are_looked_at(office: Office) -> None:
    """Codex tells in one of them where the work is kept."""
    assert await findings(office, originator="https://anna.berg@example.org/work") == ()
    assert await findings(office, originator="anna.berg@example.org") == (Finding("mail_address", 1),)


async def test_the_query_is_looked_at(office: Office) -> None:
    """Also where it is escaped."""
    assert await findings(office, query="?beta=true") == ()
    assert await findings(office, query="?for=anna.berg%40example.org") == (Finding("mail_address", 1),)


async def test_ids_are_no_cards(office: Office) -> None:
    """A trace's number may look like one by chance."""
    assert await findings(office, traceparent="00-4111111111111111-01") == ()
