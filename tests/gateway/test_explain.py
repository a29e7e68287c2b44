from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pointsman.gateway.explain import explain
from pointsman.wire.admin import Explain
from tests.fakes.asking import Office

COMPACTS = """
[providers.own]
dialect = "responses"
base_url = "http://127.0.0.1:9/v1"
key = "none"

[targets.folding]
tier = "cloud"
provider = "own"
max_output = 20000
price = { input = 0, output = 100.0 }
"""


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    """A house with a cap of a dollar a day that shortens."""
    one = Office(tmp_path / "home", COMPACTS)
    await one.cap(at_limit="shorten")
    yield one
    one.close()


async def said(office: Office, dialect: Any, **body: Any) -> str:
    """What would come first."""
    whole = {"model": "folding", "input": "hi", **body}
    found = await explain(office.house, Explain(msgspec.json.encode(whole).decode(), dialect=dialect))
    return found["outcome"]


async def test_an_answer_that_can_be_shorter_would_be(office: Office) -> None:
    """Two dollars under a cap of one: half of it."""
    assert await said(office, "responses", max_output_tokens=20_000) == "shorten"


async def test_what_takes_no_limit_would_be_asked_for(office: Office) -> None:
    """A compaction's bill knows of no limit, so nobody is told that one would be given."""
    assert await said(office, "compact") == "ask"


async def test_an_answer_too_short_to_be_one_would_be_asked_for(office: Office) -> None:
    """As the door does: below 256 tokens the person is asked."""
    assert await said(office, "responses", max_output_tokens=20_000) == "shorten"
    await office.cap(limit=25_000, at_limit="shorten")
    assert await said(office, "responses", max_output_tokens=20_000) == "ask"
