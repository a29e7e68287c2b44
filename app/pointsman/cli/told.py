"""One request of the audit as a person reads it: what was decided, where it went, why, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pointsman.cli import words

Found = Mapping[str, Any]
Lines = list[tuple[str, str]]
_WHERE = {"local": "on this machine", "private": "on your server", "cloud": "in the cloud"}
_KINDS = {"mail_address": "mail addresses", "card_number": "card numbers", "secret_key": "secret keys"}
_METERS = {
    "fresh_input": "in",
    "cache_read": "in from the cache",
    "cache_write_short": "written to the cache for 5 minutes",
    "cache_write_long": "written to the cache for an hour",
    "output": "out",
}
_RATES = {
    "input": "in",
    "cache_read": "cache read",
    "cache_write_short": "cache write",
    "cache_write_long": "cache write for an hour",
    "output": "out",
}
_MOST_NAMES = 4
"""Targets that are named where many are left out for the same reason."""


def lines(found: Found, now: float) -> Lines:
    """A label and what is said under it; what is not known is left out."""
    plan = _read(found.get("plan"))
    told = [
        ("Request", str(found.get("request") or "")),
        ("When", words.clock(found.get("at"), now)),
        ("Asked", _asked(found)),
        ("Outcome", _outcome(found)),
        ("Why", str(found.get("reason") or "")),
        ("Data", _data(found, plan)),
        *_numbered("Plan", [_attempt(one) for one in _several(plan, "attempts")]),
        *_numbered("Left out", _dropped(_several(plan, "dropped"))),
        *_numbered("Failed", [f"{one.get('target')}: {one.get('why')}" for one in _several(plan, "failed")]),
        ("Tokens", _tokens(found)),
        ("Cost", _cost(found)),
        ("Rates", _rates(found)),
        ("Time", _time(found)),
        ("Sent", _sent(found)),
        *_numbered("Before", [_earlier(one, now) for one in _several(found, "earlier")]),
        ("Record", f"row {found['seq']:,}; all fields are in --json" if found.get("seq") else ""),
    ]
    return [(label, text) for label, text in told if text]


def _read(text: Any) -> dict[str, Any]:
    """A field that holds JSON; nothing where it holds none."""
    try:
        read = msgspec.json.decode(text or "{}")
    except (msgspec.DecodeError, TypeError):
        return {}
    return read if isinstance(read, dict) else {}


def _several(found: Found, name: str) -> list[Found]:
    rows = found.get(name)
    return [one for one in rows if isinstance(one, dict)] if isinstance(rows, list) else []


def _numbered(label: str, texts: Sequence[str]) -> Lines:
    """The label once, before the first."""
    return [(label if at == 0 else " ", text) for at, text in enumerate(texts)]


def _asked(found: Found) -> str:
    parts = [f"{found.get('agent') or 'Nobody known'} asked for {found.get('model_asked') or 'no model'}"]
    parts += [f"{name} {found[name]}" for name in ("project", "label", "session") if found.get(name)]
    return ", ".join(parts)


def _outcome(found: Found) -> str:
    code = f" ({found['code']})" if found.get("code") else ""
    where = _WHERE.get(found.get("tier") or "", "")
    if not found.get("target"):
        return f"{found.get('outcome', '')}{code}, and nothing was sent anywhere"
    at = ", ".join(str(found[name]) for name in ("provider", "region") if found.get(name))
    word = "answered by" if found.get("outcome") == "done" else f"{found.get('outcome', '')}{code} at"
    return f"{word} {found['target']} {where}{f' ({at})' if at else ''}".rstrip()


def _data(found: Found, plan: Found) -> str:
    parts = [f"{found['sensitivity']}"] if found.get("sensitivity") else []
    parts += [f"by the rule '{plan['rule']}'"] if parts and plan.get("rule") else []
    parts += [f"kind of work: {found['class_']}"] if found.get("class_") else []
    kinds = plan.get("findings")
    for kind, count in kinds.items() if isinstance(kinds, dict) else ():
        parts.append(f"{count} {_KINDS.get(kind, str(kind).replace('_', ' '))}")
    parts += ["sent with your consent"] if found.get("consent") == "consented" else []
    return ", ".join(parts)


def _attempt(one: Found) -> str:
    named = f"{one.get('target')} ({one.get('tier')})"
    if one.get("at_most") is None:
        price = "price unknown"
    else:
        most = words.bound(one["at_most"])
        price = "free" if not one["at_most"] else f"about {words.exact(one.get('about'))}, at most {most}"
    asks = {"consent": ", asks for consent first", "price": ", asks for its price first"}
    return f"{named}: {price}{asks.get(one.get('ask') or '', '')}"


def _dropped(rows: Sequence[Found]) -> list[str]:
    """By reason, with the first names: a whole catalogue may be left out for one."""
    reasons: dict[str, list[str]] = {}
    for one in rows:
        reasons.setdefault(str(one.get("reason") or "").rstrip("."), []).append(str(one.get("target")))
    return [f"{_names(names)}: {reason}" for reason, names in reasons.items()]


def _names(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _tokens(found: Found) -> str:
    return ", ".join(f"{found[name]:,} {said}" for name, said in _METERS.items() if found.get(name))


def _cost(found: Found) -> str:
    if not found.get("target"):
        return ""
    parts = [words.exact(found.get("cost"))]
    parts += ["an estimate, for the provider gave no usage"] if found.get("estimated") else []
    parts += [f"{words.exact(found['held'])} was held for it"] if found.get("held") else []
    parts += [f"about {words.money(found['saved'])} saved"] if found.get("saved") else []
    return "; ".join(parts)


def _rates(found: Found) -> str:
    price = _read(found.get("price"))
    if found.get("tier") == "local" or not price:
        return ""
    known = {name: price[name] for name in _RATES if isinstance(price.get(name), int)}
    told = [
        f"{words.rate(rate)} {_RATES[name]}"
        for name, rate in known.items()
        if name in ("input", "output") or rate != known.get("input")
    ]
    told += [f"{words.rate(price['per_request'])} a request"] if price.get("per_request") else []
    source = ", ".join(str(price[name]) for name in ("source", "dated") if price.get(name))
    return f"{', '.join(told)}, for a million tokens{f' ({source})' if source else ''}"


def _time(found: Found) -> str:
    spans = {"latency_ms": "in all", "queue_ms": "until it was sent", "first_token_ms": "until the first token"}
    told = [f"{_seconds(found[name])} {said}" for name, said in spans.items() if found.get(name)]
    told += [f"{found['tokens_per_second']:,.0f} tokens a second"] if found.get("tokens_per_second") else []
    return ", ".join(told)


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.1f} s" if milliseconds >= 1000 else f"{milliseconds:.0f} ms"


def _sent(found: Found) -> str:
    return f"{found['bytes_sent']:,} bytes to {found.get('provider')}" if found.get("bytes_sent") else ""


def _earlier(one: Found, now: float) -> str:
    what = f"{one.get('target') or one.get('kind')} {one.get('outcome')}"
    cost = f", {words.exact(one['cost'])}" if one.get("cost") else ""
    return f"{words.clock(one.get('at'), now)} {what}{cost}: {one.get('reason') or ''}".rstrip(": ")
