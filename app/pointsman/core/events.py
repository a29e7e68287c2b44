"""The closed set of things that happened, as the admin door tells them. Times are Unix seconds, money micro-dollars."""

from __future__ import annotations

import msgspec


class RequestStarted(msgspec.Struct, frozen=True, tag="request_started"):
    """A request passed the door and has a plan."""

    request: str
    agent: str


class RequestEnded(msgspec.Struct, frozen=True, kw_only=True, tag="request_ended"):
    """A request ended; its audit row is written."""

    request: str
    agent: str
    target: str | None
    outcome: str
    cost: int


class ApprovalAsked(msgspec.Struct, frozen=True, tag="approval_asked"):
    """A question waits for the person."""

    question: str
    agent: str
    sentence: str


class ApprovalEnded(msgspec.Struct, frozen=True, kw_only=True, tag="approval_ended"):
    """A question is closed: approved, denied, local, expired or withdrawn."""

    question: str
    agent: str
    outcome: str


class MoneyMoved(msgspec.Struct, frozen=True, tag="money_moved"):
    """A hold was made or ended, or a cap was changed."""


class PauseChanged(msgspec.Struct, frozen=True, tag="pause_changed"):
    """Agents were paused or resumed."""


class AgentsChanged(msgspec.Struct, frozen=True, tag="agents_changed"):
    """An agent was added, changed or removed."""


class ModelChanged(msgspec.Struct, frozen=True, tag="model_changed"):
    """A local model was loaded or unloaded, or its worker ended."""

    model: str
    state: str


class CatalogChanged(msgspec.Struct, frozen=True, tag="catalog_changed"):
    """models.toml was read again; `problem` is why the old one stays in force."""

    problem: str | None = None


class GatewayStopping(msgspec.Struct, frozen=True, tag="gateway_stopping"):
    """The gateway was told to stop."""


Event = (
    RequestStarted
    | RequestEnded
    | ApprovalAsked
    | ApprovalEnded
    | MoneyMoved
    | PauseChanged
    | AgentsChanged
    | ModelChanged
    | CatalogChanged
    | GatewayStopping
)
