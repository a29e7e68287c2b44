"""How long the dashboard's questions and a reserve take on a ledger of ten million requests.

    python -m tests.bench.ledger [--rows 10000000] [--folder DIR]

Makes a year of data in a temporary folder (about 2 KB a request; it looks for room first), asks, and deletes it.
Times are milliseconds: the first time, the median and the worst of nine more, and the processor's own median, which
counts on a machine that does other things as well.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pointsman.core.budget import Cap, Subject, window
from pointsman.store.audit import Audit
from pointsman.store.columns import table
from pointsman.store.counters import Counters
from pointsman.store.db import Database
from pointsman.store.ledger import Charge, HoldRequest, Ledger
from pointsman.store.rollup import DAY, HALF, HOUR, OWNERS, SUMS
from pointsman.store.settings import Agents
from pointsman.store.spending import BY

ZONE = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 20, 18, 40, tzinfo=ZONE).timestamp()
YEAR = 365 * DAY
AGENTS = ("Claude Code", "Codex", "OpenCode", "Goose", "Crush", "Kilo")
BYTES_EACH = 2_200
CAPS = (
    Cap(id="c1", name="daily", scope="everything", window="day", limit=10**12),
    Cap(id="c2", name="each agent", scope="agent", window="week", limit=10**12),
    Cap(id="c3", name="each project", scope="project", window="month", limit=10**12),
    Cap(id="c4", name="each session", scope="session", window="session", limit=10**12),
)
RATES = '{"input":2500000,"cache_read":250000,"cache_write_short":2500000,"cache_write_long":2500000,"output":15000000}'
PLAN = '{"attempts":[{"target":"gpt-5.4","tier":"cloud","about":4210,"at_most":61200,"ask":null}],"dropped":[],"failed":[]}'

# Request n: five sessions run side by side, 250 requests each, about 12 to a task; a session uses three of ten models.
REQUESTS = f"""
WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n + 1 < :rows),
a AS (SELECT n, :start + n * (:span / :rows) AS made, n / 1250 * 5 + n % 5 AS session FROM n),
b AS (SELECT *, (session * 7 + n % 3) % 10 AS m, session / 40 % 40 AS project FROM a),
r AS (SELECT *, CASE WHEN m < 3 THEN 'local' WHEN m = 3 THEN 'private' ELSE 'cloud' END AS tier,
      'model-' || m AS model, printf('s%08d', session) AS s, CASE session % 6 {
    "".join(f" WHEN {at} THEN '{name}'" for at, name in enumerate(AGENTS))
} END AS agent FROM b)
"""
HOLD: dict[str, str] = {
    "id": "printf('h%012d', n)",
    "gateway": "'g'",
    "request": "printf('r%012d', n)",
    "attempt": "1",
    "state": "CASE WHEN n % 50 = 0 THEN 'refunded' ELSE 'settled' END",
    "made": "made",
    "ended": "made + 4",
    "person": "'ann'",
    "project": "'/home/ann/src/project-' || project",
    "label": "CASE project % 4 WHEN 0 THEN NULL ELSE 'team-' || project % 4 END",
    "agent": "agent",
    "session": "s",
    "task": "printf('%s-%02d', s, n % 1250 / 60)",
    "model": "model",
    "tier": "tier",
    "target": "model",
    "price_source": "'genai-prices 0.2.3, 2026-11-20'",
    "price": f"'{RATES}'",
    "amount": "60000",
    "estimate": "5000",
    "counts": "n % 50 > 0",
    "charge": "CASE WHEN tier = 'cloud' AND n % 50 > 0 THEN 200 + n % 9973 ELSE 0 END",
    "saved": "CASE WHEN tier = 'cloud' OR n % 50 = 0 THEN 0 ELSE 100 + n % 997 END",
    "estimated": "n % 100 = 1",
    "fresh_input": "CASE WHEN n % 50 > 0 THEN 100 + n % 4001 ELSE 0 END",
    "cache_read": "CASE WHEN n % 50 > 0 THEN n % 20011 ELSE 0 END",
    "output": "CASE WHEN n % 50 > 0 THEN 20 + n % 701 ELSE 0 END",
    "why": "''",
}
AUDIT: dict[str, str] = HOLD | {
    "seq": "n + 1",
    "at": "made",
    "kind": "'request'",
    "model_asked": "'auto'",
    "provider": "'openai'",
    "region": "NULL",
    "class_": "'chat'",
    "sensitivity": "'public'",
    "consent": "''",
    "outcome": "CASE WHEN n % 50 = 0 THEN 'failed' ELSE 'done' END",
    "reason": "'auto: chat of 4000 tokens is simple work'",
    "code": "NULL",
    "plan": f"'{PLAN}'",
    "queue_ms": "1.5",
    "counted": "'request' || char(31) || agent || char(31) || model || char(31)"
    " || CASE WHEN n % 50 = 0 THEN 'failed' ELSE 'done' END || char(31) || char(31)",
    "first_token_ms": "420.0",
    "latency_ms": "4000.0",
    "tokens_per_second": "50.0",
    "finish": "'stop'",
    "bytes_sent": "16000",
    "peak_memory": "NULL",
    "validators": "'{}'",
    "cost": "CASE WHEN tier = 'cloud' AND n % 50 > 0 THEN 200 + n % 9973 ELSE 0 END",
    "held": "60000",
    "detail": "'{}'",
    "previous": "hex(randomblob(32))",
    "hash": "hex(randomblob(32))",
}


def main() -> None:
    """Make, ask, print, delete."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        free, needed = shutil.disk_usage(name).free, given.rows * BYTES_EACH
        if free < needed * 1.5:
            parser.error(f"{name} has {free >> 30} GB free, and {given.rows} requests need {needed >> 30}.")
        path = Path(name) / "pointsman.sqlite3"
        make(path, given.rows)
        asyncio.run(measure(path, Path(name) / "empty.sqlite3"))


