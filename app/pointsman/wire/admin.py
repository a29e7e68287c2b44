"""The admin contract: what tray and command line read, and what they may ask for.

`GET /v1/snapshot` gives a `Snapshot`. `GET /v1/events` is a Server-Sent-Events stream: an event
`snapshot` at once, after each change (at most four a second) and every ten seconds, and between them
events named `event` with those of `core.events` as they happen; it ends when the gateway stops. `POST /v1/command` takes one `Command` and answers with JSON, or with
`Problem` and a status of 400 or more. Each call carries `Authorization: Bearer <admin token>`.
Money is integer micro-dollars, times are Unix seconds.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from pointsman.wire import admin_access, admin_models, admin_records

PROTOCOL = 1

AddAgent = admin_access.AddAgent
RotateAgent = admin_access.RotateAgent
RemoveAgent = admin_access.RemoveAgent
SetKey = admin_access.SetKey
RemoveKey = admin_access.RemoveKey
TestKey = admin_access.TestKey
Destination = admin_access.Destination
AuditList = admin_records.AuditList
AuditPage = admin_records.AuditPage
AuditShow = admin_records.AuditShow
AuditVerify = admin_records.AuditVerify
Counters = admin_records.Counters
Egress = admin_records.Egress
ForgetBodies = admin_records.ForgetBodies
KeepBodies = admin_records.KeepBodies
ShowBody = admin_records.ShowBody
Download = admin_models.Download
FitModels = admin_models.FitModels
FitRow = admin_models.FitRow
Fitted = admin_models.Fitted
PullModel = admin_models.PullModel
PausePull = admin_models.PausePull
ResumePull = admin_models.ResumePull
CancelPull = admin_models.CancelPull
ListPulls = admin_models.ListPulls
RemoveModel = admin_models.RemoveModel
LoadModel = admin_models.LoadModel
UnloadModel = admin_models.UnloadModel
ModelState = admin_models.ModelState


class CapState(msgspec.Struct, frozen=True, kw_only=True):
    """A cap and its window now; `limit` includes what was `raised`; `left` is never negative."""

    id: str
    name: str
    scope: str
    match: str
    window: str
    limit: int
    raised: int
    spent: int
    held: int
    left: int
    starts: float | None
    ends: float | None
    soft_percent: int
    at_soft: str
    at_limit: str
    overrun: int = 0


class Savings(msgspec.Struct, frozen=True):
    """What local and private answers would have cost at the model `against`; `sentence` says how it was worked out."""

    saved: int
    against: str
    sentence: str


class Today(msgspec.Struct, frozen=True, kw_only=True):
    """The local day so far. `points` are (time, dollars spent since midnight in micro-dollars), ascending."""

    starts: float
    ends: float
    spent: int
    held: int
    saved: int
    requests: int
    local: int
    private: int
    cloud: int
    last_request: float | None
    points: list[tuple[float, int]]
    cap: CapState | None
    savings: Savings | None = None


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A request that has not ended. `state` is queued, asking or running; `cost` None means free."""

    request: str
    agent: str
    project: str | None
    model: str
    tier: str
    state: str
    started: float
    cost: int | None


class FindingCount(msgspec.Struct, frozen=True):
    """So many finds of one kind: mail_address, card_number, secret_key."""

    kind: str
    count: int


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What the person is asked. `kind` is money, soft, consent, price, rule or runaway.

    `about` and `at_most` are what the request may cost, None when the price is unknown; `over` is what is
    missing under `cap`. The agent's connection waits until `waits_until`; the question itself lives until
    `expires`. `local_model` could answer on this machine, None when none can. `allowance` is the TOML that
    scope "always" would write, None where it cannot; `sentence` says what was seen of a runaway agent, why the
    person is asked although the cap says something else, or what `destination` does with private data.
    `tokens_in` is likely, `tokens_bound` never exceeded, None when not worked out.
    """

    id: str
    kind: Literal["money", "soft", "consent", "price", "rule", "runaway"]
    agent: str
    session: str
    session_since: float
    project: str | None
    model: str
    tier: str
    provider: str | None
    about: int | None
    at_most: int | None
    over: int
    cap: CapState | None
    rule: str
    findings: list[FindingCount]
    messages: int
    tokens_in: int
    tokens_out: int
    local_model: str | None
    asked: float
    waits_until: float
    expires: float
    covers: int
    price_source: str | None
    allowance: str | None = None
    sentence: str = ""
    tokens_bound: int | None = None
    destination: Destination | None = None


class GrantState(msgspec.Struct, frozen=True, kw_only=True):
    """An allowance over a cap that counts still.

    `scope` is request, session, agent, always, or cap: that one was raised in its present window. `bound` is to whom
    it is bound; `left` is what is not yet spent (each window, for always); `expires` None means until revoked.
    """

    id: str
    scope: str
    bound: str
    cap: str
    amount: int
    left: int
    expires: float | None


class AgentState(msgspec.Struct, frozen=True, kw_only=True):
    """An agent; `key_hint` is the last four characters of its key, `paused_until` None means until resumed.

    `paused` is this agent by itself, `all_paused` every agent: it asks in vain while either lasts.
    """

    name: str
    key_hint: str
    added: float
    last_request: float | None
    requests_today: int
    spent_today: int
    paused: bool
    paused_until: float | None
    all_paused: bool = False
    all_paused_until: float | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the tray shows, at one moment.

    `proposal`: a model to begin with, where there is none yet but the starter, as a sentence; `offer`: the same in parts.
    """

    protocol: int
    version: str
    at: float
    address: str
    started: float
    paused: bool
    paused_until: float | None
    notices: list[str]
    today: Today
    caps: list[CapState]
    running: list[Running]
    approvals: list[Question]
    agents: list[AgentState]
    models: list[ModelState]
    downloads: list[Download] = []
    proposal: str | None = None
    offer: FitRow | None = None


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    """Answer a question. What an approval lets through is at least what is missing, and at most `amount`.

    `scope`: this request, its session, the cap raised for its window, this agent and model for `seconds` (an
    hour if None), or always: a rule in the person's models.toml, `amount` a window. `price` answers a question
    of kind price: input and output in micro-dollars per million tokens, kept as the model's price.
    For kind runaway, approve lets the agent go on and deny keeps it paused.
    """

    question: str
    verdict: Literal["approve", "deny", "local"]
    scope: Literal["request", "session", "cap", "agent", "always"] = "request"
    amount: int | None = None
    seconds: int | None = None
    price: tuple[int, int] | None = None


