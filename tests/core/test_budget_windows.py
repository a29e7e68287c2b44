"""Windows of caps: the person's calendar, with everything that clocks do to it."""

from __future__ import annotations

import bisect
from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pointsman.core.budget import WINDOWS, Window, window

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",  # went back from midnight to 23:00
    "America/Havana",  # has a midnight that comes twice
    "America/St_Johns",  # went back from 00:01 to 23:01 of the day before
    "Asia/Beirut",  # skips midnight
    "Asia/Kathmandu",  # +05:45
    "Asia/Kolkata",  # +05:30
    "Australia/Lord_Howe",  # changes by half an hour
    "Antarctica/Troll",  # changes by two hours
    "Africa/Monrovia",  # skipped 44 minutes and a half, over midnight
    "Africa/Casablanca",  # changes around each Ramadan
    "Pacific/Apia",  # had no 30th of December 2011
    "Pacific/Chatham",  # +12:45, and changes at 02:45
)
CALENDAR = [kind for kind in WINDOWS if kind not in {"once", "session"}]


def at(zone: ZoneInfo, *clock: int) -> float:
    """A moment on that zone's clock."""
    return datetime(*clock, tzinfo=zone).timestamp()  # type: ignore[arg-type, misc]


def offset(moment: float, place: ZoneInfo) -> object:
    """How far the zone is from UTC then."""
    return datetime.fromtimestamp(moment, place).utcoffset()


def change(day: int, place: ZoneInfo) -> float:
    """The second of this day of UTC from which on the offset is that of the next."""
    new = offset(day + 86_400, place)
    return float(day + bisect.bisect_left(range(86_401), 1, key=lambda second: offset(day + second, place) == new))


@cache
def changes(name: str) -> list[float]:
    """The moments from 1970 to 2040 at which this zone's clocks change, found by looking at each day."""
    place = ZoneInfo(name)
    days = range(0, 2_208_988_800, 86_400)
    return [change(day, place) for day in days if offset(day, place) != offset(day + 86_400, place)]


@st.composite
def moments(draw: st.DrawFn) -> tuple[str, float]:
    """A zone, and any moment, or one within three hours of a change of its clocks."""
    zone = draw(st.sampled_from(ZONES))
    known = changes(zone)
    if known and draw(st.booleans()):
        return zone, draw(st.sampled_from(known)) + draw(st.floats(-10_800, 10_800))
    return zone, draw(st.floats(0, 4e9))


@pytest.mark.parametrize(
    ("kind", "key", "starts", "ends"),
    [
        ("hour", "2026-11-20T14+0100", (2026, 11, 20, 14), (2026, 11, 20, 15)),
        ("day", "2026-11-20", (2026, 11, 20), (2026, 11, 21)),
        ("week", "2026-W47", (2026, 11, 16), (2026, 11, 23)),
        ("month", "2026-11", (2026, 11, 1), (2026, 12, 1)),
    ],
)
def test_windows_follow_the_local_calendar(kind: str, key: str, starts: tuple[int, ...], ends: tuple[int, ...]) -> None:
    """A Friday afternoon in Berlin falls into its own hour, day, week from Monday, and month."""
    found = window(kind, at(BERLIN, 2026, 11, 20, 14, 30), BERLIN)
    wanted = [datetime(*clock, tzinfo=BERLIN).timestamp() for clock in (starts, ends)]  # type: ignore[arg-type, misc]
    assert found == Window(key, *wanted)


@pytest.mark.parametrize(("day", "hours"), [(29, 23), (28, 24)])
def test_a_day_is_short_when_clocks_go_forward(day: int, hours: int) -> None:
    """The last Sunday in March has 23 hours in Berlin; the day before has 24."""
    found = window("day", at(BERLIN, 2026, 3, day, 12), BERLIN)
    assert found.starts is not None and found.ends is not None
    assert found.ends - found.starts == hours * 3600


def test_the_hour_that_comes_twice_is_two_windows() -> None:
    """When clocks go back, both hours that are called two have an account of their own."""
    first = at(BERLIN, 2026, 10, 25, 2, 30)
    keys = [window("hour", moment, BERLIN).key for moment in (first, first + 3600)]
    assert keys == ["2026-10-25T02+0200", "2026-10-25T02+0100"]


