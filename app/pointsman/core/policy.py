"""Rules and sensitivity to a ruling: where a request may go, where only after asking, and why.

The first rule that matches wins. A rule may send a request somewhere or raise its sensitivity; nothing lowers it.
"""

from __future__ import annotations

import fnmatch
import re
from functools import lru_cache

import msgspec

from pointsman.core.catalog import Catalog, Privacy, Rule, Then
from pointsman.core.facts import Facts, raised
from pointsman.core.request import Request
from pointsman.core.session import Attribution

TIERS = ("local", "private", "cloud")
_NO_WISH = Privacy()


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
    found = _first(catalog, request, who, facts)
    level = facts.sensitivity if found is None else raised(facts.sensitivity, found.then.sensitivity)
    allowed, ask = _tiers(getattr(catalog.sensitivity, level, ("local",)), catalog.preset)
    if found is None:
        return Ruling(allowed=allowed, ask=ask, sensitivity=level, rule=f"{level} data", privacy=_NO_WISH)
    return Ruling(
        allowed=allowed,
        ask=ask,
        sensitivity=level,
        rule=found.name,
        target=found.then.target,
        tier=found.then.tier,
        privacy=_privacy(found.then),
    )


@lru_cache(64)
def _tiers(row: tuple[str, ...], preset: str) -> tuple[frozenset[str], frozenset[str]]:
    """Tiers that may answer, and those that may after consent, by what a row of the table says."""
    tiers = frozenset(("local", "private") if preset == "private" else TIERS)
    if "ask" not in row:
        return tiers.intersection(row), frozenset()
    allowed = tiers.intersection([*row, "local"])
    return allowed, tiers - allowed


def _first(catalog: Catalog, request: Request, who: Attribution, facts: Facts) -> Rule | None:
    for one in catalog.rules:
        if _matches(one, request, who, facts):
            return one
    return None


def _privacy(then: Then) -> Privacy:
    return Privacy(regions=then.regions, max_retention_days=then.max_retention_days, training=then.training)


def _matches(rule_: Rule, request: Request, who: Attribution, facts: Facts) -> bool:
    """Every condition that the rule names must hold."""
    when = rule_.when
    return (
        (when.class_ is None or when.class_ == facts.class_)
        and (when.sensitivity is None or when.sensitivity == facts.sensitivity)
        and (when.latency is None or when.latency == request.hints.latency)
        and (when.tools is None or when.tools == facts.tools)
        and (when.size is None or facts.estimate >= when.size)
        and (when.agent is None or fnmatch.fnmatch(who.agent, when.agent))
        and (when.project is None or fnmatch.fnmatch(who.project or "", when.project))
        and (when.path is None or fnmatch.fnmatch(who.project or "", when.path))
        and (when.label is None or fnmatch.fnmatch(who.label or "", when.label))
        and (when.text is None or re.search(when.text, request.last_user) is not None)
    )