class RevokeGrant(msgspec.Struct, frozen=True, tag="revoke_grant"):
    """Take back what is not yet spent of a grant, or a rule by its name."""

    grant: str


class Pause(msgspec.Struct, frozen=True, tag="pause"):
    """Stop one agent, or all (None), until a time or until resumed (None)."""

    agent: str | None = None
    until: float | None = None


class Resume(msgspec.Struct, frozen=True, tag="resume"):
    """Let one agent, or all (None), go on."""

    agent: str | None = None


class StopRequest(msgspec.Struct, frozen=True, tag="stop_request"):
    """End a running request; what was dispatched is charged."""

    request: str


class SetCap(msgspec.Struct, frozen=True, kw_only=True, tag="set_cap"):
    """Make a cap, or change the one with this name. `limit` in micro-dollars; `match` empty means each or all.

    None: as it was; for a new cap: everything, by the day (once for a request), soft mark 80, go and ask.
    """

    name: str
    limit: int
    window: str | None = None
    scope: str | None = None
    match: str | None = None
    soft_percent: int | None = None
    at_soft: str | None = None
    at_limit: str | None = None


class RemoveCap(msgspec.Struct, frozen=True, tag="remove_cap"):
    """Take a cap away, by name."""

    name: str


class Explain(msgspec.Struct, frozen=True, tag="explain"):
    """Say what would happen to this body of a request in a dialect; no call is made."""

    body: str
    agent: str | None = None
    headers: dict[str, str] = {}
    dialect: Literal["chat", "responses", "messages", "completions", "embeddings", "compact"] = "chat"


class Spend(msgspec.Struct, frozen=True, tag="spend"):
    """Money by a scope, from `since` to `until`."""

    by: str = "agent"
    since: float | None = None
    until: float | None = None


class Prices(msgspec.Struct, frozen=True, tag="prices"):
    """What a target costs, or all of them: rates with source and date. Answers {"rows", "price_list"}."""

    model: str | None = None


class RefreshPrices(msgspec.Struct, frozen=True, tag="refresh_prices"):
    """Fetch the price list over the network, this once. Answers {"price_list", "models"}."""


class Listing(msgspec.Struct, frozen=True, tag="list"):
    """A list: agents, caps, approvals, grants, keys or models."""

    what: Literal["agents", "caps", "approvals", "grants", "keys", "models"]


class Doctor(msgspec.Struct, frozen=True, tag="doctor"):
    """What works and what does not, each with one sentence."""


class Reload(msgspec.Struct, frozen=True, tag="reload"):
    """Read models.toml again."""


class StopGateway(msgspec.Struct, frozen=True, tag="stop_gateway"):
    """End the gateway."""


Command = (
    Answer
    | RevokeGrant
    | Pause
    | Resume
    | StopRequest
    | AddAgent
    | RotateAgent
    | RemoveAgent
    | SetCap
    | RemoveCap
    | SetKey
    | RemoveKey
    | TestKey
    | admin_models.ModelCommand
    | Explain
    | Spend
    | Prices
    | RefreshPrices
    | AuditList
    | AuditShow
    | AuditPage
    | AuditVerify
    | Egress
    | Counters
    | KeepBodies
    | ShowBody
    | ForgetBodies
    | Listing
    | Doctor
    | Reload
    | StopGateway
)


class Problem(msgspec.Struct, frozen=True):
    """Why a command was not done: a code for programs, a sentence for people."""

    code: str
    sentence: str


_encoder = msgspec.json.Encoder()
_commands: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)
_snapshots = msgspec.json.Decoder(Snapshot)
_problems = msgspec.json.Decoder(Problem)


def encode(value: Any) -> bytes:
    """JSON of any struct here, or of plain values."""
    return _encoder.encode(value)


def decode_command(body: bytes) -> Command:
    """Raises `msgspec.DecodeError` (or its `ValidationError`) on anything that is not a command."""
    return _commands.decode(body)


def decode_snapshot(body: bytes) -> Snapshot:
    """Raises `msgspec.DecodeError` on anything that is not a snapshot."""
    return _snapshots.decode(body)


def decode_problem(body: bytes) -> Problem:
    """The problem in an answer, or one that says that the answer made no sense."""
    try:
        return _problems.decode(body)
    except msgspec.DecodeError:
        return Problem("unreadable", "The gateway's answer could not be read. Is another program on its port?")
