"""The admin commands about agents and keys; `wire.admin` has them all."""

from __future__ import annotations

import msgspec


class AddAgent(msgspec.Struct, frozen=True, tag="add_agent"):
    """A new agent with a new key, or with the key given. Answers {"name", "key"}, once."""

    name: str
    key: str | None = None


class RotateAgent(msgspec.Struct, frozen=True, tag="rotate_agent"):
    """A new key for an agent. Answers {"name", "key"}, once."""

    name: str


class RemoveAgent(msgspec.Struct, frozen=True, tag="remove_agent"):
    """The agent's key stops working."""

    name: str


class SetKey(msgspec.Struct, frozen=True, tag="set_key"):
    """Keep a provider's key in the keychain."""

    provider: str
    value: str


class RemoveKey(msgspec.Struct, frozen=True, tag="remove_key"):
    """Forget a provider's key."""

    provider: str


class TestKey(msgspec.Struct, frozen=True, tag="test_key"):
    """Ask the provider for its models with the key kept."""

    provider: str


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """Where a request would go, as its provider says of itself; None: it does not say it."""

    provider: str
    region: str | None
    retention_days: int | None
    trains_on_data: bool | None
    terms: str | None
