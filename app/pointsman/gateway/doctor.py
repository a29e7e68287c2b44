"""What works and what does not, each with one sentence; no call leaves the machine."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Literal, NamedTuple

from pointsman.core.amounts import dollars
from pointsman.core.catalog import Provider, Target
from pointsman.gateway.house import House
from pointsman.system.keychain import KeychainProblem

_NO_KEYCHAIN = {
    "missing": "no keychain here",
    "locked": "the keychain is locked",
    "denied": "the keychain gave no answer",
}


class Check(NamedTuple):
    """One line of the doctor. What is absent is no fault: Pointsman does without it."""

    name: str
    state: Literal["works", "absent", "note", "fails"]
    sentence: str


async def keys(house: House) -> list[dict[str, str]]:
    """For each provider where its key is. The keys themselves stay where they are."""
    try:
        kept = await asyncio.to_thread(house.keychain.kept)
        missing = ""
    except KeychainProblem as problem:
        kept, missing = [], _NO_KEYCHAIN[problem.state]
    return [
        {"provider": name, **_where(house, provider, kept, missing)}
        for name, provider in house.catalog.providers.items()
    ]


def _where(house: House, provider: Provider, kept: list[str], missing: str) -> dict[str, str]:
    if provider.key == "none":
        return {"state": "not needed", "where": ""}
    if house.keychain.from_environment(provider.name, provider.key_env) is not None:
        return {"state": "environment", "where": "environment variable"}
    if provider.name in kept:
        return {"state": "kept", "where": "keychain"}
    return {"state": "missing", "where": missing}


def targets(house: House) -> list[dict[str, Any]]:
    """Every target with its state and price."""
    workers = {state.name: state for state in house.supervisor.states()}
    down = house.health.down(time.time())
    rows = []
    for target in house.catalog.targets.values():
        worker = workers.get(target.name)
        state = down.get(target.name) or (worker.state if worker else "ready")
        if target.provider in house.keyless.reasons:
            state = "no key"
        model = target.model or target.source or ""
        row = {"name": target.name, "tier": target.tier, "model": model, "provider": target.provider or ""}
        rows.append({**row, "state": state, "price": _price(house, target)})
    return rows


def _price(house: House, target: Target) -> str:
    rates = house.rates(target, time.time())
    if target.tier == "local":
        return "free"
    if rates is None:
        return "not known"
    source = ", ".join(part for part in (rates.source, rates.dated) if part)
    return f"{dollars(rates.input)} in, {dollars(rates.output)} out ({source})"


async def checks(house: House) -> list[dict[str, Any]]:
    """The list that `pointsman doctor` prints."""
    problem = await house.audit.verify()
    state, said = await asyncio.to_thread(house.keychain.state)
    notices = [*house.notices, *house.keeping.bodies.notices(), *house.responses.notices()]
    rows = [
        Check("gateway", "works", "The gateway answers."),
        Check("ledger", "fails" if problem else "works", problem or "The ledger opens, and its record is whole."),
        *_local(house),
        Check("keychain", {"ready": "works", "missing": "absent"}.get(state, "fails"), said),  # type: ignore[arg-type]
        _keys(await keys(house)),
        *(Check("notice", "note", notice) for notice in notices),
    ]
    return [{**row._asdict(), "ok": row.state != "fails"} for row in rows]


def _local(house: House) -> list[Check]:
    states = house.supervisor.states()
    broken = [one for one in states if one.state == "broken"]
    if broken:
        return [Check("local models", "fails", f"{one.name}: {one.sentence}") for one in broken]
    if not states:
        said = "No model is set up on this machine. 'pointsman models pull' gets one, and models.toml names it."
        return [Check("local models", "absent", said)]
    named = ", ".join(f"{one.name} ({one.state})" for one in states)
    return [Check("local models", "works", f"No local model is broken: {named}.")]


def _keys(rows: list[dict[str, str]]) -> Check:
    missing = [row["provider"] for row in rows if row["state"] == "missing"]
    if not missing:
        return Check("provider keys", "works", "Every provider in use has its key.")
    said = f"Models of these providers are left out until they have a key: {', '.join(missing)}."
    return Check("provider keys", "absent", said)
