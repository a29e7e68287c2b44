"""Models come to this machine through the real program: command line, gateway, a hub on loopback, the real worker."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pointsman.wire import admin
from tests.fakes.fake_hub import TOKEN, Cut, FakeHub, Flip, Hold, Status
from tests.fakes.home import Home, target

ROOT = Path(__file__).resolve().parents[2]
STARTER = (ROOT / "resources" / "starter" / "starter.gguf").read_bytes()
REPO = "Org/Starter-GGUF"
NAME = "Starter-Q8_0.gguf"
_numbers = itertools.count()
BIG = random.Random(2).randbytes(4_000_000)
TARGETS = target("cloudy", "ok") + "".join(
    f'\n[targets.{name}]\ntier = "local"\nengine = "llama_cpp"\nsource = "{source}"\ncontext = 1024\nmax_output = 32\n'
    for name, source in (("tiny", f"{REPO}:Q8_0"), ("big", "Org/Big-GGUF:Q4_K_M"))
)


@pytest.fixture(scope="module")
def serving() -> Iterator[FakeHub]:
    """The hub of all these tests."""
    with FakeHub({}) as fake:
        yield fake


@pytest.fixture
def hub(serving: FakeHub) -> FakeHub:
    """It has a model that works, and one that is only large; what earlier tests did is forgotten."""
    serving.forget()
    serving.repos = {REPO: {NAME: STARTER, "README.md": b"#"}, "Org/Big-GGUF": {"Big-Q4_K_M.gguf": BIG}}
    return serving


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, serving: FakeHub) -> Iterator[Home]:
    """A gateway that knows the hub, on a machine where nobody else holds models."""
    folder = tmp_path_factory.mktemp("gateway")
    place = Home(folder, targets=TARGETS)
    person = folder / "person"
    place.environment |= {"HF_ENDPOINT": serving.endpoint, "HOME": str(person), "OLLAMA_MODELS": str(person / "ollama")}
    for name in ("HF_TOKEN", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        place.environment.pop(name, None)
    try:
        yield place.start()
    finally:
        place.stop()


@pytest.fixture
def gateway(standing: Home, hub: FakeHub) -> Iterator[Home]:
    """It has no models; what a test brought here is gone after it, with every record of it."""
    person = Path(standing.environment["HOME"])
    person.mkdir()
    yield standing
    standing.environment.pop("HF_TOKEN", None)
    standing.command(admin.UnloadModel("tiny"))
    for name in ("tiny", "big", *(one.name for one in standing.snapshot().downloads)):
        standing.command(admin.RemoveModel(name))
    shutil.rmtree(person)
    shutil.rmtree(models(standing) / "Org", ignore_errors=True)
    standing.command(admin.Reload())
    assert standing.snapshot().downloads == []


def models(gateway: Home) -> Path:
    """Where downloaded models are."""
    return gateway.folder / "home" / "models"


def chat(gateway: Home, model: str = "tiny") -> httpx.Response:
    """One request to a model."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
        "max_tokens": 24,
    }
    key = gateway.agent(f"tester-{next(_numbers)}")
    head = {"authorization": f"Bearer {key}", "x-pointsman-fallback": "none"}
    return httpx.post(f"{gateway.runtime.address}/chat/completions", json=body, headers=head, timeout=90)


def until(gateway: Home, there: Callable[[admin.Download], bool]) -> admin.Download:
    """The first state of a download that is so, as the tray's stream tells it."""
    with gateway.events() as events:
        for line in events.iter_lines():
            if line.startswith("data: {") and '"downloads":[{' in line:
                for one in admin.decode_snapshot(line.removeprefix("data: ").encode()).downloads:
                    if there(one):
                        return one
    raise AssertionError("the stream ended first")


def test_a_model_is_pulled_by_its_name_and_answers(gateway: Home, hub: FakeHub) -> None:
    """Not there: said so. Pulled: it is in its place, listed, and the real worker answers from it."""
    code, out = gateway.run("models", "load", "tiny")
    assert code == 1 and "tiny cannot be loaded: its model is not on this machine" in out
    assert chat(gateway).status_code >= 400
    hub.script.append(Cut(200_000))
    code, out = gateway.run("models", "pull", "tiny")
    assert code == 0 and "tiny: Ready, " in out, out
    assert (models(gateway) / REPO / NAME).read_bytes() == STARTER
    answer = chat(gateway)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-pointsman-target"] == "tiny"
    assert "Paris" in answer.json()["choices"][0]["message"]["content"]
    assert str(models(gateway) / REPO / NAME) in gateway.run("models", "list")[1]


