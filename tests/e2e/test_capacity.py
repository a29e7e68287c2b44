"""How many answers a local target gives at once: measured, written down, and what its worker is started with."""

from __future__ import annotations

import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil

from tests.fakes.home import Home

STORY = [{"role": "user", "content": "Tell me a story."}]
NARROW = "[limits.targets.starter]\nslots = 1\nqueue = 1\n"


def ask(place: Home, key: str) -> httpx.Response:
    """One request that only the starter may answer."""
    head = {"authorization": f"Bearer {key}", "x-pointsman-fallback": "none"}
    body = {"model": "starter", "messages": STORY, "temperature": 0}
    return httpx.post(f"{place.runtime.address}/chat/completions", json=body, headers=head, timeout=60)


def started_with(place: Home) -> list[str]:
    """The arguments of the starter's worker."""
    assert place.process is not None
    (worker,) = psutil.Process(place.process.pid).children(recursive=True)
    return list(worker.cmdline())


def test_what_is_measured_is_what_the_next_load_has(tmp_path: Path) -> None:
    """One sentence, the person's own file, and the worker's arguments agree, without a restart of the gateway."""
    place = Home(tmp_path)
    try:
        place.start()
        code, said = place.run("bench", "engine", "--apply", "starter", "--rounds", "1")
        assert code == 0, said
        stored = tomllib.loads((tmp_path / "home" / "models.toml").read_text())["limits"]["targets"]["starter"]
        assert f"lets {stored['queue']} more requests wait" in said.splitlines()[-1]
        assert ask(place, place.agent()).status_code == 200
        arguments = started_with(place)
        assert arguments[arguments.index("--slots") + 1] == str(stored["slots"])
        assert arguments[arguments.index("--queue") + 1] == str(stored["queue"])
    finally:
        place.stop()


def test_a_target_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With those that are."""
    code, said = Home(tmp_path).run("bench", "engine", "--apply", "nobody")
    assert code == 1
    assert said.startswith("No local target is called nobody. There are: ") and "starter" in said


def test_a_full_queue_is_said_and_harms_nobody(tmp_path: Path) -> None:
    """Of many at once, those that find no place to wait hear that it is busy; all others are answered."""
    place = Home(tmp_path)
    try:
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / "models.toml").write_text(NARROW)
        place.start()
        key = place.agent()
        assert ask(place, key).status_code == 200
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda _: ask(place, key), range(36)))
        busy = [answer for answer in answers if answer.status_code == 429]
        assert len(busy) + sum(answer.status_code == 200 for answer in answers) == 36
        assert busy and all("is busy" in answer.json()["error"]["message"] for answer in busy)
        assert {answer.json()["error"]["code"] for answer in busy} == {"busy"}
        assert ask(place, key).status_code == 200
    finally:
        place.stop()
