"""Whatever a hub does, in whatever order: the bytes are right, or there is a sentence."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import deque
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.core.errors import PointsmanError
from tests.fakes.fake_hub import Cut, FakeHub, Flip, Lie, Status
from tests.fakes.fetching import DATA, NAME, REPO, get, is_clean, promise

STEPS = st.one_of(
    st.builds(Cut, st.integers(0, 60_000)),
    st.builds(Flip, st.integers(0, 49_999)),
    st.builds(Status, st.sampled_from([403, 404, 416, 429, 500, 503]), at_hub=st.booleans()),
    st.builds(Lie, st.just({"content-length": ""}), st.integers(-49_000, 10)),
    st.builds(Lie, st.sampled_from([{"content-range": "bytes 0-1/2"}, {"content-length": "7"}]), st.just(0)),
)


@pytest.mark.timeout(900)  # with POINTSMAN_SOAK
@pytest.mark.parametrize("ranges", [True, False])
def test_whatever_happens_the_bytes_are_right_or_there_is_a_sentence(ranges: bool) -> None:
    """No sequence of cuts, corruptions and refusals, over several tries, puts a wrong file in its place."""
    small = DATA[:50_000]

    @settings(max_examples=500 if os.environ.get("POINTSMAN_SOAK") else 25)
    @given(st.lists(STEPS, max_size=8))
    def whatever(steps: list[Any]) -> None:
        hub.script = deque(steps)
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / NAME
            while sentence := said(get(hub, target, promise=promise(small))):
                assert sentence.endswith((".", "?")) and not target.exists() and hub.seen
                hub.seen.clear()
            right = target.read_bytes() == small  # apart, as a comparison of long bytes is slow to explain
            assert right and is_clean(target)

    with FakeHub({REPO: {NAME: small}}) as hub:
        hub.ranges = ranges
        whatever()


def said(work: Coroutine[Any, Any, Any]) -> str | None:
    """How a try ended: with a sentence, or well."""
    try:
        asyncio.run(work)
    except PointsmanError as problem:
        return problem.sentence
    return None
