"""The same loops and the same honest work, sent by agents that speak Responses and Messages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pointsman.core import facts, runaway, session
from pointsman.core.catalog import Sensitivity, Source, read
from pointsman.core.request import Hints, Verdict
from pointsman.core.runaway import Call, Pace, Seen, Trail
from pointsman.wire.body import Change
from pointsman.wire.dialects import DIALECTS
from tests.fixtures.runaway.loops import LOOPS
from tests.fixtures.runaway.talk import Sent
from tests.fixtures.runaway.work import WORK

SHIPPED = read([Source("models.toml", (Path(__file__).parents[2] / "models.toml").read_text())]).runaway
SPOKEN = ("responses", "messages")


def call(sent: Sent, dialect: str) -> Call:
    """What the watch sees of a chat body that came in another dialect."""
    prompt = DIALECTS["chat"].prompt(json.dumps(sent.body).encode())
    body = DIALECTS[dialect].write(prompt, Change(model="auto", output=4096))
    request = DIALECTS[dialect].read("r", body, Hints(), lambda _raw: Verdict())
    who = session.attribute(request, "Codex", "me")
    return runaway.call(request, who, facts.gather(request, Sensitivity()))


def first(sent: list[Sent], dialect: str) -> int:
    """Which call alarmed first, from 1; 0 where none did."""
    pace, trails = Pace(), dict[str, Trail]()
    for number, one in enumerate(sent, 1):
        seen = call(one, dialect)
        after, alarm = runaway.observe(Seen(pace=pace, trail=trails.get(seen.talk, Trail())), seen, SHIPPED, one.at)
        pace, trails[seen.talk] = after.pace, after.trail
        if alarm is not None:
            return number
    return 0


@pytest.mark.parametrize("dialect", SPOKEN)
@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_is_caught_within_ten_calls(name: str, dialect: str) -> None:
    """Whatever the agent speaks."""
    sent, begins = LOOPS[name]()
    assert 1 <= first(sent[: begins + 10], dialect) - begins <= 10


@pytest.mark.parametrize("dialect", SPOKEN)
@pytest.mark.parametrize("name", WORK)
def test_honest_work_stays_silent(name: str, dialect: str) -> None:
    """Long, and full of commands that come again and again."""
    assert first(WORK[name](), dialect) == 0
