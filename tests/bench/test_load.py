"""The load and the upstream in C, compiled and run."""

from __future__ import annotations

import http.server
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.bench import systems
from pointsman.bench.load import MARK, Case, Load, body, build
from pointsman.bench.overhead import SOURCES
from pointsman.bench.systems import Place, System
from pointsman.core.errors import SetupError


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A scratch folder with both programs."""
    folder = tmp_path_factory.mktemp("bench")
    build(SOURCES, folder)
    with Place(folder) as place:
        yield place


@pytest.fixture
def listener() -> Iterator[tuple[System, list[dict]]]:
    """A server that keeps what it is sent, and refuses to stream."""
    got: list[dict] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            status, answer = (429, b'{"slow down"}') if got[-1].get("stream") else (200, b"{}")
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield System("listener", server.server_port, os.getpid()), got
        server.shutdown()
        thread.join()


def last(asked: dict) -> str:
    """The last message's text."""
    return asked["messages"][-1]["content"]


def first(asked: dict) -> str:
    """The first user message's text."""
    return asked["messages"][1]["content"]


@pytest.mark.parametrize(("text", "firsts", "lasts"), [("own", 1, 30), ("fresh", 30, 30), ("same", 1, 1)])
def test_each_request_is_as_new_as_its_case_says(
    place: Place, listener: tuple[System, list[dict]], text: str, firsts: int, lasts: int
) -> None:
    """Own changes the last message, fresh the first too, same nothing."""
    system, got = listener
    Load(place.folder).run(system, Case(name="x", at_once=2, text=text), 60, 10)
    assert len(got) == 30  # 20 to warm up
    assert len({first(asked) for asked in got}) == firsts
    assert len({last(asked) for asked in got}) == lasts
    assert not any(MARK in last(asked) for asked in got)


@pytest.mark.parametrize("size", [2048, 102_400])
def test_body_has_about_the_size_asked_for(size: int) -> None:
    """Within 5 in 100."""
    assert len(body(Case(name="x", at_once=1, size=size))) == pytest.approx(size, rel=0.05)


def test_whole_answers_are_timed(place: Place) -> None:
    """All requests asked for, none failed, percentiles in order."""
    found = Load(place.folder).run(systems.mock(place), Case(name="x", at_once=4), 60, 500)
    assert (found.counted, found.errors) == (500, 0)
    assert 0 < found.ms.p50 <= found.ms.p95 <= found.ms.p99 <= found.ms.max
    assert found.per_second > 0


def test_first_byte_and_widest_gap_of_a_paced_stream_are_timed(place: Place) -> None:
    """The mock waits 50 ms, then 5 between events; a timer never fires early."""
    paced = Case(name="x", at_once=2, stream=True, paced=True)
    found = Load(place.folder).run(systems.mock(place, chunks=4), paced, 60, 6)
    assert found.first.p50 >= 50
    assert found.gap.p50 >= 4.5
    assert found.ms.p50 >= found.first.p50 + 6 * 4.5


def test_large_body_reaches_the_upstream_whole(place: Place) -> None:
    """100 KB, several at once."""
    found = Load(place.folder).run(systems.mock(place), Case(name="x", at_once=3, size=102_400), 60, 60)
    assert (found.counted, found.errors) == (60, 0)


def test_system_that_is_not_there_is_a_sentence(place: Place) -> None:
    """With its name."""
    port = systems.free_port()
    with pytest.raises(SetupError, match="The load could not reach nobody"):
        Load(place.folder).run(System("nobody", port, os.getpid()), Case(name="x", at_once=1), 1, 10)


def test_refused_request_is_a_sentence(place: Place, listener: tuple[System, list[dict]]) -> None:
    """The system, the case, and what it answered."""
    system, _ = listener
    with pytest.raises(SetupError, match=r"listener, x: \d+ requests failed \(status 429: { slow down }\)"):
        Load(place.folder).run(system, Case(name="x", at_once=1, stream=True), 60, 10)


def test_installed_app_says_that_it_needs_the_sources(tmp_path: Path) -> None:
    """One sentence with the way out."""
    with pytest.raises(SetupError, match="needs a source checkout"):
        build(tmp_path / "nowhere", tmp_path)


def test_missing_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With how to get one."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="No C compiler"):
        build(SOURCES, tmp_path)


def test_program_that_ends_at_once_is_a_sentence(place: Place) -> None:
    """Its last line is passed on."""
    with pytest.raises(SetupError, match="thing did not start: boom"):
        place.start("thing", ["sh", "-c", "echo boom."], systems.free_port())
