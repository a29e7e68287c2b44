"""What is decided of a request before anything runs, and what its client hears where it fails."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest

from pointsman.core.catalog import Catalog
from pointsman.core.errors import UpstreamFailed
from pointsman.core.request import Finding, Hints
from pointsman.gateway import pipeline
from pointsman.gateway.attempts import AttemptFailed, Frame, Job, Sent
from pointsman.gateway.pipeline import Call
from pointsman.gateway.reply import Reply
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


Step = bytes | Exception
CREATED = b'data: {"type":"response.created","sequence_number":0,"response":{"id":"%b","status":"in_progress"}}\n\n'
DELTA = b'data: {"type":"response.output_text.delta","sequence_number":1,"delta":"Hello"}\n\n'


class Heard(Reply):
    """A client that takes all."""

    def __init__(self) -> None:
        super().__init__()
        self.body = b""

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Nothing that a test looks at."""
        self.started = True

    async def send(self, data: bytes, *, last: bool = False) -> None:
        """A piece of the body."""
        self.finished = last
        self.body += data


async def served(office: Office, monkeypatch: pytest.MonkeyPatch, *attempts: tuple[Step, ...]) -> tuple[Run, Heard]:
    """A stream of Responses from targets that do so, one after the other."""
    left = iter(attempts)

    async def run(_job: Job, _catalog: Catalog) -> AsyncGenerator[Frame, None]:
        for step in next(left):
            if isinstance(step, Exception):
                raise step
            yield Frame(step, content=b"delta" in step)

    monkeypatch.setattr(office.house.remote, "run", run)
    body = b'{"model": "some", "input": "hi", "stream": true, "max_output_tokens": 10}'
    one, reply = Run("r1", "tester"), Heard()
    await pipeline.serve(Call(office.house, one, Sent(dialect=DIALECTS["responses"], body=body), reply), Hints())
    return one, reply


def last(reply: Heard) -> dict[str, Any]:
    """The last event."""
    found: dict[str, Any] = json.loads(reply.body.rstrip().rpartition(b"data: ")[2])
    return found


def broke() -> AttemptFailed:
    """A provider's connection broke."""
    return AttemptFailed(UpstreamFailed("It broke off."), again=True)


async def test_an_error_nobody_foresaw_is_said_in_the_stream(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """And in the row, without the values that it may hold."""
    run, reply = await served(office, monkeypatch, (CREATED % b"resp_a", DELTA, ValueError("sk-secret")))
    event = last(reply)
    assert (event["type"], event["sequence_number"], event["response"]["id"]) == ("response.failed", 2, "resp_a")
    assert b"ValueError" in reply.body and b"sk-secret" not in reply.body
    (row,) = await office.house.audit.newest(10)
    assert (row.outcome, row.code, run.code) == ("failed", "internal_error", "internal_error")


async def test_what_a_failed_attempt_said_is_not_the_clients(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was held back: the failure bears the id that the client knows, and what is kept is what it heard."""
    first, second = (CREATED % b"resp_a", broke()), (CREATED % b"resp_b", DELTA, broke())
    run, reply = await served(office, monkeypatch, first, second)
    assert last(reply)["response"]["id"] == "resp_b"
    assert b"resp_a" not in run.answer


async def test_a_comment_before_the_first_event_is_passed_over(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Brokers keep a connection alive with them."""
    _, reply = await served(office, monkeypatch, (b": PROCESSING\n\n", CREATED % b"resp_a", DELTA, broke()))
    assert last(reply)["response"]["id"] == "resp_a"
