"""Icon, tool tip and menu as data."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from msgspec.structs import replace

from pointsman.tray import link, samples
from pointsman.tray.link import Link
from pointsman.tray.menu_view import icon_state, menu_view, pause_choices, state_word
from pointsman.tray.samples import AT, NOW
from pointsman.tray.settings import Settings

LIVE = Link("live", AT)


def texts(snapshot, state=LIVE):
    """The menu's lines, separators as empty ones."""
    return [item.text for item in menu_view(snapshot, state, NOW).items]


def test_the_menu_of_a_busy_gateway():
    """Status, address, what to do, how to leave."""
    assert texts(samples.busy()) == [
        "$9.38 of $10.00 today, runs out 15:29",
        "127.0.0.1:4477, 4 agents",
        "",
        "Show Pointsman",
        "Open approvals (1)",
        "",
        "Pause all agents",
        "Copy the address",
        "",
        "Notifications",
        "",
        "Quit tray (gateway keeps running)",
        "Stop gateway and quit…",
    ]


def test_notifications_are_switched_in_the_menu():
    """On by default; to allow from one is off until the person turns it on."""
    menu = menu_view(samples.calm(), LIVE, NOW)
    assert [(one.name, one.on) for one in switches(menu)] == [("notify", True), ("allow", False)]
    chosen = menu_view(samples.calm(), LIVE, NOW, Settings(notify=False, allow=True))
    assert [one.on for one in switches(chosen)] == [False, True]


def switches(menu):
    """The settings that the menu offers."""
    return next(item.switches for item in menu.items if item.switches)


def test_an_offer_is_in_the_menu_until_it_is_taken():
    """Also one that was put away: the way back to it."""
    assert "Get a model for this machine…" in texts(samples.offered())
    assert "Get a model for this machine…" not in texts(replace(samples.offered(), downloads=[samples.download()]))
    assert "Get a model for this machine…" not in texts(samples.calm())


def test_a_calm_menu_has_no_approvals():
    """A line that leads nowhere is absent."""
    assert not any("approvals" in text for text in texts(samples.calm()))
    assert texts(samples.calm())[0] == "$3.84 of $10.00 today, on pace"


def test_a_paused_gateway_offers_to_resume():
    """With the time until when."""
    paused = replace(samples.calm(), paused=True, paused_until=AT + 1800)
    assert "Resume, paused until 15:02" in texts(paused)


def test_a_stopped_gateway_offers_to_start():
    """And says nothing that is not known any more."""
    assert texts(samples.calm(), Link("gone", AT)) == [
        "The gateway is stopped",
        "Start gateway",
        "",
        "Show Pointsman",
        "",
        "Notifications",
        "",
        "Quit",
    ]


def test_a_gateway_that_hangs_cannot_be_started():
    """There is one already."""
    assert "Start gateway" not in texts(samples.calm(), Link("gone", AT, hangs=True))


def test_a_question_wins_over_work():
    """Told by shape: asks, working, stopped, idle."""
    paused = replace(samples.calm(), paused=True)
    working = replace(samples.busy(), approvals=[])
    states = [icon_state(one, LIVE) for one in (samples.busy(), working, paused, samples.calm())]
    assert states == ["asks", "working", "stopped", "idle"]


def test_a_gone_gateway_is_stopped_and_a_starting_one_idle():
    """Before the first snapshot nothing is wrong yet."""
    assert (icon_state(samples.calm(), Link("gone")), icon_state(None, Link())) == ("stopped", "idle")


def test_the_header_says_the_state_in_words():
    """Never by colour alone."""
    paused = replace(samples.calm(), paused=True, paused_until=AT + 1800)
    assert [state_word(one, LIVE, NOW)[0] for one in (samples.calm(), samples.busy(), paused)] == [
        "Running",
        "Waiting for you",
        "Paused until 15:02",
    ]


def test_the_tool_tip_says_money_and_state():
    """One line."""
    assert menu_view(samples.calm(), LIVE, NOW).tip == "Pointsman: $3.84 of $10.00 today, running"
    assert menu_view(samples.calm(), Link("gone", AT), NOW).tip == "Pointsman: stopped"


def test_until_tomorrow_is_six_in_the_morning_here():
    """In the person's own time zone."""
    zone = timezone(timedelta(hours=2))
    choice = pause_choices(datetime(2026, 11, 12, 23, 30, tzinfo=zone))[2]
    assert datetime.fromtimestamp(choice.until, zone) == datetime(2026, 11, 13, 6, 0, tzinfo=zone)


def test_a_dead_process_is_gone_at_once():
    """No need to wait for what cannot come."""
    lost = link.lost(LIVE, AT)
    assert (lost.state, link.aged(lost, AT + 0.1, lives=False, trouble=None).state) == ("lost", "gone")


def test_a_live_process_is_given_three_seconds():
    """Then it hangs."""
    lost = link.lost(LIVE, AT)
    assert link.aged(lost, AT + 2, lives=True, trouble=None).state == "lost"
    late = link.aged(lost, AT + 3, lives=True, trouble="It is another version.")
    assert (late.state, late.hangs, late.problem) == ("gone", True, "It is another version.")


def test_a_start_goes_on_until_it_fails():
    """Starting is not stopped; a failure keeps its sentence."""
    starting = link.started(Link("gone", AT, problem="old"))
    assert (starting.starting, starting.problem) == (True, None)
    assert link.aged(starting, AT + 9, lives=False, trouble=None).starting
    failed = link.failed(starting, "the port is taken.")
    assert (failed.state, failed.starting, failed.problem) == ("gone", False, "It did not start: the port is taken.")


def test_a_first_snapshot_that_takes_long_is_said():
    """After three seconds."""
    loading = link.started(Link(since=AT))
    assert [link.aged(loading, AT + later, lives=True, trouble=None).slow for later in (1, 3)] == [False, True]
