"""Made-up snapshots for the gallery: names, prices and speeds are invented."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace

from pointsman.wire.admin import (
    PROTOCOL,
    AgentState,
    CapState,
    Download,
    FindingCount,
    FitRow,
    ModelState,
    Question,
    Running,
    Savings,
    Snapshot,
    Today,
)

SAVINGS = Savings(
    2_950_000,
    "claude-sonnet-4-5",
    "Against claude-sonnet-4-5 at its price of 3 Nov 2026. At this rate the machine pays for itself in 14 months.",
)
NOW = datetime(2026, 11, 12, 14, 32, tzinfo=UTC)
AT = NOW.timestamp()
MIDNIGHT = NOW.replace(hour=0, minute=0).timestamp()
ALLOWANCE = """[[allowances]]
name = "{agent} on claude-opus-4-5"
agent = "{agent}"
target = "claude-opus-4-5"
cap = "daily"
over = 5.0
"""
_DAY = (
    (7.8, 0.0),
    (8.6, 0.2),
    (9.4, 0.55),
    (10.1, 1.0),
    (10.8, 1.7),
    (11.4, 2.1),
    (12.9, 2.3),
    (13.6, 3.1),
    (14.1, 3.7),
)


def dollars(amount: float) -> int:
    """Micro-dollars."""
    return round(amount * 1_000_000)


def cap(spent: float, held: float = 0.0, limit: float = 10.0) -> CapState:
    """A daily cap for everything."""
    return CapState(
        id="cap-day",
        name="daily",
        scope="everything",
        match="",
        window="day",
        limit=dollars(limit),
        raised=0,
        spent=dollars(spent),
        held=dollars(held),
        left=max(dollars(limit) - dollars(spent) - dollars(held), 0),
        starts=MIDNIGHT,
        ends=MIDNIGHT + 86_400,
        soft_percent=80,
        at_soft="go",
        at_limit="ask",
    )


def today(spent: float, held: float = 0.0, counts: tuple[int, int, int] = (251, 37, 124)) -> Today:
    """A day that grows to `spent` by 14:32."""
    factor = spent / 3.84
    return Today(
        starts=MIDNIGHT,
        ends=MIDNIGHT + 86_400,
        spent=dollars(spent),
        held=dollars(held),
        saved=dollars(2.95) if spent else 0,
        requests=sum(counts),
        local=counts[0],
        private=counts[1],
        cloud=counts[2],
        last_request=AT - 130 if sum(counts) else None,
        points=[(MIDNIGHT + hour * 3600, dollars(amount * factor)) for hour, amount in _DAY] if spent else [],
        cap=cap(spent, held),
        savings=SAVINGS if spent else None,
    )


def agent(name: str, spent: float, requests: int = 40) -> AgentState:
    """An agent that was seen two minutes ago."""
    return AgentState(
        name=name,
        key_hint="x4f2",
        added=AT - 900_000,
        last_request=AT - 130 if requests else None,
        requests_today=requests,
        spent_today=dollars(spent),
        paused=False,
        paused_until=None,
    )


def running(name: str, project: str, model: str, tier: str, cost: float | None) -> Running:
    """A request that runs since a few seconds."""
    return Running(
        request=f"r-{name}",
        agent=name,
        project=project,
        model=model,
        tier=tier,
        state="running",
        started=AT - 3 - len(name),
        cost=None if cost is None else dollars(cost),
    )


def calm() -> Snapshot:
    """A day that is on pace; nothing runs."""
    return Snapshot(
        protocol=PROTOCOL,
        version="0.1.0",
        at=AT,
        address="http://127.0.0.1:4477/v1",
        started=MIDNIGHT,
        paused=False,
        paused_until=None,
        notices=[],
        today=today(3.84),
        caps=[cap(3.84)],
        running=[],
        approvals=[],
        agents=[agent("Claude Code", 2.11), agent("Codex", 0.92), agent("OpenClaw", 0.50), agent("Aider", 0.31)],
        models=[
            ModelState(
                name="Qwen3 8B",
                state="ready",
                resident_bytes=5_400_000_000,
                tokens_per_second=46.2,
                active=0,
                waiting=0,
                sentence=None,
            )
        ],
    )


def question(name: str = "Claude Code", number: int = 1) -> Question:
    """A request that may cost more than the daily cap leaves."""
    return Question(
        id=f"q{number}",
        kind="money",
        agent=name,
        session="s-4127",
        session_since=AT - 11_540,
        project="atlas",
        model="claude-opus-4-5",
        tier="cloud",
        provider="Anthropic",
        about=dollars(0.42),
        at_most=dollars(1.10),
        over=dollars(0.70),
        cap=cap(9.38, 0.22),
        rule="",
        findings=[],
        messages=31,
        tokens_in=12_480,
        tokens_out=4096,
        local_model="Qwen3 8B",
        asked=AT - 7,
        waits_until=AT + 38,
        expires=AT + 893,
        covers=1,
        price_source="genai-prices of 3 Nov 2026",
        allowance=ALLOWANCE.format(agent=name),
    )


def consent() -> Question:
    """A request that would take private data to the cloud."""
    return replace(
        question("Codex", 2),
        kind="consent",
        project="billing",
        session_since=AT - 1090,
        model="gpt-5.1",
        provider="OpenAI",
        about=dollars(0.04),
        at_most=dollars(0.14),
        over=0,
        rule="private data stays here",
        sentence="OpenAI does not say where data stays, keeps it for 30 days, and does not train on it.",
        allowance=None,
        findings=[FindingCount("mail_address", 2), FindingCount("card_number", 1), FindingCount("secret_key", 1)],
    )


def soft() -> Question:
    """A request that fits, past the mark where the cap asks."""
    return replace(question("Codex", 3), kind="soft", over=0, at_most=dollars(0.30), about=dollars(0.11), cap=cap(8.40))


def shortened() -> Question:
    """A request under a cap that shortens answers, where too little is left for a useful one."""
    return replace(
        question("Codex", 6),
        cap=replace(cap(9.96), at_limit="shorten"),
        sentence="The daily cap shortens answers, yet what is left pays for 12 tokens: an answer is not cut below 256.",
    )


def price() -> Question:
    """A request for a model whose price nobody knows."""
    return replace(
        question("OpenClaw", 4),
        kind="price",
        model="mistral-large-2512",
        about=None,
        at_most=None,
        over=0,
        cap=None,
        tokens_in=16_900,
        tokens_bound=18_400,
        allowance=None,
    )


def runaway() -> Question:
    """An agent that goes round in circles, and was paused."""
    return replace(
        question("Aider", 5),
        kind="runaway",
        about=None,
        at_most=None,
        over=0,
        cap=None,
        allowance=None,
        sentence="Aider sent 12 near-equal requests in 40 seconds.",
    )


def busy() -> Snapshot:
    """Three requests run and one asks."""
    return replace(
        calm(),
        today=replace(
            today(9.38, 0.22, (380, 72, 203)),
            saved=dollars(4.10),
            savings=Savings(dollars(4.10), "claude-sonnet-4-5", "Cloud only is simpler at your volume: $0.12 a day."),
        ),
        running=[
            running("Claude Code", "atlas", "claude-sonnet-4-5", "cloud", 0.06),
            running("Codex", "billing", "qwen3-32b at lab", "private", 0.0),
            running("Aider", "notes", "Qwen3 8B", "local", None),
        ],
        approvals=[question()],
        agents=[agent("Claude Code", 6.56), agent("Codex", 1.98), agent("OpenClaw", 0.50), agent("Aider", 0.34)],
    )


def raised() -> Snapshot:
    """A day on which one request was let through over the cap."""
    shown = replace(cap(9.94, 0.22, 10.70), raised=dollars(0.70))
    day = replace(today(9.94, 0.22), cap=shown)
    return replace(calm(), today=day, caps=[shown])


def full() -> Snapshot:
    """A cap that is used up; at its limit background requests wait."""
    shown = replace(cap(10.0), at_limit="defer")
    return replace(calm(), today=replace(today(10.0), cap=shown), caps=[shown])


def one_paused() -> Snapshot:
    """A day on which one agent was paused."""
    first, *others = calm().agents
    return replace(calm(), agents=[*others, replace(first, paused=True, paused_until=0.0)])


def empty() -> Snapshot:
    """A fresh installation."""
    return replace(calm(), today=today(0.0, 0.0, (0, 0, 0)), agents=[], models=[])


def long_text() -> Snapshot:
    """Names that do not fit."""
    names = ("Rechnungsprüfungsassistent der Buchhaltung", "Donaudampfschifffahrtsgesellschaft", "Ida", "Übersetzer")
    model = "mistral-large-instruct-2512-extended-context-preview"
    return replace(
        busy(),
        running=[running(name, "Jahresabschluss", model, "cloud", 12.06) for name in names[:2]],
        approvals=[replace(question(names[0]), model=model)],
        agents=[agent(name, 1204.5 / (at + 1)) for at, name in enumerate(names)],
        notices=["models.toml, line 12: “teir” is no key here. Write “tier”. The last good rules are in force."],
    )


OFFER = FitRow(
    name="qwen3-8b",
    use="tools",
    licence="Apache-2.0",
    here=False,
    size=5_850_000_000,
    where="main",
    memory=7_400_000_000,
    context=32_768,
    kv="f16",
    tokens_per_second=46.2,
)


def offered() -> Snapshot:
    """A fresh installation with a model to begin with."""
    return replace(empty(), offer=OFFER)


def offered_long() -> Snapshot:
    """One whose names and licence do not fit, slow, on a machine that nobody measured."""
    name = "mistral-small-3.2-24b-instruct-2506-extended-preview"
    licence = "Gemma terms of use and prohibited uses"
    return replace(empty(), offer=replace(OFFER, name=name, use="reasoning", licence=licence, tokens_per_second=None))


def model(name: str, program: str) -> ModelState:
    """A model of another program that has not been loaded."""
    return ModelState(
        name=name,
        state="unloaded",
        resident_bytes=0,
        tokens_per_second=None,
        active=0,
        waiting=0,
        sentence=None,
        program=program,
    )


def held() -> Snapshot:
    """Other programs keep models here."""
    names = ("qwen3-8b", "LM Studio"), ("llama-3.1-8b", "Ollama"), ("gemma3-4b", "the hub's cache"), ("phi-4", "Ollama")
    return replace(calm(), models=[model(*one) for one in names])


def download(state: str = "downloading", **changes: object) -> Download:
    """Four tenths of a model."""
    one = Download(
        name="qwen3-8b",
        source="Qwen/Qwen3-8B-GGUF:Q4_K_M",
        state="downloading",
        received=2_340_000_000,
        total=5_850_000_000,
        bytes_per_second=38_200_000.0 if state == "downloading" else None,
        seconds_left=92.0 if state == "downloading" else None,
    )
    return replace(one, state=state, **changes)


def downloads(*every: Download) -> Snapshot:
    """A calm day with models on their way."""
    return replace(calm(), models=[], downloads=list(every))


def asks_licence() -> Download:
    """Its publisher wants its licence accepted first."""
    return download(
        "failed",
        name="gemma3-12b",
        received=0,
        sentence="google/gemma-3-12b-it-GGUF asks you to accept its licence first.",
        page="https://hub.example/google/gemma-3-12b-it-GGUF",
    )


WRONG = "Qwen3-8B-Q4_K_M.gguf is not what its publisher promised. It was thrown away; get it again."
AWAY = "No connection to hub.example. It goes on by itself."
FULL = (
    "Not enough space: 3.5 GB are still to come and 1.1 GB stay free, but /home/ida/.pointsman/models has 2.2 GB. "
    "Free 2.4 GB, or take a smaller model."
)
