"""What models.toml describes, as values: tiers, providers, targets, rules and the settings around them."""

from __future__ import annotations

from msgspec import Struct, structs

from pointsman.core.pricing import Rates

# How models write tool calls; the chat template tells which, unless a target says so.
TOOL_FORMATS = (
    *("hermes", "qwen_xml", "llama", "pythonic", "mistral", "mistral_args"),
    *("gemma", "phi", "harmony", "glm", "deepseek"),
)

IMAGE_TOKENS = 50_000
"""More than any provider is known to bill for one image."""


class Source(Struct, frozen=True):
    """One models.toml: the name that errors show, and its text."""

    name: str
    text: str


class Tier(Struct, frozen=True, kw_only=True):
    """local, private or cloud; `health_interval` in seconds."""

    name: str
    health_interval: float = 30.0


class Batch(Struct, frozen=True, kw_only=True):
    """What a provider takes for work that can wait: `percent` of its price, asked for as this service tier."""

    service_tier: str
    percent: int


class Provider(Struct, frozen=True, kw_only=True):
    """Who answers over HTTP. `key` is keychain, env (the variable `key_env`) or none; None means not known.

    `dialects` are those it speaks; a request in another is translated into the first.
    `limit_field` is the field in which this provider reads the most tokens that an answer may have. `ca_file` names
    certificates to trust besides the system's. `takes_reasoning` is true where its models read the
    `reasoning_content` of an earlier answer; elsewhere a request may be refused for it, so none is sent.
    `compacts`: it serves /responses/compact, and reads again what it sealed there.
    """

    name: str
    base_url: str
    dialects: tuple[str, ...] = ("chat",)
    key: str = "keychain"
    key_env: str | None = None
    region: str | None = None
    retention_days: int | None = None
    trains_on_data: bool | None = None
    terms: str | None = None
    rate_buffer: float = 1.0
    limit_field: str = "max_tokens"
    takes_reasoning: bool = False
    compacts: bool = False
    batch: Batch | None = None
    ca_file: str | None = None


class About(Struct, frozen=True, kw_only=True):
    """What is known of a model that can be downloaded, before it is here; `size` and `active` in bytes.

    `active` is what one token reads of the weights, `kept` the bytes kept of each token of context (f16).
    """

    use: str
    licence: str
    size: int
    active: int
    layers: int
    kept: int


class Target(Struct, frozen=True, kw_only=True):
    """A model at a tier: either `engine` and `source` here, or `provider` and `model` over HTTP.

    `price` is "auto" (from a price list), "free", or rates of the person's own. `tools_dialect` is the one dialect in
    which it takes tools, where its provider speaks several. `image_tokens` is the most that one image may count as;
    `lookup` how many tokens an engine may guess in one step.
    """

    name: str
    tier: str
    engine: str | None = None
    source: str | None = None
    provider: str | None = None
    model: str | None = None
    context: int = 128_000
    can: frozenset[str] = frozenset()
    price: str | Rates = "auto"
    weight: int = 1
    max_output: int | None = None
    tool_format: str | None = None
    lookup: int = 0
    tools_dialect: str | None = None
    image_tokens: int = IMAGE_TOKENS
    about: About | None = None


class When(Struct, frozen=True, kw_only=True):
    """What a rule looks at; None means anything.

    `agent`, `project`, `label` and `path` may hold * and ?; `text` is a regular expression on the last user
    turn; `size` means: of at least so many tokens.
    """

    agent: str | None = None
    project: str | None = None
    class_: str | None = None
    label: str | None = None
    path: str | None = None
    text: str | None = None
    tools: bool | None = None
    size: int | None = None
    latency: str | None = None
    sensitivity: str | None = None


class Then(Struct, frozen=True, kw_only=True):
    """What a rule does: send to a target or alias, keep to a tier, raise the sensitivity, want more of clouds.

    `regions`, `max_retention_days` and `training` are as in [privacy], and hold beside what stands there.
    """

    target: str | None = None
    tier: str | None = None
    sensitivity: str | None = None
    regions: tuple[str, ...] = ()
    max_retention_days: int | None = None
    training: str = "any"


class Rule(Struct, frozen=True, kw_only=True):
    """One [[rules]] entry; `where` is its file and line."""

    name: str
    when: When
    then: Then
    where: str


class Routing(Struct, frozen=True, kw_only=True):
    """How `auto` chooses."""

    default_tier: str = "local"
    escalation_threshold: float = 0.85
    order: str = "cheapest"


class Sensitivity(Struct, frozen=True, kw_only=True):
    """What a finding makes of a message, and what each sensitivity may do."""

    findings: dict[str, str] = {}
    default: str = "public"
    public: tuple[str, ...] = ("local", "private", "cloud")
    internal: tuple[str, ...] = ("local", "private")
    personal: tuple[str, ...] = ("local", "ask")


class Privacy(Struct, frozen=True, kw_only=True):
    """What a cloud must say of itself, so that anything may go there; None and nothing: it need not say it."""

    regions: tuple[str, ...] = ()
    max_retention_days: int | None = None
    training: str = "any"


class Discovery(Struct, frozen=True, kw_only=True):
    """Whether servers of other programs on this machine are looked for."""

    local: bool = False


