"""What the popover draws."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from pointsman.tray import samples
from pointsman.tray.cap_view import Pace, actions, anew, chart_view, meter_view, pace, title
from pointsman.tray.link import Link
from pointsman.tray.samples import AT, NOW, dollars
from pointsman.tray.view_model import NoticeView, popover_view

LIVE = Link("live", AT)
GONE = Link("gone", AT - 180)


def view(snapshot=None, link=LIVE):
    """The popover for a snapshot, the calm one where none is given."""
    return popover_view(samples.calm() if snapshot is None else snapshot, link, NOW)


def day(**changes):
    """The calm snapshot with another day."""
    return replace(samples.calm(), today=replace(samples.today(3.84), **changes))


def test_a_calm_day_reads_like_the_mockup():
    """Figure, cap and what is left."""
    today = view().today
    assert (today.figure, today.of, today.left) == ("$3.84", "of $10.00", "$6.16 left")
    assert today.caption == "On pace, about $6.34 by midnight"


def test_held_money_is_said_beside_what_is_left():
    """Held and left, so that both sum with spent to the cap."""
    assert view(samples.busy()).today.left == "$0.22 held · $0.40 left"


def test_without_a_daily_cap_there_is_only_the_figure():
    """No meter, no invented limit."""
    today = view(day(cap=None)).today
    assert (today.caption, today.of, today.left, today.meter) == ("No daily cap", "", "", None)


def test_a_reached_cap_says_that_local_models_still_answer():
    """The caption of a full cap, whose meter is full."""
    shown = view(day(spent=dollars(10), cap=samples.cap(10.0))).today
    assert shown.caption == "Cap reached, local models still answer"
    assert shown.meter.level == "full"


def test_when_the_day_leads_over_the_cap_it_says_when_it_runs_out():
    """At the rate so far."""
    assert view(samples.busy()).today.caption == "Runs out 15:29"


@pytest.mark.parametrize(("hour", "minute", "shown"), [(0, 30, False), (0, 50, True)])
def test_no_pace_in_the_first_part_of_the_day(hour, minute, shown):
    """The first three percent say nothing."""
    early = datetime(2026, 11, 12, hour, minute, tzinfo=UTC)
    assert bool(pace(samples.today(0.02), early).words) is shown


def test_nothing_spent_has_no_pace():
    """No mark, no projection."""
    assert pace(samples.today(0.0), NOW) == Pace()


def test_spent_and_held_never_pass_the_end_of_the_meter():
    """Also where a provider charged more than its bound."""
    meter = meter_view(replace(samples.cap(12.0, 3.0), left=0), Pace())
    assert meter.spent + meter.held <= 1


@pytest.mark.parametrize(("spent", "level"), [(7.99, "calm"), (8.0, "warn"), (10.0, "full")])
def test_the_meter_warns_from_the_soft_mark(spent, level):
    """Calm under it, full at the end."""
    assert meter_view(samples.cap(spent), Pace()).level == level


def test_the_meter_says_its_value_as_a_sentence():
    """For a screen reader."""
    assert view().today.meter.sentence == (
        "$3.84 spent, $0.00 held, of $10.00; $6.16 left; on pace, about $6.34 by midnight"
    )


def test_an_overrun_is_said_in_the_meters_sentence():
    """A provider that charged more than its bound."""
    over = replace(samples.cap(3.84), overrun=dollars(0.5))
    assert "$0.50 was charged over a bound" in meter_view(over, Pace()).sentence


def test_the_chart_ends_at_now_with_todays_figure():
    """Its last point is the figure, its projection the pace."""
    chart = chart_view(samples.today(3.84), pace(samples.today(3.84), NOW), NOW)
    assert chart.points[0] == (0.0, 0.0)
    assert chart.points[-1] == pytest.approx((14.533 / 24, 3.84), abs=1e-3)
    assert (round(chart.end, 2), chart.cap, round(chart.top, 1)) == (6.34, 10.0, 10.6)
    assert chart.spoken == "Spend today: $3.84 at 14:32, cap $10.00"


def test_a_stale_chart_projects_nothing():
    """Nobody knows what happened since."""
    assert view(link=GONE).today.chart.end is None


def test_points_after_now_are_not_drawn():
    """A clock that was set back does not draw into the future."""
    late = replace(samples.today(3.84), points=[(AT + 9000, dollars(9))])
    assert len(chart_view(late, Pace(), NOW).points) == 2


def test_nothing_running_says_when_the_last_request_was():
    """One line instead of rows."""
    assert view().now.caption == "Nothing is running. Last request 2 min ago."


def test_running_requests_are_rows_with_time_and_money():
    """Agent and folder, model, tier, seconds, money or free."""
    rows = view(samples.busy()).now.rows
    assert [(row.title, row.model, row.tier, row.time, row.money) for row in rows] == [
        ("Claude Code · atlas", "claude-sonnet-4-5", "cloud", "0:14", "$0.06"),
        ("Codex · billing", "qwen3-32b at lab", "private", "0:08", "$0.00"),
        ("Aider · notes", "Qwen3 8B", "local", "0:08", "free"),
    ]
    assert rows[0].spoken == "Claude Code, claude-sonnet-4-5, cloud, running 14 seconds, $0.06 so far"
    assert rows[0].stop == "Stop Claude Code on claude-sonnet-4-5"


def test_the_counts_stand_above_the_rows():
    """Those that run, and those that wait for the person."""
    assert view(samples.busy()).now.caption == "3 running, 1 waiting for you"


def test_a_request_that_asks_is_no_row():
    """Its card stands above."""
    asking = replace(samples.busy().running[0], state="asking")
    assert view(replace(samples.busy(), running=[asking])).now.rows == ()


def test_a_queued_request_says_its_place():
    """Among those that wait for the same model."""
    first = replace(samples.busy().running[2], state="queued")
    second = replace(first, request="r-2")
    shown = view(replace(samples.busy(), running=[first, second])).now.rows
    assert [row.money for row in shown] == ["place 1 in line", "place 2 in line"]


def test_more_than_four_rows_are_counted():
    """A glance, not a list."""
    many = [replace(samples.busy().running[0], request=f"r{at}") for at in range(7)]
    shown = view(replace(samples.busy(), running=many)).now
    assert (len(shown.rows), shown.more) == (4, "and 3 more")


def test_where_it_ran_sums_to_a_hundred():
    """Whole percentages with a no-break space."""
    where = view().where
    assert [part.percent for part in where.parts] == ["61\u00a0%", "9\u00a0%", "30\u00a0%"]
    assert where.caption == "412 requests · about $2.95 saved"
    assert where.note.startswith("Against claude-sonnet-4-5 at its price of 3 Nov 2026.")


def test_agents_are_listed_by_what_they_spent():
    """The bar is relative to the largest; who did nothing today is left out."""
    agents = [samples.agent("A", 0.5), samples.agent("B", 2.0), samples.agent("C", 0.0, 3), samples.agent("D", 0.0, 0)]
    shown = view(replace(samples.calm(), agents=agents)).agents
    assert [(row.name, row.ratio, row.money) for row in shown.rows] == [
        ("B", 1.0, "$2.00"),
        ("A", 0.25, "$0.50"),
        ("C", 0.0, "free"),
    ]
    assert shown.folded == "3 agents, most B $2.00"


def test_more_than_four_agents_are_summed():
    """The rest in one line with its money."""
    agents = [samples.agent(f"a{at}", 1.0) for at in range(6)]
    assert view(replace(samples.calm(), agents=agents)).agents.more == "and 2 more, $2.00"


def test_loaded_models_show_memory_and_speed():
    """A model that is not in memory is left out; a loading one says so."""
    ready = samples.calm().models[0]
    models = [ready, replace(ready, name="B", state="loading", resident_bytes=0), replace(ready, state="unloaded")]
    shown = view(replace(samples.calm(), models=models)).loaded
    assert [(row.name, row.memory, row.speed) for row in shown] == [
        ("Qwen3 8B", "5.4 GB", "46 tok/s"),
        ("B", "", "Loading…"),
    ]


def test_a_broken_model_is_a_notice():
    """With its sentence, beside the gateway's own notices."""
    broken = replace(samples.calm().models[0], state="broken", sentence="It stopped three times.")
    shown = view(replace(samples.calm(), models=[broken], notices=["No keychain here."]))
    assert shown.notices == (NoticeView("No keychain here."), NoticeView("Qwen3 8B: It stopped three times."))


