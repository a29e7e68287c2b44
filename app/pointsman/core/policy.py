"""Rules and sensitivity to a ruling: where a request may go, where only after asking, and why.

The first rule that matches wins. A rule may send a request somewhere or raise its sensitivity; nothing lowers it.
"""

from __future__ import annotations

import fnmatch
import re

import msgspec

from pointsman.core.catalog import Catalog, Privacy, Rule, Then
from pointsman.core.facts import Facts, raised
from pointsman.core.request import Request
from pointsman.core.session import Attribution

TIERS = ("local", "private", "cloud")


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """Tiers that may answer, tiers that may after consent, and the rule's name; `target` is where a rule sends it.

    `privacy` is what the rule wants of clouds.
    """

    allowed: frozenset[str]
    ask: frozenset[str]
    sensitivity: str
    rule: str
    target: str | None = None
    tier: str | None = None
    privacy: Privacy = Privacy()


def rule(request: Request, who: Attribution, facts: Facts, catalog: Catalog) -> Ruling:
    """What the person's rules and the sensitivity table make of this request."""
    found = next((one for one in catalog.rules if _matches(one, request, who, facts)), None)
    level = raised(facts.sensitivity, found.then.sensitivity if found else None)
    row = getattr(catalog.sensitivity, level, ("local",))
    tiers = ("local", "private") if catalog.preset == "private" else TIERS
    allowed = frozenset(tier for tier in tiers if tier in row or (tier == "local" and "ask" in row))
    return Ruling(
        allowed=allowed,
        ask=frozenset(tiers) - allowed if "ask" in row else frozenset(),
        sensitivity=level,
        rule=found.name if found else f"{level} data",
        target=found.then.target if found else None,
        tier=found.then.tier if found else None,
        privacy=_privacy(found.then) if found else Privacy(),
    )


def _privacy(then: Then) -> Privacy:
    return Privacy(regions=then.regions, max_retention_days=then.max_retention_days, training=then.training)


def _matches(rule_: Rule, request: Request, who: Attribution, facts: Facts) -> bool:
    """Every condition that the rule names must hold."""
    when = rule_.when
    checks = (
        when.agent is None or fnmatch.fnmatch(who.agent, when.agent),
        when.project is None or fnmatch.fnmatch(who.project or "", when.project),
        when.path is None or fnmatch.fnmatch(who.project or "", when.path),
        when.label is None or fnmatch.fnmatch(who.label or "", when.label),
        when.class_ is None or when.class_ == facts.class_,
        when.sensitivity is None or when.sensitivity == facts.sensitivity,
        when.latency is None or when.latency == request.hints.latency,
        when.tools is None or when.tools == facts.tools,
        when.size is None or facts.estimate >= when.size,
        when.text is None or re.search(when.text, request.last_user) is not None,
    )
    return all(checks)
