"""Bodies of clients and answers of providers that are nearly right: a refusal or nothing, never an error of ours."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.core.errors import Refusal
from pointsman.core.request import Hints, Verdict
from pointsman.wire import compacting, embeddings, messages, sse, stored
from pointsman.wire.body import Change
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.scan import UNREADABLE
from pointsman.wire.surfaces import SURFACES
from pointsman.wire.translate.prompts import worker
from tests.fakes.nonsense import nearly

EXAMPLES = settings(max_examples=20_000 if os.environ.get("POINTSMAN_SOAK") == "1" else 100)
RIGHT: dict[str, dict[str, list[Any]]] = json.loads((Path(__file__).parent / "right.json").read_text("utf-8"))
RIGHT["bodies"]["compact"] = [
    {
        **one,
        "stream": False,
        "input": [
            {"type": "message", "role": "user", "content": "Hello"},
            {"type": "compaction", "encrypted_content": "pointsman-open:AAAA"},
            {"type": "compaction_trigger"},
        ],
    }
    for one in RIGHT["bodies"]["responses"]
]
RIGHT["answers"]["completions"] = RIGHT["answers"]["chat"]
RIGHT["answers"]["compact"] = [
    {
        "object": "response.compaction",
        "output": [{"type": "compaction", "encrypted_content": "x"}],
        "usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7},
    }
]
CHANGE = Change(model="x", output=10)


def looked_at(_text: bytes) -> Verdict:
    """Nothing is found in it."""
    return Verdict(())


def sent_on(name: str, body: bytes) -> None:
    """All that becomes of a body on its way to any target."""
    dialect = SURFACES[name]
    dialect.read("r", body, Hints(), looked_at)
    dialect.splice(body, CHANGE)
    dialect.omitted(body, CHANGE)
    if name == embeddings.NAME:
        return
    prompt = dialect.prompt(body)
    for other in DIALECTS.values():
        other.lost(prompt, CHANGE)
        other.write(prompt, CHANGE)
    worker.lost(prompt)
    worker.fields(prompt)


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", SURFACES)
@EXAMPLES
@given(data=st.data())
def test_bodies(name: str, data: st.DataObject) -> None:
    """Wrong types anywhere, half characters, missing parts: each is served or refused."""
    with contextlib.suppress(Refusal):
        sent_on(name, data.draw(nearly(*RIGHT["bodies"][name])))


@EXAMPLES
@given(nearly(*RIGHT["bodies"]["responses"], *RIGHT["bodies"]["compact"]))
def test_bodies_that_are_kept(body: bytes) -> None:
    """What is put together of them for the next one."""
    with contextlib.suppress(Refusal):
        items = stored.items(stored.given(body))
        compacting.triggered(items)
        assert all(isinstance(held, str | None) for held in map(compacting.sealed, items))
        stored.joined(items)
        stored.expanded(body, items)


@EXAMPLES
@given(nearly(*RIGHT["bodies"]["messages"]))
def test_bodies_that_are_counted(body: bytes) -> None:
    """At least one token, or a refusal."""
    with contextlib.suppress(Refusal):
        assert messages.estimate(body) > 0


@pytest.mark.parametrize("name", SURFACES)
@EXAMPLES
@given(data=st.data())
def test_what_a_provider_says_of_itself(name: str, data: st.DataObject) -> None:
    """What cannot be read is passed over."""
    scan = SURFACES[name].scan()
    for answer in data.draw(st.lists(nearly(*RIGHT["answers"][name]), max_size=4)):
        scan.data(answer)


@pytest.mark.parametrize("name", DIALECTS)
@EXAMPLES
@given(data=st.data())
def test_answers(name: str, data: st.DataObject) -> None:
    """Whole or streamed: what the gateway knows as an answer that cannot be read, and nothing else."""
    reader = DIALECTS[name].reader()
    for answer in data.draw(st.lists(nearly(*RIGHT["answers"][name]), max_size=4)):
        with contextlib.suppress(*UNREADABLE, ValueError):
            list(reader.stream(sse.Event("", answer)))
        with contextlib.suppress(*UNREADABLE, ValueError):
            list(DIALECTS[name].reader().whole(answer))


@EXAMPLES
@given(nearly(*RIGHT["answers"]["responses"]))
def test_answers_that_are_kept(answer: bytes) -> None:
    """What cannot be read is passed on as it is."""
    frame = b"data: " + answer + b"\n\n"
    stored.named(answer)
    stored.ended(frame)
    stored.continued(frame, "resp_1")
