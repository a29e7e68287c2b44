"""Spend: whatever the scope, the time and the zone, a report is the plain sum over the holds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, select

from pointsman.core.budget import Subject, window
from pointsman.core.errors import BadRequest
from pointsman.store import holds, spending
from pointsman.store.columns import table
from pointsman.store.holds import Books, Charge, HoldRequest, Reserved
from pointsman.store.rollup import DAY, NAMES, SPANS
from pointsman.store.spending import BY, SpendRow
from pointsman.store.tables import METADATA

SOAK = os.environ.get("POINTSMAN_SOAK") == "1"
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [BERLIN, ZoneInfo("Asia/Kathmandu"), ZoneInfo("America/St_Johns"), UTC, timezone(timedelta(minutes=7))]
START = datetime(2026, 10, 23, 21, 50, tzinfo=UTC).timestamp()  # Europe's clocks go back on the 25th
METERS = ("fresh_input", "cache_read", "cache_write_short", "cache_write_long", "output")
ENGINE = create_engine("sqlite://")
METADATA.create_all(ENGINE)


class Made(NamedTuple):
    """One hold, and how it ended."""

    at: float
    state: str
    request: int
    who: tuple[str, str | None, str, str, str, str, str]
    charge: int
    estimated: bool
    meters: tuple[int, ...]


@pytest.fixture
def books() -> Iterator[Connection]:
    """An empty ledger, rolled back at the end."""
    with ENGINE.connect() as connection:
        yield connection


def put(connection: Connection, number: int, made: Made) -> None:
    """Make a hold and end it."""
    person, project, label, agent, session, model, tier = made.who
    subject = Subject(
        person=person,
        project=project,
        label=label or None,
        agent=agent,
        session=session,
        task=f"{session}-{made.request % 2}",
        model=model,
        tier=tier,
        request=f"r{made.request}",
    )
    wanted = HoldRequest(
        id=f"h{number}",
        request=f"r{made.request}",
        attempt=1,
        subject=subject,
        target=model,
        amount=made.charge + 5,
        estimate=made.charge,
    )
    assert isinstance(holds.reserve(connection, Books(UTC, ""), wanted, made.at), Reserved)
    if made.state == "settled":
        meters = dict(zip(METERS, made.meters, strict=True))
        saved = made.charge // 2
        charge = Charge(amount=made.charge, estimated=made.estimated, saved=saved, **meters)
        holds.settle(connection, wanted.id, charge, made.at + 3)
    elif made.state == "refunded":
        holds.refund(connection, wanted.id, made.at + 3)


names = st.tuples(
    st.sampled_from(["ann", "bob"]),
    st.sampled_from([None, "web", "app"]),
    st.sampled_from(["", "team"]),
    st.sampled_from(["claude", "codex"]),
    st.sampled_from(["s1", "s2", "s3"]),
    st.sampled_from(["mini", "big"]),
    st.sampled_from(["local", "cloud"]),
)
moments = st.one_of(
    st.floats(START, START + 5 * DAY, allow_nan=False),
    st.integers(0, 5 * 96).map(lambda quarters: START - 300 + 900.0 * quarters),
)
tokens = st.integers(0, 10**6)
made = st.builds(
    Made,
    moments,
    st.sampled_from(["settled", "settled", "settled", "refunded", "open"]),
    st.integers(0, 9),
    names,
    st.integers(0, 10**7),
    st.booleans(),
    st.tuples(tokens, tokens, tokens, tokens, tokens),
)
ends = st.one_of(st.none(), moments)


def plain(connection: Connection, by: str, since: float | None, until: float | None, zone: tzinfo) -> list[SpendRow]:
    """The same report, added up hold by hold."""
    rows = connection.execute(select(table("holds"))).mappings().all()
    ended = sorted((row for row in rows if row["state"] == "settled"), key=lambda row: int(row["id"][1:]))
    last = {row["request"]: row["id"] for row in ended}
    sums: dict[str, dict[str, int]] = {}
    for row in rows:
        if (since is None or row["made"] >= since) and (until is None or row["made"] < until):
            name = window("day", row["made"], zone).key if by == "day" else row[by] or ""
            one = sums.setdefault(name, dict.fromkeys(SpendRow.__struct_fields__[1:], 0))
            if row["state"] == "open":
                one["held"] += row["amount"]
            if row["state"] == "settled":
                one["requests"] += last[row["request"]] == row["id"]
                one["amount"] += row["charge"]
                one["estimated"] += row["charge"] if row["estimated"] else 0
                one["saved"] += row["saved"]
                for meter in METERS:
                    one[meter] += row[meter]
                    one["tokens"] += row[meter]
    found = [SpendRow(name, **one) for name, one in sums.items() if any(one.values())]
    return sorted(found, key=lambda row: row.name if by == "day" else (-row.amount, row.name))


@settings(max_examples=2_000 if SOAK else 60)
@given(st.lists(made, max_size=25), ends, ends, st.sampled_from(ZONES))
def test_a_report_is_the_plain_sum_over_the_holds(
    each: list[Made], since: float | None, until: float | None, zone: tzinfo
) -> None:
    """Every scope, any time, any zone, to the micro-dollar and the token; and its total is that of every other."""
    with ENGINE.connect() as connection:
        for number, one in enumerate(each):
            put(connection, number, one)
        totals = set()
        for by in BY:
            found = spending.report(connection, by, since, until, zone)
            assert found.rows == plain(connection, by, since, until, zone)
            assert sum(row.requests for row in found.rows) == found.total.requests
            totals.add(found.total)
        assert len(totals) == 1


@settings(max_examples=500 if SOAK else 30)
@given(st.lists(made, max_size=25), moments, st.sampled_from(ZONES))
def test_a_day_is_that_days_report(each: list[Made], now: float, zone: tzinfo) -> None:
    """What the tray shows of today is what `spend` says of it, and the last point is what was spent."""
    with ENGINE.connect() as connection:
        for number, one in enumerate(each):
            put(connection, number, one)
        today = spending.day(connection, now, zone)
        rows = spending.report(connection, "agent", today.starts, today.ends, zone).rows
        assert today.by_agent == {row.name: row.amount for row in rows if row.requests or row.amount or row.tokens}
        assert (today.spent, today.held) == (sum(row.amount for row in rows), sum(row.held for row in rows))
        assert [total for _, total in today.points[-1:]] == ([today.spent] if today.spent else [])


def settled(at: float, session: str = "s1", charge: int = 10, request: int = 0) -> Made:
    """A charged hold."""
    who = ("ann", None, "", "claude", session, "mini", "cloud")
    return Made(at, "settled", request, who, charge, False, (1, 0, 0, 0, 1))


def test_a_request_is_counted_with_the_attempt_that_answered_it(books: Connection) -> None:
    """A local try that was escalated costs its tokens there, and the request counts where it went in the end."""
    first = settled(START, request=1)
    put(books, 0, first._replace(who=(*first.who[:5], "starter", "local"), charge=0))
    put(books, 1, settled(START + 1, request=1))
    rows = spending.report(books, "tier", None, None, UTC).rows
    assert [(row.name, row.requests, row.tokens) for row in rows] == [("cloud", 1, 2), ("local", 0, 2)]


def test_a_session_that_began_long_ago_is_cut_at_the_time_asked_for(books: Connection) -> None:
    """It is found although it began days before, and only what was made since then counts."""
    for day in range(4):
        put(books, day, settled(START + day * DAY, charge=1 + day, request=day))
    rows = spending.report(books, "session", START + 2.5 * DAY, None, UTC).rows
    assert [(row.name, row.amount) for row in rows] == [("s1", 4)]


def test_what_is_held_is_told_apart(books: Connection) -> None:
    """A session that has only open holds is there with nothing spent."""
    put(books, 0, settled(START)._replace(state="open"))
    report = spending.report(books, "session", None, None, UTC)
    assert [(row.name, row.amount, row.held) for row in report.rows] == [("s1", 0, 15)]
    assert (report.total.amount, report.total.held) == (0, 15)


def test_of_very_many_sessions_the_dearest_are_told(books: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is in the total, and it is said that there is more."""
    monkeypatch.setattr(spending, "MOST", 2)
    for number, charge in enumerate([5, 30, 10, 20]):
        put(books, number, settled(START + number, f"s{number}", charge, number))
    report = spending.report(books, "session", START, START + 10, UTC)
    assert [(row.name, row.amount) for row in report.rows] == [("s1", 30), ("s3", 20)]
    assert (report.more, report.total.amount) == (True, 65)


