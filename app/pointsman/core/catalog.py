"""models.toml: texts in, a checked catalog out, or one sentence with file, line and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pointsman.core import catalog_check as check
from pointsman.core.catalog_check import CatalogError, Check, Value
from pointsman.core.catalog_merge import merge
from pointsman.core.catalog_parts import (
    TOOL_FORMATS,
    About,
    Allowance,
    Batch,
    Books,
    Cascade,
    Catalog,
    Discovery,
    Engines,
    Fallback,
    Keep,
    Limit,
    Limits,
    Machine,
    Prices,
    Privacy,
    Provider,
    Routing,
    Rule,
    Runaway,
    Sensitivity,
    Source,
    Target,
    Then,
    Thresholds,
    Tier,
    When,
)
from pointsman.core.pricing import Rates

__all__ = [
    "TIERS",
    "About",
    "Allowance",
    "Batch",
    "Books",
    "Cascade",
    "Catalog",
    "CatalogError",
    "Discovery",
    "Engines",
    "Fallback",
    "Keep",
    "Limit",
    "Limits",
    "Machine",
    "Prices",
    "Privacy",
    "Provider",
    "Routing",
    "Rule",
    "Runaway",
    "Sensitivity",
    "Source",
    "Target",
    "Then",
    "Thresholds",
    "Tier",
    "When",
    "read",
]

TIERS = ("local", "private", "cloud")
_SENSITIVITIES = ("public", "internal", "personal")
_RESERVED = ("auto", *TIERS)
_CAN = ("tools", "json_schema", "vision", "reasoning", "audio", "embeddings")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,99}")
_sensitivity = check.one_of(*_SENSITIVITIES)
_tier = check.known("a tier", TIERS)
_deeds = check.some_of(*TIERS, "ask", "mask", "block")
_unavailable = check.one_of(*TIERS, "queue", "refuse")

_PROVIDER: dict[str, Check] = {
    "dialect": check.one_or_more("chat", "responses", "messages"),
    "base_url": check.base_url,
    "key": check.one_of("keychain", "env", "none"),
    "key_env": check.text,
    "region": check.text,
    "retention_days": check.whole,
    "trains_on_data": check.flag,
    "terms": check.web_address,
    "rate_buffer": check.ratio,
    "limit_field": check.one_of("max_tokens", "max_completion_tokens"),
    "takes_reasoning": check.flag,
    "compacts": check.flag,
    "batch": lambda value: Batch(**check.whole_struct(value, "a batch price", _BATCH)),
    "ca_file": check.text,
}
_BATCH: dict[str, Check] = {"service_tier": check.text, "percent": check.percent}
_ABOUT: dict[str, Check] = {
    "use": check.one_of("small", "general", "code", "tools", "reasoning", "embeddings"),
    "licence": check.text,
    "size_mb": check.counted,
    "active_mb": check.counted,
    "layers": check.counted,
    "kept": check.counted,
}
_TARGET: dict[str, Check] = {
    "tier": _tier,
    "engine": check.one_of("llama_cpp", "mlx"),
    "source": check.text,
    "provider": check.text,
    "model": check.text,
    "context": check.counted,
    "can": check.some_of(*_CAN),
    "price": check.price,
    "weight": check.whole,
    "max_output": check.counted,
    "tool_format": check.one_of(*TOOL_FORMATS),
    "lookup": check.whole,
    "tools_dialect": check.one_of("chat", "responses", "messages"),
    "image_tokens": check.counted,
    "about": lambda value: _about(check.whole_struct(value, "'about'", _ABOUT)),
}
_WHEN: dict[str, Check] = {
    "agent": check.text,
    "project": check.text,
    "class": check.text,
    "label": check.text,
    "path": check.text,
    "text": check.pattern,
    "tools": check.flag,
    "size": check.whole,
    "latency": check.one_of("interactive", "background", "streaming"),
    "sensitivity": _sensitivity,
}
_PRIVACY: dict[str, Check] = {
    "regions": check.texts,
    "max_retention_days": check.whole,
    "training": check.one_of("any", "never"),
}
_THEN: dict[str, Check] = {"target": check.text, "tier": _tier, "sensitivity": _sensitivity, **_PRIVACY}
_ROUTING: dict[str, Check] = {
    "default_tier": _tier,
    "escalation_threshold": check.ratio,
    "order": check.one_of("weighted", "least-busy", "cheapest", "best-uptime"),
}
_LEVELS: dict[str, Check] = {"default": _sensitivity} | dict.fromkeys(_SENSITIVITIES, _deeds)
_SENSITIVITY: dict[str, Check] = _LEVELS | dict.fromkeys(("secret", "personal_data", "health", "finance"), _sensitivity)
_FALLBACK: dict[str, Check] = dict.fromkeys(Fallback.__struct_fields__, _unavailable)
_LIMIT: dict[str, Check] = dict.fromkeys(Limit.__struct_fields__, check.counted)
_ALLOWANCE: dict[str, Check] = {
    "name": check.text,
    "agent": check.text,
    "target": check.text,
    "cap": check.text,
    "over": check.dollars,
}
_RUNAWAY: dict[str, Check] = {
    "calls_per_minute": check.whole,
    "spend_per_minute": check.dollars,
    "repeats": check.whole,
    "restarts": check.whole,
    "within": check.seconds,
}
_MACHINE: dict[str, Check] = {
    "price": check.dollars,
    "months": check.counted,
    "watts": check.counted,
    "electricity": check.dollars,
}
_KEEP: dict[str, Check] = {
    "bodies": check.flag,
    "max_mb": check.counted,
    "days": check.counted,
    "personal": check.flag,
}


def read(sources: Sequence[Source]) -> Catalog:
    """The catalog of these files together, or a `CatalogError`.

    A later file wins, setting by setting; the [[rules]] of later files come first.
    """
    merged = merge(sources)
    tables = check.struct(merged, "models.toml", _TABLES)
    tables["tiers"] = {name: Tier(name=name) for name in TIERS} | tables.get("tiers", {})
    catalog = Catalog(**tables)
    _check_names(merged, catalog)
    return catalog


def _named(what: str, kind: Callable[..., Any], checks: dict[str, Check]) -> Check:
    """A table of tables: name -> struct, each with its name in it."""

    def read_all(value: Value) -> dict[str, Any]:
        found = {}
        for name, part in value.parts():
            if not _NAME.fullmatch(name):
                part.refuse("a name is made of letters, digits and . _ : / @ + - and is at most 100 long")
            found[name] = kind(part, {"name": name} | check.struct(part, what, checks))
        return found

    return read_all


def _tier_of(value: Value, given: dict[str, Any]) -> Tier:
    if given["name"] not in TIERS:
        value.refuse(f"'{given['name']}' is not a tier. {check.write(given['name'], TIERS)}")
    return Tier(**given)


def _provider(value: Value, given: dict[str, Any]) -> Provider:
    if "base_url" not in given:
        value.refuse("a provider needs 'base_url'")
    if given.get("key") == "env" and "key_env" not in given:
        value.refuse("key = \"env\" needs 'key_env', the name of the variable that holds the key")
    spoken = {"dialects": given.pop("dialect")} if "dialect" in given else {}
    return Provider(**given, **spoken)


def _target(value: Value, given: dict[str, Any]) -> Target:
    if "tier" not in given:
        value.refuse("a target needs 'tier': local, private or cloud")
    if ("engine" in given) == ("provider" in given):
        value.refuse("a target needs either 'engine' and 'source', or 'provider'")
    if ("engine" in given) != ("source" in given):
        value.refuse("'engine' and 'source' belong together: the engine runs what the source names")
    if "engine" in given and given["tier"] != "local":
        value.refuse('an engine runs on this machine. Write tier = "local"')
    if "engine" in given and "context" not in given:
        value.refuse("a target with an engine needs 'context', the tokens to make room for")
    if "engine" in given and not {"vision", "audio"}.isdisjoint(given.get("can", ())):
        value.refuse("the engines here read text only. Take 'vision' and 'audio' out of 'can'")
    if "lookup" in given and given.get("engine") != "llama_cpp":
        value.refuse("only the engine llama_cpp guesses ahead. Take 'lookup' out")
    if isinstance(given.get("price"), Rates) and given["price"].per_hour and given["tier"] != "private":
        value.refuse("'per_hour' is the price of a private server. For this machine, write it into [machine]")
    if "provider" in given:
        given.setdefault("model", given["name"])
    return Target(**given | {"can": frozenset(given.get("can", ()))})


def _about(given: dict[str, Any]) -> About:
    size, active = given.pop("size_mb") * 10**6, given.pop("active_mb") * 10**6
    return About(size=size, active=min(size, active), **given)


def _allowances(value: Value) -> tuple[Allowance, ...]:
    if not isinstance(value.raw, list):
        value.refuse("each allowance begins with a line [[allowances]]")
    parts = [value.part(position) for position in range(len(value.raw))]
    found = tuple(Allowance(**check.whole_struct(part, "an allowance", _ALLOWANCE)) for part in parts)
    for position, part in enumerate(parts):
        if found[position].name in {one.name for one in found[:position]}:
            part.refuse(f"another allowance is called '{found[position].name}'. Give one of them another name")
    return found


def _alias(value: Value) -> dict[str, tuple[str, ...]]:
    return {name: check.texts(part) for name, part in value.parts()}


def _rules(value: Value) -> tuple[Rule, ...]:
    return tuple(_rule(value.part(position)) for position in range(len(value.raw)))


def _rule(value: Value) -> Rule:
    given = check.struct(value, "a rule", {"name": check.text, "when": _when, "then": _then})
    for needed in ("name", "then"):
        if needed not in given:
            value.refuse(f"a rule needs '{needed}'")
    return Rule(**{"when": When()} | given, where=str(value.spot))


def _when(value: Value) -> When:
    given = check.struct(value, "'when'", _WHEN)
    return When(**{"class_" if key == "class" else key: found for key, found in given.items()})


def _then(value: Value) -> Then:
    given = check.struct(value, "'then'", _THEN)
    if not given:
        value.refuse(f"'then' is empty. {check.write('', _THEN)}")
    return Then(**given)


def _sensitivities(value: Value) -> Sensitivity:
    given = check.struct(value, "[sensitivity]", _SENSITIVITY)
    findings = {key: given.pop(key) for key in list(given) if key not in _LEVELS}
    return Sensitivity(findings=findings, **given)


def _thresholds(value: Value) -> dict[str, dict[str, float]]:
    return {name: {kind: check.ratio(part) for kind, part in table.parts()} for name, table in value.parts()}


def _limits(value: Value) -> dict[str, Limit]:
    return {name: Limit(**check.struct(part, "a limit", _LIMIT)) for name, part in value.parts()}


def _thresholds_of(value: Value) -> dict[str, Thresholds]:
    return {name: Thresholds(**check.struct(part, "an agent's [runaway]", _RUNAWAY)) for name, part in value.parts()}


def _machine(value: Value) -> Machine:
    given = check.struct(value, "[machine]", _MACHINE)
    for one, other in (("price", "months"), ("watts", "electricity")):
        if (one in given) != (other in given):
            value.refuse(f"'{one}' and '{other}' belong together: write both, or neither")
    return Machine(**given)


def _only(kind: Callable[..., Any], what: str, checks: dict[str, Check]) -> Check:
    return lambda value: kind(**check.struct(value, what, checks))


_TABLES: dict[str, Check] = {
    "preset": check.one_of("private", "local-first", "balanced", "quality-first"),
    "tiers": _named("a tier", _tier_of, {"health_interval": check.seconds}),
    "providers": _named("a provider", _provider, _PROVIDER),
    "targets": _named("a target", _target, _TARGET),
    "aliases": _alias,
    "routing": _only(Routing, "[routing]", _ROUTING),
    "rules": _rules,
    "sensitivity": _sensitivities,
    "privacy": _only(Privacy, "[privacy]", _PRIVACY),
    "discovery": _only(Discovery, "[discovery]", {"local": check.flag}),
    "fallback": _only(Fallback, "[fallback]", _FALLBACK),
    "cascade": _only(
        Cascade,
        "[cascade]",
        {"max_escalation_rate": check.ratio, "window": check.seconds, "thresholds": _thresholds},
    ),
    "limits": _only(Limits, "[limits]", _LIMIT | {"targets": _limits, "agents": _limits}),
    "allowances": _allowances,
    "runaway": _only(Runaway, "[runaway]", _RUNAWAY | {"agents": _thresholds_of}),
    "keep": _only(Keep, "[keep]", _KEEP),
    "ledger": _only(Books, "[ledger]", {"database": check.database}),
    "machine": _machine,
    "engines": _only(Engines, "[engines]", {"keep_alive": check.seconds, "memory_mb": check.counted}),
    "prices": _only(Prices, "[prices]", {"refresh": check.flag, "interval": check.seconds}),
}


def _check_names(merged: Value, catalog: Catalog) -> None:
    """Each name that is spoken of exists, and no name has two meanings."""
    for name in catalog.aliases:
        if name in catalog.targets:
            alias = merged.part("aliases").part(name).spot
            target = merged.part("targets").part(name)
            target.refuse(f"'{name}' is an alias too ({alias}). Give one of them another name")
    for table, names in (("targets", catalog.targets), ("aliases", catalog.aliases)):
        for name in names:
            if name in _RESERVED:
                merged.part(table).part(name).refuse(f"'{name}' has a meaning of its own. Choose another name")
    for place, name, what, known in _spoken_of(merged, catalog):
        if name not in known:
            place.refuse(f"'{name}' is not {what}. {check.write(name, known)}")


def _spoken_of(merged: Value, catalog: Catalog) -> Iterable[tuple[Value, str, str, Iterable[str]]]:
    """Each mention of a name: where, the name, what it has to be, and which there are."""
    yield from _spoken_of_by_targets(merged, catalog)
    for alias, members in catalog.aliases.items():
        for member in members:
            yield merged.part("aliases").part(alias), member, "a target", catalog.targets
    for position, rule in enumerate(catalog.rules):
        if rule.then.target is not None:
            place = merged.part("rules").part(position).part("then").part("target")
            yield place, rule.then.target, "a target or an alias", [*catalog.targets, *catalog.aliases]
    for position, allowance in enumerate(catalog.allowances):
        yield merged.part("allowances").part(position).part("target"), allowance.target, "a target", catalog.targets
    named = (("cascade", "thresholds", catalog.cascade.thresholds), ("limits", "targets", catalog.limits.targets))
    for table, part, names in named:
        for name in names:
            yield merged.part(table).part(part).part(name), name, "a target", catalog.targets


def _spoken_of_by_targets(merged: Value, catalog: Catalog) -> Iterable[tuple[Value, str, str, Iterable[str]]]:
    for target in catalog.targets.values():
        if target.provider is not None:
            place = merged.part("targets").part(target.name).part("provider")
            yield place, target.provider, "a provider", catalog.providers
        if target.tools_dialect is not None:
            place, spoken = merged.part("targets").part(target.name), catalog.dialects(target, tools=False)
            yield place.part("tools_dialect"), target.tools_dialect, "a dialect of its provider", spoken
