"""Facts, ruling, prices and health to a plan: ordered attempts, and what was dropped with the reason.

Explicit asks win (header, target, alias, rule), then what the target can do, then class and size decide whether
local comes first. A dropped target is a value with a reason; nothing disappears silently.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

from pointsman.core import pricing, privacy
from pointsman.core.catalog import Catalog, Privacy, Target
from pointsman.core.facts import Facts, bound
from pointsman.core.policy import Ruling
from pointsman.core.pricing import Rates
from pointsman.core.request import Request

_TIERS = ("local", "private", "cloud")
_NO_WISH = Privacy()
_HEAVY = 2_000  # tokens that take longer to read on this machine than a probe may take
_NO_VECTORS = "it makes no embeddings"
_FOREIGN_SEAL = "it cannot read the compaction that stands in this conversation: another vendor sealed it"
_OTHER_VECTORS = "vectors of another model than the one asked for would not compare"
DEFAULT_OUTPUT = 4_096  # tokens an answer may have where neither client nor target says


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try at one target. Money in micro-dollars: `about` is likely, `at_most` never exceeded; None: no price known.

    `ask` says what the person must be asked before it runs: consent (data would leave), price (it is unknown).
    `service_tier` is the provider's name for another price, where the request is to run at that.
    """

    target: str
    tier: str
    about: int | None
    at_most: int | None
    output: int
    ask: str | None = None
    rates: Rates | None = None
    service_tier: str | None = None


class Dropped(msgspec.Struct, frozen=True):
    """A target that will not be tried, and why. `passing`: time alone may mend it."""

    target: str
    reason: str
    passing: bool = False


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What will be tried, in order; `reason` is the sentence that the answer's header carries."""

    attempts: tuple[Attempt, ...]
    dropped: tuple[Dropped, ...]
    reason: str


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """What the shell knows: rates by target (None: unknown), and a sentence for each target that is out of order.

    `passing` holds those sentences that time alone may mend.
    """

    rates: Mapping[str, Rates | None]
    down: Mapping[str, str]
    passing: Mapping[str, str] = {}


def plan(request: Request, facts: Facts, ruling: Ruling, catalog: Catalog, now: Circumstances) -> Plan:
    """The attempts for this request; none at all is a plan too, with the reasons."""
    names, reason = _candidates(request, facts, ruling, catalog)
    anywhere, automatic = _anywhere(request, facts, ruling), reason.startswith("auto")
    if anywhere:
        names = tuple(dict.fromkeys([*names, *_ordered(catalog, "local", "private", "cloud")]))
    attempts, dropped = _sifted(_Asked(request, facts, ruling, catalog, now), names)
    if request.embeds:  # what could make vectors is said first
        dropped.sort(key=lambda one: one.reason != _OTHER_VECTORS)
    if automatic:  # nobody asked for that very target: what needs no question comes first
        attempts.sort(key=lambda one: one.ask is not None)
    if anywhere:
        attempts.sort(key=lambda one: _dearness(one, facts))
    elif facts.place == "cloud" and (automatic or not names or catalog.targets[names[0]].tier != "local"):
        attempts = _elsewhere(attempts, dropped, facts, catalog)
    if not request.hints.fallback:
        kept = _wished(attempts, names, request, ruling, catalog)
        dropped += [Dropped(one.target, "the client allows no fallback") for one in attempts if one not in kept]
        attempts = kept
    if dropped and not automatic:
        reason += _passed_over(names, dropped)
    return Plan(attempts=tuple(attempts), dropped=tuple(dropped), reason=reason)


class _Asked:
    """What every target is asked: worked out once for each plan."""

    def __init__(self, request: Request, facts: Facts, ruling: Ruling, catalog: Catalog, now: Circumstances) -> None:
        self.request = request
        self.facts = facts
        self.ruling = ruling
        self.catalog = catalog
        self.now = now
        self.embeds = request.embeds
        self.special = self.embeds or request.sealed or request.n > 1  # what not every model can do that answers
        self.promises = catalog.privacy != _NO_WISH or ruling.privacy != _NO_WISH
        self.able = _needed(facts.tools, facts.images, facts.schema)
        self.read = _at_once(request, facts)
        self.room = self.read + _least(request)


