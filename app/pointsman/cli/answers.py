"""What the admin door answers to commands, where `wire.admin` has no struct for it."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.wire.admin import CapState, Savings


class Done(msgspec.Struct, frozen=True):
    """It is done."""

    ok: bool = True


class NewKey(msgspec.Struct, frozen=True):
    """An agent's key, told this once."""

    name: str
    key: str


class KeyRow(msgspec.Struct, frozen=True):
    """A provider and its key: kept, environment, missing or not needed."""

    provider: str
    state: str
    where: str | None = None


class ModelRow(msgspec.Struct, frozen=True):
    """A target that agents may be sent to."""

    name: str
    tier: str
    model: str | None = None
    provider: str | None = None
    state: str | None = None
    price: str | None = None
    where: str | None = None


class SpendRow(msgspec.Struct, frozen=True):
    """What one name of a scope cost; `held` is apart from `amount`, `estimated` a part of it."""

    name: str
    requests: int
    amount: int
    tokens: int
    held: int = 0
    estimated: int = 0
    saved: int = 0
    fresh_input: int = 0
    cache_read: int = 0
    cache_write_short: int = 0
    cache_write_long: int = 0
    output: int = 0


class SpendTable(msgspec.Struct, frozen=True):
    """Money by one scope; `more` when only the dearest are here."""

    by: str
    rows: list[SpendRow]
    total: SpendRow
    more: bool = False
    savings: Savings | None = None


class PriceRow(msgspec.Struct, frozen=True):
    """What a target costs, in micro-dollars per million tokens; `above` when a long input costs more."""

    target: str
    tier: str
    source: str
    dated: str = ""
    known: bool = True
    input: int = 0
    cache_read: int = 0
    cache_write_short: int = 0
    cache_write_long: int = 0
    output: int = 0
    per_request: int = 0
    per_hour: int = 0
    above: list[int] = []


class PriceTable(msgspec.Struct, frozen=True):
    """All prices in use, and what the list is."""

    rows: list[PriceRow]
    price_list: str


class Refreshed(msgspec.Struct, frozen=True):
    """The price list in use now."""

    price_list: str
    models: int


class Finding(msgspec.Struct, frozen=True):
    """One thing that works, or does not; `state` is works, absent (nothing is wrong), note or fails."""

    name: str
    ok: bool
    sentence: str
    state: str = ""


class Attempt(msgspec.Struct, frozen=True):
    """One try of a plan; money None is an unknown price, `ask` is what the person is asked first."""

    target: str
    tier: str
    about: int | None = None
    at_most: int | None = None
    price_source: str | None = None
    ask: str | None = None


class Dropped(msgspec.Struct, frozen=True):
    """A target that is not in the plan, and why."""

    target: str
    reason: str


class Size(msgspec.Struct, frozen=True):
    """How long a request is: the estimate, and what it can be at most."""

    tokens: int
    at_most_tokens: int


class Explanation(msgspec.Struct, frozen=True, rename={"class_": "class"}):
    """What would happen to a request."""

    sentence: str
    class_: str | None
    sensitivity: str
    findings: dict[str, int]
    size: Size
    rule: str | None
    attempts: list[Attempt]
    dropped: list[Dropped]
    caps: list[CapState]
    outcome: str


class Checked(msgspec.Struct, frozen=True):
    """How far the audit's chain was followed; `problem` names the first row that does not fit."""

    after: int
    hash: str
    done: bool
    problem: str | None = None


class EgressRow(msgspec.Struct, frozen=True):
    """What went to one provider, of one sensitivity."""

    provider: str
    region: str
    sensitivity: str
    consent: str
    requests: int
    bytes: int
    cost: int


class Handover(msgspec.Struct, frozen=True):
    """How often one target took over from another, and why."""

    source: str
    target: str
    why: str
    count: int


class CounterTables(msgspec.Struct, frozen=True):
    """How requests fared; each count has a name and numbers."""

    by_target: list[dict[str, Any]]
    by_agent: list[dict[str, Any]]
    handovers: list[Handover]


class Removed(msgspec.Struct, frozen=True):
    """So many are gone."""

    removed: int


class Freed(msgspec.Struct, frozen=True):
    """So many bytes are free again; `sentence` says what stays, if anything does."""

    freed: int
    sentence: str = ""
