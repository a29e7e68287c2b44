"""What a cloud must say of itself before anything goes there: where data stays, for how long, and whether it trains."""

from __future__ import annotations

from pointsman.core.catalog import Privacy, Provider


def problem(provider: Provider, wanted: Privacy, by: str = "[privacy]") -> str | None:
    """Why nothing goes to this provider, None if it says all that is wanted. What it does not say, it does not promise.

    `by` whom it is wanted.
    """
    name = provider.name
    if wanted.regions and not any(_within(provider.region, region) for region in wanted.regions):
        where = f"keeps data in {provider.region}" if provider.region else "does not say where data stays"
        return f"{name} {where}, and {by} allows {', '.join(wanted.regions)}"
    days, most = provider.retention_days, wanted.max_retention_days
    if most is not None and (days is None or days > most):
        kept = "does not say for how long it keeps data" if days is None else f"keeps data for {days} days"
        return f"{name} {kept}, and {by} allows {most} days"
    if wanted.training == "never" and provider.trains_on_data is not False:
        trains = "trains on data" if provider.trains_on_data else "does not say that it never trains on data"
        return f"{name} {trains}, and {by} allows no training"
    return None


def told(provider: Provider) -> str:
    """What becomes of data there, in one sentence."""
    where = f"keeps data in {provider.region}" if provider.region else "does not say where data stays"
    days = provider.retention_days
    kept = "does not say for how long it keeps it" if days is None else f"keeps it for {days} days"
    trains = {None: "does not say whether it trains on it", True: "trains on it", False: "does not train on it"}
    return f"{provider.name} {where}, {kept if days != 0 else 'keeps nothing'}, and {trains[provider.trains_on_data]}."


def _within(region: str | None, wanted: str) -> bool:
    """Whether a region is one that is wanted or lies in it: eu holds eu-west-1."""
    found, allowed = (region or "").lower(), wanted.lower()
    return found == allowed or found.startswith(f"{allowed}-")