def _sifted(asked: _Asked, names: Sequence[str]) -> tuple[list[Attempt], list[Dropped]]:
    """Those that can be tried, and those that cannot, each in this order."""
    attempts: list[Attempt] = []
    dropped: list[Dropped] = []
    pinned, now, targets = _pinned(asked.request, asked.catalog), asked.now, asked.catalog.targets
    for name in names:
        target = targets[name]
        problem = _barred(target, asked) or _problem(target, asked)
        if problem is None and pinned is not None and pinned != name:
            problem = _OTHER_VECTORS
        if problem is None:
            attempts.append(_attempt(target, asked, now.rates.get(name)))
        else:
            dropped.append(Dropped(name, problem, now.passing.get(name) == problem))
    return attempts, dropped


def _wished(
    attempts: list[Attempt], names: Sequence[str], request: Request, ruling: Ruling, catalog: Catalog
) -> list[Attempt]:
    """The one attempt where the client allows no fallback: at the model or the tier that was named, or none.

    What an alias names is all one wish, of whichever tiers.
    """
    if names and names[0] in (request.model, ruling.target):
        return [one for one in attempts if one.target == names[0]]
    tier = request.hints.tier or ruling.tier or request.model
    if names in [tuple(catalog.aliases.get(wish or "", ())) for wish in (ruling.target, request.model)]:
        tier = request.hints.tier or ""
    return [one for one in attempts if one.tier == tier or tier not in ("local", "private", "cloud")][:1]


def _passed_over(names: Sequence[str], dropped: list[Dropped]) -> str:
    """Why the first choice of whoever asked for it is not tried; what `auto` prefers is nobody's wish."""
    for one in dropped:
        if names and one.target == names[0]:
            return f"; not {one.target}: {one.reason}"
    return ""


def _candidates(request: Request, facts: Facts, ruling: Ruling, catalog: Catalog) -> tuple[tuple[str, ...], str]:
    """Names in the order of trying, and why that order."""
    asked = request.model
    ruled = None if request.embeds else ruling.target  # a rule sends answers elsewhere, never vectors
    for wish in (asked,) if ruled is None else (ruled, asked):
        if wish in catalog.targets or wish in catalog.aliases:
            names = _named(wish, catalog, strict=wish == asked)
            if request.hints.tier in (None, catalog.targets[names[0]].tier):  # a tier in the header narrows a name
                return names, f"{wish}: rule '{ruling.rule}'" if wish is ruled else f"{wish}: asked for by name"
    for tier, why in ((request.hints.tier, "header"), (ruling.tier, f"rule '{ruling.rule}'"), (asked, "asked for")):
        if tier in ("local", "private", "cloud"):
            later = () if (tier, why) == ("local", "header") else _after(tier, catalog)  # a header keeps it here
            return _ordered(catalog, tier, *later), f"{tier}: {why}"
    unknown = "" if asked in ("auto", "") else f"'{_printable(asked)}' is not known here, so auto; "
    first, why = _first(facts, catalog)
    return _ordered(catalog, *first), f"auto: {unknown}{why}"


def _anywhere(request: Request, facts: Facts, ruling: Ruling) -> bool:
    """Whether the cheapest of all targets will do: nobody narrowed the choice but by a model's name."""
    if facts.place != "cheapest" or not request.hints.fallback:
        return False
    return (request.hints.tier, ruling.target, ruling.tier) == (None, None, None)


def _dearness(one: Attempt, facts: Facts) -> tuple[bool, bool, int]:
    """What needs no question comes first, then what costs least; this machine last for what it reads too long."""
    return one.ask is not None, one.tier == "local" and facts.estimate > _HEAVY, one.about or 0


def _elsewhere(attempts: list[Attempt], dropped: list[Dropped], facts: Facts, catalog: Catalog) -> list[Attempt]:
    """The attempts that do not run on this machine; all, where nothing else may ever answer without a question."""
    away = [one.target for one in attempts if one.ask is None] + [one.target for one in dropped if one.passing]
    if all(catalog.targets[name].tier == "local" for name in away):
        return attempts
    here = [one for one in attempts if one.tier == "local"]
    dropped += [Dropped(one.target, f"{facts.class_} is not for this machine") for one in here]
    return [one for one in attempts if one.tier != "local"]


