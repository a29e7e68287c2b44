"""The client against a real admin door over a real socket."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from msgspec.structs import replace

from pointsman.core.events import ApprovalEnded, GatewayStopping
from pointsman.system import instance
from pointsman.tray import samples
from pointsman.tray.client import LOST, OTHER_VERSION, AdminClient
from pointsman.wire import sse
from pointsman.wire.admin import Pause, Problem


@pytest.fixture
def client(home, qtbot):
    """A client of the home, closed at the end."""
    made = AdminClient(home.runtime)
    yield made
    made.close()


def follow(client, qtbot):
    """Open, and wait for the first snapshot."""
    with qtbot.waitSignal(client.snapshot) as told:
        client.open()
    return told.args[0]


def test_the_first_snapshot_comes_at_once(admin, client, qtbot):
    """With the whole day in it."""
    with qtbot.waitSignal(client.back):
        assert follow(client, qtbot) == samples.calm()


def test_a_change_comes_as_it_happens(admin, client, qtbot):
    """Over the same stream."""
    follow(client, qtbot)
    with qtbot.waitSignal(client.snapshot) as told:
        admin.show(samples.busy())
    assert told.args[0] == samples.busy()


def test_events_come_between_snapshots(admin, client, qtbot):
    """As the structs of core.events."""
    follow(client, qtbot)
    event = ApprovalEnded(question="q1", agent="Codex", outcome="expired")
    with qtbot.waitSignal(client.happened) as told:
        admin.tell(event)
    assert told.args == [event]


def test_what_a_newer_gateway_tells_is_passed_over(admin, client, qtbot):
    """An unknown event breaks nothing; a comment is no event."""
    follow(client, qtbot)
    admin.raw(sse.encode(b'{"type":"comet_seen"}', "event") + b": still here\n\n")
    with qtbot.waitSignal(client.snapshot) as told:
        admin.show(samples.busy())
    assert told.args[0] == samples.busy()


def test_a_snapshot_of_another_version_is_named(admin, client, qtbot):
    """And the connection counts as lost."""
    follow(client, qtbot)
    with qtbot.waitSignal(client.lost):
        admin.raw(sse.encode(b'{"protocol":99}', "snapshot"))
    assert client.trouble == OTHER_VERSION


def test_a_gateway_that_stops_is_let_go_at_once(admin, client, qtbot):
    """An open stream would keep it from ending."""
    follow(client, qtbot)
    with qtbot.waitSignal(client.lost):
        admin.tell(GatewayStopping())
    qtbot.waitUntil(lambda: admin.streams == 0)


def test_a_command_arrives_and_its_answer_comes_back(admin, client, qtbot):
    """As the bytes of its JSON."""
    answers = []
    client.command(Pause(until=None), answers.append)
    qtbot.waitUntil(lambda: answers == [b"{}"])
    assert admin.commands == [Pause(until=None)]


def test_a_refused_command_brings_its_problem(admin, client, qtbot):
    """The gateway's own sentence."""
    admin.problem = Problem("bad", "No agent has this name.")
    answers = []
    client.command(Pause("ghost"), answers.append)
    qtbot.waitUntil(lambda: answers == [Problem("bad", "No agent has this name.")])


def test_a_command_without_a_gateway_is_answered_too(client, qtbot):
    """Later, as every answer."""
    answers = []
    client.command(Pause(), answers.append)
    assert answers == []
    qtbot.waitUntil(lambda: answers == [LOST])


def test_a_wrong_token_is_no_connection(admin, client, home, qtbot):
    """A stale runtime file leads to a loss, not to an error."""
    instance.publish(home.runtime, replace(instance.read(home.runtime), token="stale"))
    with qtbot.waitSignal(client.lost):
        client.open()
    answers = []
    client.command(Pause(), answers.append)
    qtbot.waitUntil(lambda: bool(answers))
    assert isinstance(answers[0], Problem)


def test_a_loss_is_told_once(client, qtbot):
    """However often it tries."""
    times = []
    client.lost.connect(times.append)
    client.open()
    client.open()
    assert len(times) == 1


def start(home):
    """The admin server as a process of its own."""
    return subprocess.Popen([sys.executable, "-m", "tests.tray.admin_server", str(home.runtime)])


def test_a_killed_gateway_is_lost_in_three_seconds_and_found_again(client, home, qtbot):
    """SIGKILL, then another one on another port."""
    first = start(home)
    qtbot.waitUntil(lambda: instance.read(home.runtime) is not None, timeout=20_000)
    follow(client, qtbot)
    began = time.monotonic()
    with qtbot.waitSignal(client.lost, timeout=3000):
        os.kill(first.pid, signal.SIGKILL)
    assert time.monotonic() - began < 3
    first.wait()
    assert not client.process_lives
    second = start(home)
    try:
        with qtbot.waitSignal(client.back, timeout=20_000):
            pass
    finally:
        client.close()
        second.kill()
        second.wait()


def test_closing_lets_go_without_a_loss(admin, client, qtbot):
    """Quitting is no outage."""
    follow(client, qtbot)
    with qtbot.assertNotEmitted(client.lost, wait=100):
        client.close()
    assert client.process_lives
