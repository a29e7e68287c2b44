"""What is known of a request while it runs."""

from __future__ import annotations

import json

from pointsman.core.errors import UpstreamFailed
from pointsman.gateway import run as run_
from pointsman.gateway.run import Run
from pointsman.wire import refusals, sse


def test_what_is_kept_of_an_answer_is_bounded() -> None:
    """Also where it comes in one piece."""
    run = Run("r1", "tester")
    for _ in range(2):
        run.keep(b"x" * (run_._KEPT - 1))
    assert len(run.answer) == run_._KEPT
    run.keep(b"more")
    assert len(run.answer) == run_._KEPT


def test_how_far_a_stream_came_is_known_beyond_the_bound() -> None:
    """However long it is: the next event has the next number, and the response its name."""
    run = Run("r1", "tester")
    run.keep(b": hello\n\n")
    run.keep(b'data: {"sequence_number":0,"response":{"id":"resp_1"}}\n\n')
    run.keep(b"x" * run_._KEPT)
    run.keep(b'data: {"sequence_number":41,"delta":"a"}\n\n')
    event = json.loads(sse.parse(refusals.in_band(UpstreamFailed("It broke off."), "responses", run.told)).data)
    assert (event["sequence_number"], event["response"]["id"]) == (42, "resp_1")