def _pinned(request: Request, catalog: Catalog) -> str | None:
    """The one model that may make these vectors, whether it is well or not; empty: none that is known here. None: any."""
    if not request.embeds:
        return None
    asked, meant = request.model, tuple[str, ...]()
    if asked in catalog.targets or asked in catalog.aliases:
        meant = catalog.aliases.get(asked, (asked,))
    elif asked in ("", "auto", "local", "private", "cloud"):  # the order is always the same, whatever is asked
        tier = request.hints.tier or asked
        meant = _ordered(catalog, *([tier] if tier in ("local", "private", "cloud") else _TIERS))
    return next((name for name in meant if _makes_vectors(catalog.targets[name], catalog)), "")


def _makes_vectors(target: Target, catalog: Catalog) -> bool:
    return "embeddings" in target.can and _no_vectors(target, catalog) is None


def _no_vectors(target: Target, catalog: Catalog) -> str | None:
    """Why it makes none whatever it says of itself: here only models in GGUF files do, elsewhere who speaks as OpenAI."""
    if target.engine is not None:
        return None if target.engine == "llama_cpp" else "embeddings are made by GGUF models only on this machine"
    spoken = catalog.providers[target.provider].dialects if target.provider is not None else ()
    return "embeddings are made in OpenAI's dialect only" if spoken == ("messages",) else None


def _printable(name: str) -> str:
    """Short and plain, as it goes into a header."""
    return "".join(char if 32 <= ord(char) < 127 else "?" for char in name[:60])


def _named(wish: str, catalog: Catalog, *, strict: bool) -> tuple[str, ...]:
    """A target stands for itself; an alias for its targets in order. A rule's target may fall back to its tier."""
    names = catalog.aliases.get(wish, (wish,))
    if strict and wish in catalog.targets:
        later = _ordered(catalog, *_after(catalog.targets[wish].tier, catalog))
        return (*names, *[name for name in later if name not in names]) if later else names
    return names


def _after(tier: str, catalog: Catalog) -> tuple[str, ...]:
    """Where a request may go on when nothing of this tier can answer."""
    then = catalog.fallback.local_unavailable if tier == "local" else catalog.fallback.cloud_unavailable
    return (then,) if then in ("local", "private", "cloud") and then != tier else ()


def _first(facts: Facts, catalog: Catalog) -> tuple[tuple[str, ...], str]:
    """Local first for what a small model does well, else the cloud first."""
    if catalog.preset == "quality-first" and not (facts.background or facts.place):
        return ("cloud", "private", "local"), "quality first"
    if facts.place == "cloud":
        return ("cloud", "private", "local"), f"{facts.class_} is not for this machine"
    if facts.background or facts.place:
        return ("local", "private", "cloud"), f"{facts.class_} is a background call"
    if facts.hard:
        return ("private", "cloud", "local"), f"{facts.class_} of {facts.estimate} tokens is hard work"
    return ("local", "private", "cloud"), f"{facts.class_} of {facts.estimate} tokens is simple work"


class _Tiers:
    """Names by tier, of the one catalog that was planned with last: one is in force at a time, for hours."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.names = {tier: tuple([target.name for target in catalog.by_tier(tier)]) for tier in _TIERS}


_latest = _Tiers(Catalog())


def _ordered(catalog: Catalog, *tiers: str) -> tuple[str, ...]:
    """The names of these tiers' targets, as they stand in the file."""
    global _latest  # noqa: PLW0603 one entry, and it is only used for the very catalog that it was made of
    found = _latest
    if found.catalog is not catalog:
        found = _latest = _Tiers(catalog)
    if len(tiers) == 1:
        return found.names[tiers[0]]
    return tuple([name for tier in tiers for name in found.names[tier]])


