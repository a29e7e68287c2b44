"""`pointsman spend` and `pointsman prices`: what is asked of the gateway, and what a person reads."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from pointsman.wire import admin
from tests.cli.conftest import Ran
from tests.fakes.fake_admin import FakeAdmin

Run = Callable[..., Ran]
NOTHING = {"name": "", "requests": 0, "amount": 0, "tokens": 0}
ROW = {"name": "x", "requests": 2, "amount": 1_500_000, "tokens": 1200, "fresh_input": 1000, "output": 200}


def table(*rows: dict[str, Any], total: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """An answer of the gateway."""
    return {"by": "agent", "rows": list(rows), "total": total or NOTHING, "more": False, "savings": None} | more


def asked(door: FakeAdmin) -> admin.Spend:
    """What the gateway was asked."""
    sent = door.commands[-1]
    assert isinstance(sent, admin.Spend)
    return sent


def test_spend_has_a_total(run: Run, door: FakeAdmin) -> None:
    """The rows and then their sum; what is nothing everywhere has no column."""
    door.answers[admin.Spend] = table(ROW, total=ROW)
    assert run("spend").out.splitlines() == [
        "Agent  Requests  Input  Output  Spent",
        "x             2  1,000     200  $1.50",
        "Total         2  1,000     200  $1.50",
    ]


def test_spend_shows_all_meters_and_what_is_held_and_saved(run: Run, door: FakeAdmin) -> None:
    """Held is apart from spent, the estimated part is a share of it."""
    row = ROW | {"cache_read": 7, "cache_write_short": 8, "cache_write_long": 9, "held": 40_000}
    row |= {"estimated": 150_000, "saved": 2_000_000}
    door.answers[admin.Spend] = table(row, total=row)
    assert run("spend").out.splitlines()[:2] == [
        "Agent  Requests  Input  Cache read  Cache write 5m  Cache write 1h  Output  Saved  Estimated   Held  Spent",
        "x             2  1,000           7               8               9     200  $2.00        10%  $0.04  $1.50",
    ]


def test_a_little_that_is_estimated_is_not_nothing(run: Run, door: FakeAdmin) -> None:
    """Under one percent says so; a row without any says nothing."""
    row = ROW | {"estimated": 1}
    door.answers[admin.Spend] = table(row, ROW | {"name": "y"}, total=row)
    lines = run("spend").out.splitlines()
    assert "<1%" in lines[1]
    assert "%" not in lines[2]


def test_spend_says_what_was_saved_and_that_there_is_more(run: Run, door: FakeAdmin) -> None:
    """The sentences are the gateway's."""
    savings = {"saved": 1, "against": "gpt", "sentence": "The machine pays for itself."}
    door.answers[admin.Spend] = table(ROW, total=ROW, more=True, savings=savings)
    assert run("spend").out.splitlines()[-2:] == [
        "Only the 1 dearest are shown; the total is that of all.",
        "The machine pays for itself.",
    ]


def test_without_a_date_it_is_today(run: Run, door: FakeAdmin) -> None:
    """From local midnight; by day it is the last thirty days, today among them."""
    door.answers[admin.Spend] = table()
    run("spend")
    today = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    assert asked(door).since == today.timestamp()
    run("spend", "--by", "day")
    begins = asked(door).since
    assert begins is not None
    assert (today.date() - datetime.fromtimestamp(begins).astimezone().date()).days == 29


def test_a_span_is_counted_from_now(run: Run, door: FakeAdmin) -> None:
    """7d is a week ago to the second, 24h until then is a day ago."""
    door.answers[admin.Spend] = table()
    before = time.time()
    run("spend", "--since", "7d", "--until", "24h")
    sent = asked(door)
    assert sent.since is not None
    assert sent.until is not None
    assert before - 7 * 86400 <= sent.since <= time.time() - 7 * 86400
    assert sent.until - sent.since == pytest.approx(6 * 86400, abs=60)


def test_until_a_date_takes_in_the_whole_day(run: Run, door: FakeAdmin) -> None:
    """From a date until the same date is one local day."""
    door.answers[admin.Spend] = table(by="day")
    run("spend", "--by", "day", "--since", "2026-11-20", "--until", "2026-11-20")
    sent = asked(door)
    assert sent.since is not None
    assert sent.until is not None
    assert sent.until - sent.since == 86400


@pytest.mark.parametrize("wrong", ["yesterday", "7", "2026-13-01", "7 days", "-3d"])
def test_a_wrong_time_is_one_sentence(run: Run, wrong: str) -> None:
    """It names what was written and what to write instead."""
    ran = run("spend", f"--since={wrong}")
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert f"{wrong!r} is not a date; write one such as 2026-11-20" in ran.err


def test_json_is_what_the_gateway_said(run: Run, door: FakeAdmin) -> None:
    """Also fields that this command does not know."""
    door.answers[admin.Spend] = table() | {"new": 1}
    assert '"new": 1' in run("spend", "--json").out


PRICE = {
    "target": "gpt", "tier": "cloud", "known": True, "source": "genai-prices 0.2.3", "dated": "2026-11-01",
    "input": 250_000, "cache_read": 25_000, "cache_write_short": 250_000, "cache_write_long": 250_000,
    "output": 2_000_000, "per_request": 12_000, "above": [272_000],
}  # fmt: skip


def test_prices_are_told_with_source_and_date(run: Run, door: FakeAdmin) -> None:
    """Dollars per million tokens, and what else a request costs."""
    door.answers[admin.Prices] = {"rows": [PRICE], "price_list": "genai-prices 0.2.3 2026-11-20"}
    lines = run("prices", "gpt").out.splitlines()
    assert lines[1].split("  ")[0] == "gpt"
    for part in ("$0.25", "$0.025", "$2.00", "$0.012 a request, more above 272,000 tokens", "2026-11-01"):
        assert part in lines[1]
    assert lines[-1].startswith("The list: genai-prices 0.2.3 2026-11-20.")
    assert door.commands == [admin.Prices("gpt")]


def test_a_model_without_a_price_says_so(run: Run, door: FakeAdmin) -> None:
    """It is never shown as free."""
    row = {"target": "new", "tier": "cloud", "known": False, "source": "", "dated": ""}
    door.answers[admin.Prices] = {"rows": [row], "price_list": "l"}
    assert "unknown: you are asked" in run("prices").out
    assert "$" not in run("prices").out


def test_prices_refresh_fetches_once(run: Run, door: FakeAdmin) -> None:
    """It is a command of its own to the gateway, and says what is in use then."""
    door.answers[admin.RefreshPrices] = {"price_list": "genai-prices, refreshed 2026-11-21", "models": 2330}
    assert "genai-prices, refreshed 2026-11-21 is in use, with 2,330 models." in run("prices", "refresh").out
    assert door.commands == [admin.RefreshPrices()]