class Fallback(Struct, frozen=True, kw_only=True):
    """Where to go when a tier does not answer; "refuse" means nowhere."""

    cloud_unavailable: str = "local"
    local_unavailable: str = "cloud"
    all_unavailable: str = "queue"


class Cascade(Struct, frozen=True, kw_only=True):
    """How often a local answer may be passed up, over `window` seconds; thresholds by target, then class."""

    max_escalation_rate: float = 0.30
    window: float = 600.0
    thresholds: dict[str, dict[str, float]] = {}


class Limit(Struct, frozen=True, kw_only=True):
    """How much at once and a minute; None means no limit of ours."""

    slots: int | None = None
    queue: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


class Limits(Limit, frozen=True, kw_only=True):
    """Limits for all, and those of single targets and agents."""

    targets: dict[str, Limit] = {}
    agents: dict[str, Limit] = {}

    def of_target(self, name: str) -> Limit:
        """A target's own limits, and those for all where it has none."""
        own = self.targets.get(name)
        if own is None:
            return self
        said = {name: value for name in Limit.__struct_fields__ if (value := getattr(own, name)) is not None}
        return structs.replace(self, **said)


class Thresholds(Struct, frozen=True, kw_only=True):
    """From when on an agent is taken to run away; `spend_per_minute` in micro-dollars; 0 means never, None not said."""

    calls_per_minute: int | None = None
    spend_per_minute: int | None = None
    repeats: int | None = None
    restarts: int | None = None
    within: float | None = None


class Runaway(Thresholds, frozen=True, kw_only=True):
    """When an agent is paused and the person asked; what single agents have of their own."""

    agents: dict[str, Thresholds] = {}

    def of(self, agent: str) -> Thresholds:
        """An agent's own thresholds, and those of all where it has none."""
        own = self.agents.get(agent)
        if own is None:
            return self
        said = {name: value for name in Thresholds.__struct_fields__ if (value := getattr(own, name)) is not None}
        return structs.replace(self, **said)


class Keep(Struct, frozen=True, kw_only=True):
    """What is kept of requests and answers, sealed: `max_mb` in all, each for `days`; `personal` ones only if chosen."""

    bodies: bool = True
    max_mb: int = 200
    days: int = 30
    personal: bool = False


class Allowance(Struct, frozen=True, kw_only=True):
    """One [[allowances]] entry: this agent may pass this cap with this target by `over` micro-dollars each window."""

    name: str
    agent: str
    target: str
    cap: str
    over: int


class Books(Struct, frozen=True, kw_only=True):
    """Where the ledger is kept: at the address of a PostgreSQL database, or, with None, in a file of our own."""

    database: str | None = None


class Machine(Struct, frozen=True, kw_only=True):
    """What this machine costs, as far as the person says so: `price` over `months`, `watts` more while it answers.

    Money in micro-dollars; `electricity` is for a kilowatt-hour.
    """

    price: int = 0
    months: int = 0
    watts: int = 0
    electricity: int = 0


class Engines(Struct, frozen=True, kw_only=True):
    """For how many seconds an idle local model stays loaded, and the most memory that all of them take, in megabytes."""

    keep_alive: float = 600.0
    memory_mb: int | None = None


class Prices(Struct, frozen=True, kw_only=True):
    """Whether a newer price list is fetched over the network, and how often, in seconds."""

    refresh: bool = False
    interval: float = 86_400.0


class Catalog(Struct, frozen=True, kw_only=True):
    """All of models.toml, checked. `found` names providers and targets that are not written there, but run here.

    `absent` names local targets whose model is not on this machine; nobody is sent there who did not ask for it.
    """

    preset: str = "local-first"
    tiers: dict[str, Tier] = {}
    providers: dict[str, Provider] = {}
    targets: dict[str, Target] = {}
    aliases: dict[str, tuple[str, ...]] = {}
    routing: Routing = Routing()
    rules: tuple[Rule, ...] = ()
    sensitivity: Sensitivity = Sensitivity()
    privacy: Privacy = Privacy()
    discovery: Discovery = Discovery()
    fallback: Fallback = Fallback()
    cascade: Cascade = Cascade()
    limits: Limits = Limits()
    runaway: Runaway = Runaway()
    allowances: tuple[Allowance, ...] = ()
    keep: Keep = Keep()
    ledger: Books = Books()
    machine: Machine = Machine()
    engines: Engines = Engines()
    prices: Prices = Prices()
    found: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()

    def dialects(self, target: Target, *, tools: bool) -> tuple[str, ...]:
        """What this target is spoken to in over HTTP, the first of them where the request came in another."""
        if tools and target.tools_dialect is not None:
            return (target.tools_dialect,)
        return self.providers[target.provider].dialects if target.provider is not None else ()

    def compacts(self, target: Target, *, tools: bool) -> bool:
        """Whether its provider compacts conversations by itself, and how much that may cost at most is known."""
        provider = self.providers.get(target.provider or "")
        if provider is None or not provider.compacts or target.max_output is None:
            return False
        return "responses" in self.dialects(target, tools=tools)

    def by_tier(self, tier: str) -> tuple[Target, ...]:
        """The targets of a tier, in the order of the file, without the models on offer that are not here."""
        offered = {name for name in self.absent if name in self.targets and self.targets[name].about is not None}
        return tuple(one for one in self.targets.values() if one.tier == tier and one.name not in offered)