def make(path: Path, rows: int) -> None:
    """A ledger and an audit of a year, that ends now."""
    began = time.perf_counter()
    Database.open(path).close()
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA journal_mode = OFF").close()
        file.execute("PRAGMA synchronous = OFF")
        file.execute("PRAGMA cache_size = -1000000")
        file.execute("PRAGMA temp_store = MEMORY")
        for name, values in (("holds", HOLD), ("audit", AUDIT)):
            columns = [column.name for column in table(name).columns]
            chosen = ", ".join(values.get(column, "0") for column in columns)
            given = {"rows": rows, "start": NOW - YEAR, "span": float(YEAR)}
            file.execute(f"{REQUESTS} INSERT INTO {name} ({', '.join(columns)}) SELECT {chosen} FROM r", given)
            print(f"{name}: {rows} rows after {time.perf_counter() - began:.0f} s", flush=True)
        add_up(file)
        file.commit()
    print(f"{path.stat().st_size / 2**30:.1f} GB after {time.perf_counter() - began:.0f} s", flush=True)


def add_up(file: sqlite3.Connection) -> None:
    """The sums that the store keeps with each charge."""
    own = {"requests": "counts", "paid": "charge > 0", "busy_ms": "4000", "estimated": "charge * estimated"}
    sums = ", ".join(f"sum({own.get(name, name)})" for name in SUMS)
    settled = f"{sums} FROM holds WHERE state = 'settled' GROUP BY"
    owners = ", ".join(f"coalesce({name}, '')" for name in OWNERS)
    hour = f"CAST(made / {HOUR} AS INTEGER) * {HOUR}"
    half = f"CAST(made / {HALF} AS INTEGER) * {HALF}"
    file.execute(f"INSERT INTO spend_spans SELECT {HOUR}, '', {hour}, {owners}, {settled} 3, 4, 5, 6, 7, 8, 9")
    file.execute(f"INSERT INTO spend_spans SELECT {HALF}, '', {half}, '', '', '', '', '', '', {settled} 3")
    hours = f"{', '.join(f'sum({name})' for name in SUMS)} FROM spend_spans WHERE seconds = {HOUR} GROUP BY"
    for name in OWNERS:
        others = ", ".join(other if other == name else "''" for other in OWNERS)
        day = f"starts / {DAY} * {DAY}, {others}"
        file.execute(f"INSERT INTO spend_spans SELECT {DAY}, '{name}', {day}, {hours} {day}")
    hour = f"CAST(at / {HOUR} AS INTEGER) * {HOUR}"
    file.execute(f"INSERT INTO fares SELECT {hour}, counted, count(*) FROM audit GROUP BY 1, 2")
    file.execute("INSERT INTO audit_head SELECT 1, max(seq), 'x', max(seq) FROM audit")
    for kind in ("session", "task"):
        span = "min(made), max(made), max(made) - min(made) > 86400"
        file.execute(f"INSERT INTO spend_names SELECT '{kind}', {kind}, {span}, {settled} {kind}")


