"""Every table of the store. Money is integer micro-dollars, times are Unix seconds, flags are 0 or 1.

Who changes one writes columns.py anew, from which statements are made: `python -m pointsman.store.mirror`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Index, MetaData, UniqueConstraint, event, text
from sqlmodel import Field, SQLModel

from pointsman.store.kinds import ATTEMPT, CHANGE, REAL, TEXT, WHOLE

METADATA: MetaData = SQLModel.metadata
_STRICT = {"sqlite_strict": True}
_BY_KEY = _STRICT | {"sqlite_with_rowid": False}  # rows lie in the order of their key: a range is read in one go


@event.listens_for(METADATA, "before_create")
def _partial(_: MetaData, connection: Connection, **_more: object) -> None:
    """PostgreSQL's indexes over some rows are SQLite's. Said here, as each index would load that dialect at every start."""
    if connection.dialect.name == "postgresql":
        for index in (index for one in METADATA.tables.values() for index in one.indexes):
            index.dialect_options["postgresql"]["where"] = index.dialect_options["sqlite"]["where"]


def _text(**kinds: Any) -> Any:
    return Field(sa_type=TEXT, **kinds)


def _whole(**kinds: Any) -> Any:
    return Field(sa_type=WHOLE, **kinds)


def _real(**kinds: Any) -> Any:
    return Field(sa_type=REAL, **kinds)


class CapRow(SQLModel, table=True):
    """A cap. `made` is when it, in this shape, came to be: a cap of window "once" counts from there."""

    __tablename__ = "caps"
    __table_args__ = _STRICT
    id: str = _text(primary_key=True)
    name: str = _text(unique=True)
    scope: str = _text()
    match: str = _text()
    window: str = _text()
    limit: int = _whole()
    soft_percent: int = _whole()
    at_soft: str = _text()
    at_limit: str = _text()
    made: float = _real()


class AccountRow(SQLModel, table=True):
    """One cap, for one value of its scope, in one window."""

    __tablename__ = "accounts"
    __table_args__ = (
        UniqueConstraint("cap", "key", "window"),
        Index("accounts_newest", "cap", "window", "opened"),
        _STRICT,
    )
    id: int | None = _whole(default=None, primary_key=True)
    cap: str = _text(foreign_key="caps.id", ondelete="CASCADE")
    key: str = _text()
    window: str = _text()
    starts: float | None = _real()
    ends: float | None = _real()
    opened: float = _real()
    spent: int = _whole()
    held: int = _whole()
    raised: int = _whole()
    overrun: int = _whole()


class HoldRow(SQLModel, table=True):
    """One attempt's money: held at `made`, charged at `ended`. It stays for good: reports are made from it.

    `gateway` is the one that made it; `price` is JSON of the rates that the charge was reckoned with; `counts`
    is 1 for the one charged hold with which its request is counted, the latest.
    """

    __tablename__ = "holds"
    __table_args__ = (
        Index("holds_made", "made"),
        Index("holds_request", "request"),
        Index("holds_session", "session"),
        Index("holds_task", "task"),
        Index("holds_open", "state", sqlite_where=text("state = 'open'")),
        _STRICT,
    )
    id: str = _text(primary_key=True)
    gateway: str = _text()
    request: str = _text()
    attempt: int = _whole()
    state: str = _text()
    made: float = _real()
    ended: float | None = _real()
    person: str = _text()
    project: str | None = _text()
    label: str | None = _text()
    agent: str = _text()
    session: str = _text()
    task: str = _text()
    model: str = _text()
    tier: str = _text()
    target: str = _text()
    price_source: str = _text()
    price: str = _text()
    amount: int = _whole()
    estimate: int = _whole()
    counts: int = _whole(default=0)
    charge: int = _whole()
    saved: int = _whole()
    estimated: int = _whole()
    fresh_input: int = _whole()
    cache_read: int = _whole()
    cache_write_short: int = _whole()
    cache_write_long: int = _whole()
    output: int = _whole()
    why: str = _text()


class PledgeRow(SQLModel, table=True):
    """An open hold's part in one account, with what a grant lent it there. Gone when the hold ends: there are few."""

    __tablename__ = "pledges"
    __table_args__ = _BY_KEY
    hold: str = _text(primary_key=True, foreign_key="holds.id")
    account: int = _whole(primary_key=True, foreign_key="accounts.id", ondelete="CASCADE")
    lent: int = _whole()
    lender: str | None = _text()


class GrantRow(SQLModel, table=True):
    """A permission to pass a cap, or that a person raised it. `taken` is the request that one for a request went to.

    `window` is empty, but for a standing allowance: the window of the account for which this one was made, once.
    """

    __tablename__ = "grants"
    __table_args__ = (
        Index("grants_binding", "cap", "key", "binding"),
        Index(
            "grants_standing",
            *("cap", "key", "binding", "window"),
            unique=True,
            sqlite_where=text("\"window\" <> ''"),
        ),
        _STRICT,
    )
    id: str = _text(primary_key=True)
    cap: str = _text(foreign_key="caps.id", ondelete="CASCADE")
    key: str = _text()
    binding: str = _text()
    window: str = _text()
    given: int = _whole()
    amount: int = _whole()
    made: float = _real()
    expires: float = _real()
    taken: str | None = _text()
    revoked: int = _whole()