@pytest.mark.parametrize(
    ("until", "text"), [(0.0, "Claude Code is paused."), (AT + 1680, "Claude Code is paused until 15:00.")]
)
def test_a_paused_agent_is_said_and_can_be_resumed(until, text):
    """Not while its question is open, nor while all are paused: then another button resumes."""
    shown = samples.one_paused()
    agents = [replace(agent, paused_until=until if agent.paused else None) for agent in shown.agents]
    assert view(replace(shown, agents=agents)).notices == (NoticeView(text, "Claude Code"),)
    assert view(replace(shown, paused=True)).notices == ()
    asks = replace(samples.runaway(), agent="Claude Code")
    assert view(replace(shown, approvals=[asks])).notices == ()


def test_questions_are_cards_newest_first_and_two_at_most():
    """The rest is a number."""
    asked = [replace(samples.question(number=at), asked=AT + at) for at in range(4)]
    shown = view(replace(samples.busy(), approvals=asked))
    assert [card.question for card in shown.cards] == ["q3", "q2"]
    assert shown.more_cards == "and 2 more"


def test_a_stopped_gateway_leaves_the_last_values_stale():
    """What it means, since when, and one button."""
    shown = view(link=GONE)
    assert (shown.state, shown.stale, shown.today.caption) == ("Stopped", True, "As of 14:29")
    assert shown.banner.title == "The gateway is stopped"
    assert shown.banner.sentence == (
        "Agents get no answers until it runs. It stopped at 14:29; nothing was charged since."
    )
    assert (shown.banner.button, shown.banner.enabled) == ("Start gateway", True)
    assert (shown.pause.enabled, shown.now, shown.loaded, shown.cards) == (False, None, (), ())