def test_kill_9_of_the_gateway_costs_no_byte(gateway: Home, hub: FakeHub) -> None:
    """The next gateway goes on by itself from the last byte that was written."""
    hub.script.append(Hold(2_500_000))
    gateway.command(admin.PullModel("big"))
    until(gateway, lambda one: one.received == 2_500_000)
    gateway.kill()
    hub.released.set()
    gateway.start()
    until(gateway, lambda one: one.state == "done")
    assert hub.ranges_asked == [None, "bytes=2500000-"]
    assert (models(gateway) / "Org/Big-GGUF" / "Big-Q4_K_M.gguf").read_bytes() == BIG


def test_kill_9_of_the_command_does_not_end_the_download(gateway: Home, hub: FakeHub) -> None:
    """It goes on in the gateway; a second command joins it, and no byte comes twice."""
    hub.script.append(Hold(1_000_000))
    command = gateway.spawn("models", "pull", "big")
    until(gateway, lambda one: one.received == 1_000_000)
    os.kill(command.pid, signal.SIGKILL)
    command.communicate()
    second = gateway.spawn("models", "pull", "Org/Big-GGUF:Q4_K_M")
    assert second.stdout is not None
    assert "1.0 MB of 4.0 MB" in second.stdout.readline()
    hub.released.set()
    out, _ = second.communicate(timeout=60)
    assert second.returncode == 0 and "Ready" in out
    assert hub.ranges_asked == [None]


def test_a_paused_one_rests_over_a_restart_until_it_is_resumed(gateway: Home, hub: FakeHub) -> None:
    """Nothing is asked of the hub meanwhile."""
    hub.script.append(Hold(1_500_000))
    gateway.command(admin.PullModel("big"))
    until(gateway, lambda one: one.received == 1_500_000)
    code, out = gateway.run("models", "pause", "big")
    assert (code, out) == (0, "big: Paused at 1.5 MB of 4.0 MB\n")
    hub.released.set()
    gateway.stop()
    gateway.start()
    assert [one.state for one in gateway.snapshot().downloads] == ["paused"]
    assert hub.ranges_asked == [None]
    gateway.command(admin.ResumePull("big"))
    until(gateway, lambda one: one.state == "done")
    assert hub.ranges_asked == [None, "bytes=1500000-"]


def test_one_that_is_given_up_leaves_nothing(gateway: Home, hub: FakeHub) -> None:
    """Neither bytes nor a record."""
    hub.script.append(Hold(1_500_000))
    gateway.command(admin.PullModel("big"))
    until(gateway, lambda one: one.received == 1_500_000)
    code, out = gateway.run("models", "cancel", "big")
    assert (code, out) == (0, "big is not downloaded; 1.5 MB are free again.\n")
    hub.released.set()
    assert gateway.snapshot().downloads == []
    assert [path for path in models(gateway).rglob("*") if path.is_file()] == []


def test_wrong_bytes_are_a_sentence_and_the_next_pull_is_right(gateway: Home, hub: FakeHub) -> None:
    """The exit code says it as well."""
    hub.script.append(Flip(3))
    code, out = gateway.run("models", "pull", "big")
    assert code == 1 and "not what its publisher promised. It was thrown away" in out
    assert not list((models(gateway) / "Org").rglob("*.gguf*"))
    assert gateway.run("models", "pull", "big")[0] == 0


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["nonsense"], "is neither a model of models.toml nor a repository"),
        (["Org/Nobody"], "has no Org/Nobody that everybody may read"),
        (["Org/Big-GGUF:Q2_K"], "Write one of these after a colon: Q4_K_M."),
        (["starter"], "is not a model that can be downloaded"),
    ],
)
def test_what_cannot_be_pulled_is_one_sentence(gateway: Home, argv: list[str], words: str) -> None:
    """And a 1."""
    code, out = gateway.run("models", "pull", *argv)
    assert code == 1 and words in out and out.count("\n") == 1


def test_a_licence_is_explained_and_the_callers_token_is_used(gateway: Home, hub: FakeHub) -> None:
    """HF_TOKEN of the shell goes along with the command, and is written nowhere."""
    hub.gated.add(REPO)
    hub.accepted = True
    code, out = gateway.run("models", "pull", "tiny")
    assert code == 1 and f"accept its licence first: do so at {hub.endpoint}/{REPO}" in out
    gateway.environment["HF_TOKEN"] = TOKEN
    assert gateway.run("models", "pull", "tiny")[0] == 0
    written = [path for path in (gateway.folder / "home").rglob("*") if path.is_file()]
    assert not [path for path in written if TOKEN.encode() in path.read_bytes()]


def test_a_busy_hub_is_asked_again(gateway: Home, hub: FakeHub) -> None:
    """A short wait is waited."""
    hub.lists.append(Status(429, {"retry-after": "0"}))
    assert gateway.run("models", "pull", "big")[0] == 0


