"""Facts, ruling, prices and health to a plan: ordered attempts, and what was dropped with the reason.

Explicit asks win (header, target, alias, rule), then what the target can do, then class and size decide whether
local comes first. A dropped target is a value with a reason; nothing disappears silently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from pointsman.core import pricing
from pointsman.core.catalog import Catalog, Target
from pointsman.core.facts import Facts
from pointsman.core.policy import Ruling
from pointsman.core.pricing import Rates
from pointsman.core.request import Request

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
    automatic = reason.startswith("auto")
    attempts: list[Attempt] = []
    dropped: list[Dropped] = []
    for target in (catalog.targets[name] for name in names):
        problem = _alone(target, request, catalog) or _problem(target, request, facts, ruling, now)
        if problem is not None:
            dropped.append(Dropped(target.name, problem, now.passing.get(target.name) == problem))
        else:
            attempts.append(_attempt(target, request, facts, ruling, now.rates.get(target.name)))
    if automatic:  # nobody asked for that very target: what needs no question comes first
        attempts.sort(key=lambda one: one.ask is not None)
    kept = attempts if request.hints.fallback else attempts[:1]
    dropped += [Dropped(one.target, "the client allows no fallback") for one in attempts[len(kept) :]]
    return Plan(attempts=tuple(kept), dropped=tuple(dropped), reason=reason)


def _candidates(request: Request, facts: Facts, ruling: Ruling, catalog: Catalog) -> tuple[list[str], str]:
    """Names in the order of trying, and why that order."""
    asked = request.model
    for wish, why in ((ruling.target, f"rule '{ruling.rule}'"), (asked, "asked for by name")):
        if wish in catalog.targets or wish in catalog.aliases:
            names = _named(wish, catalog, strict=wish == asked)
            if request.hints.tier in (None, catalog.targets[names[0]].tier):  # a tier in the header narrows a name
                return names, f"{wish}: {why}"
    for tier, why in ((request.hints.tier, "header"), (ruling.tier, f"rule '{ruling.rule}'"), (asked, "asked for")):
        if tier in ("local", "private", "cloud"):
            return _ordered(catalog, [tier, *_after(tier, catalog)]), f"{tier}: {why}"
    unknown = "" if asked in ("auto", "") else f"'{_printable(asked)}' is not known here, so auto; "
    first, why = _first(facts, catalog)
    return _ordered(catalog, first), f"auto: {unknown}{why}"


def _printable(name: str) -> str:
    """Short and plain, as it goes into a header."""
    return "".join(char if 32 <= ord(char) < 127 else "?" for char in name[:60])


def _named(wish: str, catalog: Catalog, *, strict: bool) -> list[str]:
    """A target stands for itself; an alias for its targets in order. A rule's target may fall back to its tier."""
    names = list(catalog.aliases.get(wish, (wish,)))
    if strict and wish in catalog.targets:
        tier = catalog.targets[wish].tier
        return names + [name for name in _ordered(catalog, _after(tier, catalog)) if name not in names]
    return names


def _after(tier: str, catalog: Catalog) -> list[str]:
    """Where a request may go on when nothing of this tier can answer."""
    then = catalog.fallback.local_unavailable if tier == "local" else catalog.fallback.cloud_unavailable
    return [then] if then in ("local", "private", "cloud") and then != tier else []


def _first(facts: Facts, catalog: Catalog) -> tuple[list[str], str]:
    """Local first for what a small model does well, else the cloud first."""
    if catalog.preset == "quality-first" and not facts.background:
        return ["cloud", "private", "local"], "quality first"
    if facts.background:
        return ["local", "private", "cloud"], f"{facts.class_} is a background call"
    if facts.hard:
        return ["private", "cloud", "local"], f"{facts.class_} of {facts.estimate} tokens is hard work"
    return ["local", "private", "cloud"], f"{facts.class_} of {facts.estimate} tokens is simple work"


def _ordered(catalog: Catalog, tiers: list[str]) -> list[str]:
    return [target.name for tier in tiers for target in catalog.by_tier(tier)]


def _alone(target: Target, request: Request, catalog: Catalog) -> str | None:
    """Several answers at once exist only where client and provider both speak chat completions."""
    several = target.provider is not None and request.dialect in catalog.providers[target.provider].dialects
    return "it gives one answer at a time" if request.n > 1 and not several else None


def _problem(target: Target, request: Request, facts: Facts, ruling: Ruling, now: Circumstances) -> str | None:
    """Why this target cannot or may not answer, None if it can."""
    checks: tuple[tuple[Callable[[], bool], str], ...] = (
        (
            lambda: target.tier not in ruling.allowed and target.tier not in ruling.ask,
            f"{ruling.sensitivity} data may not go to the {target.tier} tier (rule '{ruling.rule}')",
        ),
        (lambda: target.name in now.down, now.down.get(target.name, "")),
        (lambda: facts.tools and "tools" not in target.can, "it cannot use tools"),
        (lambda: facts.images and "vision" not in target.can, "it cannot see images"),
        (lambda: facts.schema and "json_schema" not in target.can, "it cannot promise a JSON schema"),
        (
            lambda: bool(request.unpriced) and target.tier == "cloud",
            f"{request.unpriced} has a price that cannot be bounded yet",
        ),
        (
            lambda: facts.estimate + _least(request) > target.context,
            f"about {facts.estimate} tokens do not fit its {target.context}",
        ),
    )
    return next((reason for wrong, reason in checks if wrong()), None)


def _least(request: Request) -> int:
    """Room that an answer needs at least."""
    return min(request.max_tokens or 64, 64)


def _attempt(target: Target, request: Request, facts: Facts, ruling: Ruling, rates: Rates | None) -> Attempt:
    output = request.max_tokens or target.max_output or DEFAULT_OUTPUT
    if target.max_output:
        output = min(output, target.max_output)
    consent = target.tier not in ruling.allowed
    return Attempt(
        target=target.name,
        tier=target.tier,
        about=None if rates is None else pricing.bound(facts.estimate, min(output, 500), rates, request.n),
        at_most=None if rates is None else pricing.bound(facts.bound, output, rates, request.n),
        output=output,
        ask="price" if rates is None else "consent" if consent else None,
        rates=rates,
    )