def _alone(target: Target, request: Request, catalog: Catalog) -> str | None:
    """Several answers at once exist only where client and provider both speak chat.

    What a vendor sealed is read by that vendor alone; where nobody knows which, by one that seals.
    """
    if request.embeds and (never := _no_vectors(target, catalog)):
        return never
    if request.sealed and not catalog.compacts(target, tools=request.tools > 0):
        return _FOREIGN_SEAL
    if request.sealed and request.hints.sealed_by not in (None, target.provider):
        return _FOREIGN_SEAL
    several = request.dialect in catalog.dialects(target, tools=request.tools > 0)
    return "it gives one answer at a time" if request.n > 1 and not several else None


def _unpromised(target: Target, ruling: Ruling, catalog: Catalog) -> str | None:
    """Why a cloud does not say of itself what the person wants of clouds, None if it does."""
    if target.provider is None:
        return None
    provider = catalog.providers[target.provider]
    return privacy.problem(provider, catalog.privacy) or privacy.problem(
        provider, ruling.privacy, f"rule '{ruling.rule}'"
    )


def _barred(target: Target, asked: _Asked) -> str | None:
    """Why the request may not go there, or not to a model of this kind, None if it may. Vectors are not answers."""
    ruling = asked.ruling
    if target.tier not in ruling.allowed and target.tier not in ruling.ask:
        return f"{ruling.sensitivity} data may not go to the {target.tier} tier (rule '{ruling.rule}')"
    if asked.promises and target.tier == "cloud" and (missing := _unpromised(target, ruling, asked.catalog)):
        return missing
    if asked.embeds != ("embeddings" in target.can):
        return _NO_VECTORS if asked.embeds else "it makes embeddings, not answers"
    return _alone(target, asked.request, asked.catalog) if asked.special else None


def _problem(target: Target, asked: _Asked) -> str | None:
    """Why this target cannot answer, None if it can."""
    request = asked.request
    if target.name in asked.now.down:
        return asked.now.down[target.name]
    for ability, lacking in asked.able:
        if ability not in target.can:
            return lacking
    if request.unpriced and _by_the_token(target, asked.now.rates.get(target.name)):
        return f"{request.unpriced} has a price that cannot be bounded yet"
    if asked.room > target.context and not (asked.embeds and target.engine):  # that counts them itself
        return f"about {asked.read} tokens do not fit its {target.context}"
    return None


def _at_once(request: Request, facts: Facts) -> int:
    """Tokens that the model sees together: each text of a batch has a vector of its own."""
    if not request.embeds or not request.size or request.extra_tokens:
        return facts.estimate
    return facts.estimate * max(message.size for message in request.messages) // request.size


def _by_the_token(target: Target, rates: Rates | None) -> bool:
    """Whether somebody bills for what is asked of it: a cloud does, and a private server that has a price of tokens."""
    return target.tier == "cloud" or (target.tier == "private" and (rates is None or bool(rates.input or rates.output)))


def _least(request: Request) -> int:
    """Room that an answer needs at least."""
    return 0 if request.embeds else min(request.max_tokens or 64, 64)


@lru_cache(8)
def _needed(tools: bool, images: bool, schema: bool) -> tuple[tuple[str, str], ...]:
    """What a target must be able to do, each with the sentence of one that cannot."""
    return tuple(
        (ability, lacking)
        for wanted, ability, lacking in (
            (tools, "tools", "it cannot use tools"),
            (images, "vision", "it cannot see images"),
            (schema, "json_schema", "it cannot promise a JSON schema"),
        )
        if wanted
    )


def _attempt(target: Target, asked: _Asked, rates: Rates | None) -> Attempt:
    request, facts = asked.request, asked.facts
    output = request.max_tokens or target.max_output or DEFAULT_OUTPUT
    if target.max_output:
        output = min(output, target.max_output)
    output = 0 if asked.embeds else output
    consent = target.tier not in asked.ruling.allowed
    most = bound(request, target.image_tokens) if facts.images else facts.bound
    return Attempt(
        target=target.name,
        tier=target.tier,
        about=None if rates is None else pricing.bound(facts.estimate, min(output, 500), rates, request.n),
        at_most=None if rates is None else pricing.bound(most, output, rates, request.n),
        output=output,
        ask="price" if rates is None else "consent" if consent else None,
        rates=rates,
    )