async def measure(path: Path, empty: Path) -> None:
    """Print a table of times."""
    db = Database.open(path)
    ledger, audit, counters = Ledger(db, ZONE), Audit(db), Counters(db)
    for agent in AGENTS:
        await Agents(db).add(agent, f"digest {agent}", "abcd", NOW)
    midnight = window("day", NOW, ZONE).starts or 0.0
    since = {"today": midnight, "7 days": NOW - 7 * DAY, "30 days": NOW - 30 * DAY, "a year": NOW - YEAR}
    print(f"{'':32}   first  median   worst     cpu")
    for by in BY:
        for name, moment in since.items():
            await ask(f"spend by {by}, {name}", lambda by=by, moment=moment: ledger.spend(by, moment))
    await ask("spend by model, a past month", lambda: ledger.spend("model", NOW - 100.3 * DAY, NOW - 70.2 * DAY))
    await ask("spend by task, a past month", lambda: ledger.spend("task", NOW - 100.3 * DAY, NOW - 70.2 * DAY))
    await ask("today with its chart", lambda: ledger.day(NOW))
    await ask("today's counts", lambda: audit.day(midnight))
    await ask("caps and their accounts", lambda: ledger.accounts(NOW))
    await ask("the newest 50 rows of the audit", lambda: audit.newest(50))
    await ask("the newest 50 of one agent", lambda: audit.newest(50, AGENTS[0]))
    await ask("counters, today", lambda: counters.between(midnight))
    await ask("counters, 7 days", lambda: counters.between(since["7 days"]))
    await ask("counters, a year", lambda: counters.between(since["a year"]))
    db.close()
    await reserves(path, empty)


async def ask(what: str, question: Callable[[], Any]) -> None:
    """Ask ten times."""
    times, work = [], []
    for _ in range(10):
        began, worked = time.perf_counter(), time.process_time()
        await question()
        times.append((time.perf_counter() - began) * 1000)
        work.append((time.process_time() - worked) * 1000)
    first, *more = times
    figures = first, statistics.median(more), max(more), statistics.median(work)
    print(f"{what:32}{''.join(f'{figure:8.1f}' for figure in figures)}", flush=True)


async def reserves(path: Path, empty: Path) -> None:
    """Reserves and settles in sessions that are known and in new ones, microseconds each, on both ledgers."""
    print(f"\n{'microseconds, median':32}   empty    full   ratio")
    small, full = Database.open(empty), Database.open(path)
    runs = [[], []]
    for _ in range(5):
        for found, db in zip(runs, (small, full), strict=True):
            found.append(await money(db, len(found)))
    for what in runs[0][0]:
        one, ten = (statistics.median(run[what] for run in found) for found in runs)
        print(f"{what:32} {one:7.0f} {ten:7.0f} {ten / one:7.2f}")
    small.close()
    full.close()


async def money(db: Database, turn: int) -> dict[str, float]:
    """The median cost of each step, in the writer's own thread and transaction, over 400 requests."""
    ledger = Ledger(db, ZONE, "g")
    for cap in CAPS:
        await ledger.set_cap(cap, NOW)
    times: dict[str, list[float]] = {}
    for number in range(400):
        new = number % 4 == 0
        hold = wanted(f"x{turn}-{number}", f"new-{turn}-{number // 4}")
        for what, step in (
            (f"reserve, {'new' if new else 'known'} session", lambda hold=hold: ledger.reserve(hold, NOW)),
            ("settle", lambda hold=hold: ledger.settle(hold.id, Charge(amount=900, estimated=False, output=9), NOW)),
        ):
            began = time.perf_counter()
            await step()
            times.setdefault(what, []).append((time.perf_counter() - began) * 1e6)
    return {what: statistics.median(each) for what, each in times.items()}


def wanted(name: str, session: str) -> HoldRequest:
    """A request of a session."""
    subject = Subject(
        person="ann", project="/home/ann/src/project-7", label=None, agent=AGENTS[0], session=session,
        task=session, model="model-9", tier="cloud", request=name,
    )  # fmt: skip
    return HoldRequest(
        id=name, request=name, attempt=1, subject=subject, target="model-9", amount=1000, estimate=500, price=RATES
    )


if __name__ == "__main__":
    main()
