"""What the admin door answers to commands, where `wire.admin` has no struct for it."""

from __future__ import annotations

import msgspec

from pointsman.wire.admin import CapState


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


class SpendRow(msgspec.Struct, frozen=True):
    """What one name of a scope cost."""

    name: str
    requests: int
    amount: int
    tokens: int


class SpendTable(msgspec.Struct, frozen=True):
    """Money by one scope."""

    by: str
    rows: list[SpendRow]
    total: int


class Finding(msgspec.Struct, frozen=True):
    """One thing that works, or does not."""

    name: str
    ok: bool
    sentence: str


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
