"""How a download is told in a terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pointsman.cli import progress
from pointsman.wire import admin
from tests.cli.conftest import Ran
from tests.fakes.fake_admin import FakeAdmin

Run = Callable[..., Ran]


def download(state: Any, received: int = 0, **more: Any) -> admin.Download:
    """A download of five gigabytes."""
    return admin.Download(name="m", source="o/m", state=state, received=received, total=5_030_000_000, **more)


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (download("waiting"), "Waits for its turn"),
        (download("checking"), "Checking what is here"),
        (download("downloading", 1_250_000_000), "1.2 GB of 5.0 GB, 24 %"),
        (
            download("downloading", 2_515_000_000, bytes_per_second=12_600_000.0, seconds_left=199.6),
            "2.5 GB of 5.0 GB, 50 %, 12.6 MB/s, 3 min left",
        ),
        (
            download("retrying", 7, sentence="No connection to h. It goes on by itself."),
            "No connection to h. It goes on by itself.",
        ),
        (download("paused", 1_000), "Paused at 1.0 kB of 5.0 GB"),
        (download("failed", sentence="It was thrown away."), "It was thrown away."),
        (download("done", 5_030_000_000), "Ready, 5.0 GB, checked."),
    ],
)
def test_each_state_has_its_words(now: admin.Download, words: str) -> None:
    """Bytes, share, speed and time left while it runs; a sentence otherwise."""
    assert progress.told(now) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (59.6, "60 s"), (91, "2 min"), (5400, "2 h"), (90_000, "25 h")]
)
def test_a_time_left_is_no_more_exact_than_it_is_known(seconds: float, words: str) -> None:
    """Seconds, minutes or hours."""
    assert progress.left(seconds) == words


def test_a_pull_that_fails_ends_with_1_and_its_sentence(run: Run, door: FakeAdmin) -> None:
    """A script can tell."""
    door.answers[admin.PullModel] = download("downloading")
    door.answers[admin.ListPulls] = [download("failed", sentence="The disk is full.")]
    ran = run("models", "pull", "m")
    assert (ran.code, ran.out.splitlines()[-1]) == (1, "m: The disk is full.")


def test_a_pull_that_is_given_up_elsewhere_ends(run: Run, door: FakeAdmin) -> None:
    """The command does not wait for what nobody fetches any more."""
    door.answers[admin.PullModel] = download("downloading")
    door.answers[admin.ListPulls] = []
    assert run("models", "pull", "m").code == 1


def test_a_terminal_gets_one_line_that_changes(run: Run, door: FakeAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look writes over the one before."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("shutil.get_terminal_size", _Size)
    door.answers[admin.PullModel] = download("downloading", 1_000_000_000)
    door.answers[admin.ListPulls] = [download("done", 5_030_000_000)]
    lines = run("models", "pull", "m").out.split("\r")
    assert [line.rstrip() for line in lines] == ["", "m: 1.0 GB of 5.0 GB, 19 %", "m: Ready, 5.0 GB, checked."]
    assert {len(line.rstrip("\n")) for line in lines[1:]} == {49}


class _Size:
    columns = 50


def test_ctrl_c_leaves_it_to_go_on(run: Run, door: FakeAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says how to stop it."""

    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(progress.time, "sleep", interrupted)
    door.answers[admin.PullModel] = download("downloading")
    ran = run("models", "pull", "m")
    assert (ran.code, ran.err) == (130, "The download goes on by itself. 'pointsman models pause m' lets it rest.\n")


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        ("pause", admin.PausePull("m")),
        ("resume", admin.ResumePull("m")),
        ("cancel", admin.CancelPull("m")),
        ("remove", admin.RemoveModel("m")),
    ],
)
def test_each_command_is_sent(run: Run, door: FakeAdmin, argv: str, command: Any) -> None:
    """With the model's name."""
    usual = {"freed": 1_500_000} if argv in {"cancel", "remove"} else download("paused", 1)
    door.answers[type(command)] = usual
    assert run("models", argv, "m").code == 0
    assert door.commands == [command]


def test_the_callers_hub_and_token_go_along(run: Run, door: FakeAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_ENDPOINT and HF_TOKEN of the shell, as every tool of the hub reads them."""
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example")
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    door.answers[admin.PullModel] = download("done")
    assert run("models", "pull", "m", "--json").code == 0
    assert door.commands == [admin.PullModel("m", "https://mirror.example", "hf_x")]


def test_what_is_on_its_way_is_listed(run: Run, door: FakeAdmin) -> None:
    """One row each."""
    door.answers[admin.ListPulls] = [download("waiting")]
    assert run("models", "downloads").out.splitlines()[-1] == "m      Waits for its turn"