def test_the_half_hour_that_comes_twice_on_lord_howe() -> None:
    """At two the clocks go back to half past one: the hour of one o'clock is whole, then comes half an hour more."""
    place = ZoneInfo("Australia/Lord_Howe")
    change = datetime(2026, 4, 4, 15, tzinfo=UTC).timestamp()
    before, after = window("hour", change - 1, place), window("hour", change, place)
    assert (before.key, before.starts, before.ends) == ("2026-04-05T01+1100", change - 3600, change)
    assert (after.key, after.starts, after.ends) == ("2026-04-05T01+1030", change, change + 1800)


def test_an_hour_of_a_half_hour_zone_begins_with_its_clock() -> None:
    """In India hours begin when it is half past in London."""
    found = window("hour", datetime(2026, 11, 20, 12, 45, tzinfo=UTC).timestamp(), ZoneInfo("Asia/Kolkata"))
    starts = datetime(2026, 11, 20, 12, 30, tzinfo=UTC).timestamp()
    assert found == Window("2026-11-20T18+0530", starts, starts + 3600)


def test_a_day_without_midnight_begins_when_the_clocks_change() -> None:
    """Beirut goes from 23:59:59 to 01:00: the day begins at that moment."""
    beirut = ZoneInfo("Asia/Beirut")
    found = window("day", at(beirut, 2026, 3, 29, 12), beirut)
    assert found.starts == datetime(2026, 3, 28, 22, tzinfo=UTC).timestamp()


def test_a_day_that_began_goes_on_where_clocks_go_back_over_its_midnight() -> None:
    """In Newfoundland in 2006 it was Sunday for a minute, then Saturday again for an hour, which is counted as Sunday."""
    place = ZoneInfo("America/St_Johns")
    sunday = at(place, 2006, 10, 29)
    keys = [window("day", sunday + second, place).key for second in (-1, 0, 59, 60, 3_600, 3_720)]
    assert keys == ["2006-10-28"] + ["2006-10-29"] * 5


def test_a_day_that_a_zone_left_out_has_no_window() -> None:
    """Samoa went from the 29th to the 31st of December 2011."""
    place = ZoneInfo("Pacific/Apia")
    last = window("day", at(place, 2011, 12, 29, 12), place)
    assert last.ends is not None
    assert window("day", last.ends, place).key == "2011-12-31"


def test_a_year_that_ends_in_the_next_years_week() -> None:
    """The last days of 2024 belong to the first week of 2025, and December ends with the year."""
    moment = at(BERLIN, 2024, 12, 31, 12)
    assert window("week", moment, BERLIN).key == "2025-W01"
    assert window("month", moment, BERLIN).ends == at(BERLIN, 2025, 1, 1)


@pytest.mark.parametrize("kind", ["once", "session"])
def test_lives_have_no_calendar(kind: str) -> None:
    """A window without a calendar never ends."""
    assert window(kind, 0.0, BERLIN) == Window(kind, None, None)


def test_an_unknown_window_is_a_mistake_of_ours() -> None:
    """`check` keeps such caps out of the store, so this never reaches a person."""
    with pytest.raises(ValueError, match="fortnight"):
        window("fortnight", 0.0, BERLIN)


@given(moment=moments(), kind=st.sampled_from(CALENDAR))
@example(("America/St_Johns", 1162092600.0), "day")
@example(("Australia/Lord_Howe", 1775314799.5), "hour")
@example(("Europe/Berlin", 323830799.99999994), "hour")  # sums of such floats are rounded into the next hour
def test_a_window_holds_its_moment_and_its_neighbour_begins_where_it_ends(moment: tuple[str, float], kind: str) -> None:
    """Windows cover time without gap or overlap, in every zone and around every change of its clocks."""
    place, now = ZoneInfo(moment[0]), moment[1]
    found = window(kind, now, place)
    assert found.starts is not None and found.ends is not None
    assert found.starts <= now < found.ends
    following = window(kind, found.ends, place)
    assert following.starts == found.ends
    assert following.key != found.key


@given(moment=moments(), kind=st.sampled_from(CALENDAR), part=st.floats(0, 1, exclude_max=True))
def test_each_moment_of_a_window_is_in_the_same_window(moment: tuple[str, float], kind: str, part: float) -> None:
    """Wherever in it the clock jumps to, or the machine wakes up, the account is the same."""
    place = ZoneInfo(moment[0])
    found = window(kind, moment[1], place)
    assert found.starts is not None and found.ends is not None
    inside = min(found.starts + part * (found.ends - found.starts), found.ends - 1e-6)
    assert window(kind, inside, place) == found
