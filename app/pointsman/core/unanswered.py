"""Why nothing can answer a request, in a sentence that stays short however many models there are."""

from __future__ import annotations

from collections.abc import Sequence

from pointsman.core.routing import Dropped

_NAMES = 3  # models that are named where more are left out for the same reason
_REASONS = 4


def sentence(dropped: Sequence[Dropped]) -> str:
    """Each reason once, with the models that it is about."""
    return f"Nothing can answer this request. {_grouped(dropped) or 'No model is set up for it'}."


def of_vectors(asked: str, dropped: Sequence[Dropped], makers: Sequence[str]) -> str:
    """The same for embeddings. `makers` are the models that make any: only what is in their way is of interest."""
    here = [one for one in dropped if one.target in makers]
    if asked not in makers and any(one.target == asked for one in dropped):
        head = f"{asked} makes no embeddings."
    else:
        head = "Nothing can make these embeddings."
    if here:
        return f"{head} {_grouped(here)}."
    if makers:
        return f"{head} Ask for a model that does: {_listed(makers)}."
    return f'{head} No model is set up for it: give a target of models.toml can = ["embeddings"].'


def _grouped(dropped: Sequence[Dropped]) -> str:
    reasons: dict[str, list[str]] = {}
    for one in dropped:
        reasons.setdefault(one.reason.rstrip("."), []).append(one.target)
    told = [f"{_listed(names)}: {reason}" for reason, names in list(reasons.items())[:_REASONS]]
    return "; ".join(told)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMES
    return ", ".join(names[:_NAMES]) + (f" and {more} more" if more > 0 else "")