def test_at_most_two_come_at_once(gateway: Home, hub: FakeHub) -> None:
    """The third waits for its turn."""
    for number in range(3):
        hub.repos[f"Org/N{number}"] = {"m.gguf": BIG}
        hub.script.append(Hold(1_000_000))
    for number in range(3):
        gateway.command(admin.PullModel(f"Org/N{number}"))
    until(gateway, lambda one: one.name == "Org/N1" and one.received == 1_000_000)
    states = {one.name: one.state for one in gateway.snapshot().downloads}
    assert states["Org/N2"] == "waiting"
    hub.released.set()
    until(gateway, lambda one: one.name == "Org/N2" and one.state == "done")


def test_a_file_of_ollamas_is_used_where_it_lies(gateway: Home, hub: FakeHub) -> None:
    """Not a byte is fetched or copied, and removing the model leaves Ollama's file alone."""
    digest = hashlib.sha256(STARTER).hexdigest()
    blob = Path(gateway.environment["OLLAMA_MODELS"]) / "blobs" / f"sha256-{digest}"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(STARTER)
    code, out = gateway.run("models", "pull", "tiny")
    assert code == 0 and "It is used where Ollama keeps it." in out
    assert hub.ranges_asked == [] and not list(models(gateway).rglob("*.gguf"))
    assert chat(gateway).status_code == 200
    assert f"{blob} (Ollama)" in gateway.run("models", "list")[1]
    code, out = gateway.run("models", "remove", "tiny")
    assert code == 0 and "The file stays: it is Ollama's" in out and blob.exists()


def test_a_file_of_ollamas_that_went_bad_is_not_used(gateway: Home, hub: FakeHub) -> None:
    """Its name alone is no proof: the model is fetched."""
    blob = Path(gateway.environment["OLLAMA_MODELS"]) / "blobs" / f"sha256-{hashlib.sha256(BIG).hexdigest()}"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(BIG[:-1] + b"\0")
    assert gateway.run("models", "pull", "big")[0] == 0
    assert len(hub.ranges_asked) == 1


def test_a_file_of_lm_studios_needs_no_pull(gateway: Home, hub: FakeHub) -> None:
    """Its folders carry the repository's name: the target answers from it, and the hub is never asked."""
    held = Path(gateway.environment["HOME"]) / ".lmstudio" / "models" / REPO / NAME
    held.parent.mkdir(parents=True)
    held.write_bytes(STARTER)
    gateway.run("models", "reload")
    assert chat(gateway).status_code == 200 and hub.seen == []
    assert f"{held} (LM Studio)" in gateway.run("models", "list")[1]
    assert f"lies at {held}. Delete it in LM Studio." in gateway.run("models", "remove", "tiny")[1]
    assert held.exists()


def test_removing_deletes_what_we_downloaded(gateway: Home, hub: FakeHub) -> None:
    """The worker lets go of it first, and requests say where to get it."""
    gateway.run("models", "pull", "tiny")
    assert chat(gateway).status_code == 200
    code, out = gateway.run("models", "remove", "tiny")
    assert code == 0 and out.startswith("tiny is removed, which frees ")
    assert not list(models(gateway).rglob("*.gguf"))
    assert chat(gateway).status_code >= 400
    assert "No downloaded model is called" in gateway.run("models", "remove", "tiny")[1]


def test_a_persons_own_file_is_never_written_over(gateway: Home, hub: FakeHub) -> None:
    """It is named, and stays."""
    mine = models(gateway) / REPO / NAME
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    code, out = gateway.run("models", "pull", "tiny")
    assert code == 1 and f"Another file lies at {mine}" in out
    gateway.run("models", "cancel", "tiny")
    assert mine.read_bytes() == b"mine"
    assert chat(gateway).status_code >= 400


def test_a_newer_model_takes_the_place_of_ours(gateway: Home, hub: FakeHub) -> None:
    """Pulled again: nothing while it is the same, all of it when it changed."""
    gateway.run("models", "pull", "big")
    assert "It is on this machine already." in gateway.run("models", "pull", "big")[1]
    hub.repos["Org/Big-GGUF"]["Big-Q4_K_M.gguf"] = BIG[::-1]
    assert gateway.run("models", "pull", "big", "--json")[0] == 0
    assert (models(gateway) / "Org/Big-GGUF" / "Big-Q4_K_M.gguf").read_bytes() == BIG[::-1]
    assert len(hub.ranges_asked) == 2


def test_a_model_in_parts_comes_with_all_of_them(gateway: Home, hub: FakeHub) -> None:
    """One after the other, counted together."""
    parts: dict[str, Any] = {f"q/m-Q8_0-0000{n}-of-00003.gguf": BIG[: n * 100_000] for n in (1, 2, 3)}
    hub.repos["Org/Parts"] = parts
    assert gateway.run("models", "pull", "Org/Parts:Q8_0")[0] == 0
    assert {name: (models(gateway) / "Org/Parts" / name).read_bytes() for name in parts} == parts
    assert gateway.snapshot().downloads[0].total == 600_000