def test_many_are_read_in_the_order_of_their_cost(books: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where sorting them would take too long the same rows are found by their index."""
    for number, charge in enumerate([5, 30, 10, 20]):
        put(books, number, settled(START + number, f"s{number}", charge, number))
    sorted_rows = spending.report(books, "session", START, START + 10, UTC)
    monkeypatch.setattr("pointsman.store.spend_names._FEW", 1)
    assert spending.report(books, "session", START, START + 10, UTC) == sorted_rows


def test_a_day_of_many_charges_has_a_point_for_each_half_hour(
    books: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The points ascend to the sum and none lies in the future."""
    monkeypatch.setattr(spending, "_POINTS", 3)
    begin = datetime(2026, 11, 20, tzinfo=UTC).timestamp()
    for number in range(10):
        put(books, number, settled(begin + number * 400, charge=1, request=number))
    now = begin + 4000
    assert spending.day(books, now, UTC).points == [(begin + 1800, 5), (begin + 3600, 9), (now, 10)]


def test_the_sums_are_as_few_as_there_are_owners(books: Connection) -> None:
    """A hundred charges of one agent in an hour are one row for the hour, two for its halves, six for the day."""
    begin = datetime(2026, 11, 20, tzinfo=UTC).timestamp()
    for number in range(100):
        put(books, number, settled(begin + number * 36, request=number))
    assert len(books.execute(select(SPANS)).all()) == 9
    assert len(books.execute(select(NAMES)).all()) == 3


def test_a_refund_is_nothing(books: Connection) -> None:
    """No row is made for what was never sent."""
    put(books, 0, settled(START)._replace(state="refunded"))
    report = spending.report(books, "agent", None, None, UTC)
    assert (report.rows, report.total.requests) == ([], 0)
    assert books.execute(select(SPANS)).all() == []


def test_spend_by_what_nobody_knows(books: Connection) -> None:
    """The sentence lists what there is."""
    with pytest.raises(BadRequest, match='by "colour": use one of person'):
        spending.report(books, "colour", None, None, UTC)
