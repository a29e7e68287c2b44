"""What works and what does not, each with one sentence; no call leaves the machine."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from pointsman.core.catalog import Provider, Target
from pointsman.gateway.house import House
from pointsman.system.keychain import KeychainProblem


async def keys(house: House) -> list[dict[str, str]]:
    """For each provider where its key is. The keys themselves stay where they are."""
    try:
        kept = await asyncio.to_thread(house.keychain.kept)
        missing = ""
    except KeychainProblem as problem:
        kept, missing = [], f"keychain {problem.state}"
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
    return f"${rates.input / 1e6:.2f} in, ${rates.output / 1e6:.2f} out ({rates.source}, {rates.dated})"


async def checks(house: House) -> list[dict[str, Any]]:
    """The list that `pointsman doctor` prints."""
    broken = [state for state in house.supervisor.states() if state.state == "broken"]
    chain = await house.audit.verify()
    kept = await keys(house)
    missing = [row["provider"] for row in kept if row["state"] == "missing"]
    state, said = await asyncio.to_thread(house.keychain.state)
    rows = [
        ("gateway", True, "The gateway answers."),
        ("database", chain is None, chain or "The ledger opens and its record is whole."),
        ("local models", not broken, broken[0].sentence if broken else "Local models are in order."),
        ("keychain", state in ("ready", "missing"), said),
        (
            "provider keys",
            True,
            f"No key is kept for: {', '.join(missing)}." if missing else "Every provider has a key.",
        ),
        *(("notice", False, notice) for notice in house.notices),
    ]
    return [{"name": name, "ok": ok, "sentence": sentence} for name, ok, sentence in rows]
