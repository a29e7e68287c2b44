"""Rows of the audit that the ledger itself writes about holds, in the transaction that ends them."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from pointsman.core.budget import Account, Subject
from pointsman.store.audit import Row
from pointsman.store.prepared import Found


def overrun(account: Account, hold: Found, beyond: int) -> Row:
    """What a provider took beyond the limit of an account, with who and why; it costs nothing itself."""
    why = hold["why"] or "the provider charged more than was held"
    detail = {"cap": account.cap.name, "key": account.key, "window": account.window.key, "amount": beyond}
    return replace(
        _about(hold),
        at=hold["ended"],
        kind="cap",
        outcome="overrun",
        reason=f'{hold["target"]} took {beyond} micro-dollars beyond the cap "{account.cap.name}": {why}.',
        held=hold["amount"],
        detail=msgspec.json.encode(detail | {"held": hold["amount"], "charged": hold["charge"]}).decode(),
    )


def crashed(hold: Found) -> Row:
    """The row of a request that could not write its own."""
    meters = {name: hold[name] for name in ("fresh_input", "cache_read", "cache_write_short", "cache_write_long")}
    return replace(
        _about(hold),
        outcome="failed",
        reason=hold["why"],
        cost=hold["charge"],
        held=hold["amount"],
        estimated=True,
        output=hold["output"],
        price_source=hold["price_source"],
        price=hold["price"],
        **meters,
    )


def _about(hold: Found) -> Row:
    """A row that names whom and what a hold was for."""
    fields = (*Subject.__struct_fields__, "attempt", "target")
    return Row(at=hold["made"], **{field: hold[field] for field in fields if field != "model"})