class AuditRow(SQLModel, table=True):
    """What happened, chained by hashes."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("audit_agent", "agent"),
        Index("audit_request", "request"),
        Index("audit_counted", "at", "kind", "agent", "tier", "saved", "counted"),
        Index("audit_changes", "kind", sqlite_where=text(CHANGE)),
        Index("audit_attempts", "at", sqlite_where=text(ATTEMPT)),
        _STRICT,
    )
    seq: int | None = _whole(default=None, primary_key=True)
    at: float = _real()
    kind: str = _text()
    request: str | None = _text()
    attempt: int = _whole()
    agent: str | None = _text()
    session: str | None = _text()
    task: str | None = _text()
    person: str | None = _text()
    project: str | None = _text()
    label: str | None = _text()
    model_asked: str | None = _text()
    target: str | None = _text()
    provider: str | None = _text()
    region: str | None = _text()
    tier: str | None = _text()
    class_: str | None = _text()
    sensitivity: str | None = _text()
    consent: str = _text()
    outcome: str = _text()
    reason: str = _text()
    code: str | None = _text()
    plan: str = _text()
    fresh_input: int = _whole()
    cache_read: int = _whole()
    cache_write_short: int = _whole()
    cache_write_long: int = _whole()
    output: int = _whole()
    estimated: int = _whole()
    queue_ms: float | None = _real()
    first_token_ms: float | None = _real()
    latency_ms: float | None = _real()
    tokens_per_second: float | None = _real()
    finish: str | None = _text()
    bytes_sent: int = _whole()
    peak_memory: int | None = _whole()
    validators: str = _text()
    cost: int = _whole()
    held: int = _whole()
    saved: int = _whole()
    price_source: str = _text()
    price: str = _text()
    detail: str = _text()
    counted: str = _text()
    previous: str = _text()
    hash: str = _text()


class AuditHeadRow(SQLModel, table=True):
    """The newest link of the audit's chain, so that rows cut off its end are missed; rows up to `fared` are in `fares`."""

    __tablename__ = "audit_head"
    __table_args__ = _STRICT
    id: int = _whole(primary_key=True)
    seq: int = _whole()
    hash: str = _text()
    fared: int = _whole(default=0)


class FareRow(SQLModel, table=True):
    """How many rows of the audit that happened in one hour of UTC time fared alike, as `counted` tells."""

    __tablename__ = "fares"
    __table_args__ = _BY_KEY
    hour: int = _whole(primary_key=True)
    counted: str = _text(primary_key=True)
    count: int = _whole()


class AgentRow(SQLModel, table=True):
    """An agent; of its key only the hash and the last four characters are kept. `keep`: its bodies may be kept."""

    __tablename__ = "agents"
    __table_args__ = _STRICT
    name: str = _text(primary_key=True)
    key_sha256: str = _text(unique=True)
    key_hint: str = _text()
    added: float = _real()
    keep: int = _whole(default=1)


class PauseRow(SQLModel, table=True):
    """A paused agent, or "*" for all; no `until` means until resumed."""

    __tablename__ = "pauses"
    __table_args__ = _STRICT
    agent: str = _text(primary_key=True)
    until: float | None = _real()


class TaintRow(SQLModel, table=True):
    """A session in which something sensitive was seen, for good. `kinds` is a comma-separated list."""

    __tablename__ = "taints"
    __table_args__ = _STRICT
    session: str = _text(primary_key=True)
    kinds: str = _text()
    at: float = _real()


class UnsummedRow(SQLModel, table=True):
    """A charged hold that is not in the sums yet, so that a charge writes one small row and not ten."""

    __tablename__ = "unsummed"
    __table_args__ = _BY_KEY
    hold: str = _text(primary_key=True)


class SpendSpanRow(SQLModel, table=True):
    """The sums of charged holds that were made in one span of UTC time, by what they have in common.

    `seconds` is how long the span is: an hour, by all names together; a day, by one of them, which is the `scope`, so
    that a year has few rows; or half an hour of everything. The other names are empty.
    A name that is not known is empty. `paid` holds cost something; `busy_ms` is how long all were open together;
    `estimated` is the part of `charge` that is an estimate.
    """

    __tablename__ = "spend_spans"
    __table_args__ = _BY_KEY
    seconds: int = _whole(primary_key=True)
    scope: str = _text(primary_key=True)
    starts: int = _whole(primary_key=True)
    person: str = _text(primary_key=True)
    project: str = _text(primary_key=True)
    label: str = _text(primary_key=True)
    agent: str = _text(primary_key=True)
    model: str = _text(primary_key=True)
    tier: str = _text(primary_key=True)
    requests: int = _whole()
    paid: int = _whole()
    busy_ms: int = _whole()
    charge: int = _whole()
    estimated: int = _whole()
    saved: int = _whole()
    fresh_input: int = _whole()
    cache_read: int = _whole()
    cache_write_short: int = _whole()
    cache_write_long: int = _whole()
    output: int = _whole()


class SpendNameRow(SQLModel, table=True):
    """The sums of all charged holds of a session or a task (`kind`), made from `first` to `last`.

    `long` marks those over more than a day: whatever began earlier than a day before a moment and goes on after it
    is one of these.
    """

    __tablename__ = "spend_names"
    __table_args__ = (
        Index("spend_names_dearest", "kind", "charge", "name", "first", "last"),
        Index("spend_names_first", "kind", "first"),
        Index("spend_names_long", "kind", "last", sqlite_where=text("long = 1")),
        _STRICT,
    )
    kind: str = _text(primary_key=True)
    name: str = _text(primary_key=True)
    first: float = _real()
    last: float = _real()
    long: int = _whole()
    requests: int = _whole()
    paid: int = _whole()
    busy_ms: int = _whole()
    charge: int = _whole()
    estimated: int = _whole()
    saved: int = _whole()
    fresh_input: int = _whole()
    cache_read: int = _whole()
    cache_write_short: int = _whole()
    cache_write_long: int = _whole()
    output: int = _whole()