def test_a_start_is_shown_and_cannot_be_asked_for_twice():
    """The button says so."""
    banner = view(link=replace(GONE, starting=True)).banner
    assert (banner.button, banner.enabled) == ("Starting…", False)


def test_a_failed_start_says_why():
    """Below the sentence."""
    assert view(link=replace(GONE, problem="It did not start: port 4477 is taken.")).banner.problem is not None


def test_a_short_loss_only_dates_the_values():
    """Under three seconds there is no banner."""
    shown = view(link=Link("lost", AT))
    assert (shown.banner, shown.today.caption) == (None, "As of 14:32")


def test_a_gateway_that_hangs_is_not_called_stopped():
    """It lives, so it cannot be started."""
    banner = view(link=replace(GONE, hangs=True)).banner
    assert (banner.title, banner.enabled) == ("The gateway is not answering", False)


def test_before_the_first_snapshot_values_are_unknown():
    """An en dash, and after a while a caption."""
    shown = popover_view(None, Link(slow=True), NOW)
    assert (shown.state, shown.today.figure, shown.today.caption) == ("Starting…", "\u2013", "Waiting for the gateway…")


def test_without_agents_the_popover_says_how_to_add_one():
    """Empty is a designed state."""
    shown = view(samples.empty())
    assert (shown.empty[0], shown.now, shown.where, shown.agents) == ("No agents yet", None, None, None)


def test_with_an_agent_but_no_request_the_address_is_said():
    """Where to point it."""
    fresh = replace(samples.empty(), agents=[samples.agent("Codex", 0.0, 0)])
    assert view(fresh).empty == ("No requests yet", "Point an agent at 127.0.0.1:4477/v1 and they show here.")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "Daily cap"),
        ({"window": "hour", "match": "codex"}, "Hourly cap of codex"),
        ({"scope": "request", "match": "r-1", "window": "once"}, "Cap for each request"),
        ({"scope": "session", "match": "s-1", "window": "session"}, "Session cap"),
        ({"window": "once"}, "One-time cap"),
        ({"window": "moon", "name": "moonlight"}, "moonlight"),
    ],
)
def test_a_cap_is_named_by_its_window(changes, text):
    """And by whom it is for."""
    assert title(replace(samples.cap(1), **changes)) == text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "The cap starts anew at midnight."),
        ({"ends": AT + 1680}, "The cap starts anew at 15:00."),
        ({"ends": None}, ""),
        ({"window": "session"}, ""),
    ],
)
def test_when_a_cap_starts_anew(changes, text):
    """Midnight by its name; nothing for what does not follow the clock."""
    assert anew(replace(samples.cap(1), **changes), NOW) == text


def test_what_was_added_to_a_cap_stands_apart():
    """The cap as it was set, then what was added for now."""
    today = view(samples.raised()).today
    assert (today.of, today.figure) == ("of $10.00 + $0.70", "$9.94")
    assert "$0.70 of it added by you" in today.meter.sentence


@pytest.mark.parametrize(
    ("action", "caption"),
    [
        ("ask", "Cap reached, local models still answer"),
        ("refuse", "Cap reached, local models still answer"),
        ("cheaper", "Cap reached, only free models answer"),
        ("defer", "Cap reached, background requests wait"),
    ],
)
def test_a_full_cap_says_what_happens_now(action, caption):
    """In a few words."""
    shown = replace(
        samples.full(), today=replace(samples.full().today, cap=replace(samples.cap(10.0), at_limit=action))
    )
    assert view(shown).today.caption == caption


@pytest.mark.parametrize(
    ("soft", "limit", "words"),
    [
        ("go", "ask", "At the limit you are asked."),
        ("cheaper", "shorten", "From 80\u00a0% on it goes to a cheaper model, at the limit it shortens the answer."),
        ("shorten", "defer", "From 80\u00a0% on it shortens the answer, at the limit background requests wait."),
        ("local", "refuse", "From 80\u00a0% on it goes to a local model, at the limit it refuses."),
        ("ask", "moon", "From 80\u00a0% on you are asked."),
    ],
)
def test_what_a_cap_does_is_said_in_words(soft, limit, words):
    """At the mark, then at the limit; an action that this tray does not know is left out."""
    assert actions(replace(samples.cap(1), at_soft=soft, at_limit=limit)) == words


def test_without_savings_only_the_sum_is_said():
    """An older gateway, or nothing to compare with."""
    day = replace(samples.today(3.84), savings=None)
    where = view(replace(samples.calm(), today=day)).where
    assert (where.caption, where.note) == ("412 requests · about $2.95 saved", "")
