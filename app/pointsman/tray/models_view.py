"""What the popover draws of models: the one on offer, those that lie here already, and what is on its way. Pure."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from pointsman.tray import words
from pointsman.wire.admin import Download, FitRow, ModelState, Snapshot

OFFER = "offer"  # what a person puts away: the offer, `held NAME`, `done NAME`
HELD = 3
_GB = 10**9
_FAST, _READING = 15.0, 8.0  # tokens a second
_USES = {
    "tools": "Good for chat, edits and tools.",
    "code": "Good for code.",
    "general": "Good for chat and texts.",
    "reasoning": "Good for hard questions; it thinks first.",
    "small": "Good for short answers.",
    "embeddings": "Good for search by meaning.",
}
Tone = Literal["plain", "ok", "warn", "danger"]
Act = Literal["", "pause", "resume", "again"]


class Away(msgspec.Struct, frozen=True):
    """What of models is not drawn, and which the gateway is being asked for."""

    hidden: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()


class Fact(msgspec.Struct, frozen=True):
    """A label and its value."""

    label: str
    value: str


class OfferView(msgspec.Struct, frozen=True):
    """A model that can be had by one click; `busy` while the gateway is asked for it."""

    name: str
    good_for: str
    facts: tuple[Fact, ...]
    pace: str
    meanwhile: str
    button: str
    busy: bool


class HeldRow(msgspec.Struct, frozen=True):
    """A model of another program; `load` names the button that loads it."""

    name: str
    program: str
    load: str


class HeldView(msgspec.Struct, frozen=True):
    """Models that other programs keep on this machine, and that can answer from there."""

    rows: tuple[HeldRow, ...]
    more: str
    names: tuple[str, ...]


class DownloadView(msgspec.Struct, frozen=True, kw_only=True):
    """A model on its way. `ratio` None draws no bar; `page` is where its licence is accepted."""

    name: str
    state: str
    rest: str = ""
    tone: Tone = "plain"
    ratio: float | None = None
    spoken: str = ""
    act: Act = ""
    act_name: str = ""
    give_up: str = ""
    sure: str = ""
    page: str = ""
    done: bool = False
    moves: bool = False


def offer_view(snapshot: Snapshot, away: Away) -> OfferView | None:
    """None where it was put away, is on its way, or a question is more urgent."""
    offer = snapshot.offer
    if offer is None or OFFER in away.hidden or snapshot.approvals:
        return None
    if any(one.name == offer.name for one in snapshot.downloads):
        return None
    busy = offer.name in away.asked
    return OfferView(
        name=offer.name,
        good_for=_USES.get(offer.use, ""),
        facts=_facts(offer),
        pace=_pace(offer.tokens_per_second),
        meanwhile="While it downloads, the small starter model answers.",
        button="Starting…" if busy else f"Download {words.memory(offer.size)}",
        busy=busy,
    )


def _facts(offer: FitRow) -> tuple[Fact, ...]:
    rate = offer.tokens_per_second
    speed = words.UNKNOWN if rate is None else f"{rate:.{0 if rate >= 10 else 1}f} tok/s"
    return (
        Fact("Download", words.memory(offer.size)),
        Fact("Memory it needs", words.memory(offer.memory)),
        Fact("Speed, about", speed),
        Fact("Licence", offer.licence or words.UNKNOWN),
    )


def _pace(rate: float | None) -> str:
    if rate is None:
        return "Its speed shows once it runs."
    if rate >= _FAST:
        return "It answers faster than one reads."
    return "It answers about as fast as one reads." if rate >= _READING else "It answers slower than one reads."


def held_view(snapshot: Snapshot, hidden: frozenset[str]) -> HeldView | None:
    """Those that were neither used yet nor put away."""
    held = [one for one in snapshot.models if _waits(one) and held_key(one.name) not in hidden]
    if not held or snapshot.approvals:
        return None
    rows = tuple(HeldRow(one.name, f"from {one.program}", f"Load {one.name}") for one in held[:HELD])
    more = f"and {len(held) - HELD} more" if len(held) > HELD else ""
    return HeldView(rows, more, tuple(one.name for one in held))


def _waits(model: ModelState) -> bool:
    return bool(model.program) and model.state == "unloaded"


def held_key(name: str) -> str:
    """What is put away for a model of another program."""
    return f"held {name}"


def done_key(name: str) -> str:
    """What is put away for a download that is told."""
    return f"done {name}"


def download_views(downloads: list[Download], hidden: frozenset[str], *, live: bool) -> tuple[DownloadView, ...]:
    """All that are on their way, and those that came and were not told yet; with a lost gateway nothing moves."""
    shown = [one for one in downloads if one.state != "done" or done_key(one.name) not in hidden]
    views = tuple(download_view(one) for one in shown)
    return views if live else tuple(_still(view) for view in views)


def _still(view: DownloadView) -> DownloadView:
    """A speed that was is none now; what has come stays, and goes on with the gateway."""
    return msgspec.structs.replace(view, rest="Goes on with the gateway", moves=False) if view.moves else view


def download_view(one: Download) -> DownloadView:
    """One of them."""
    if one.state == "done":
        said = one.sentence or "It answers on this machine from now on."
        return DownloadView(name=one.name, state=f"Ready. {said}", tone="ok", done=True)
    view = DownloadView(
        name=one.name,
        state=_progress(one),
        ratio=_ratio(one),
        give_up=f"Cancel the download of {one.name}",
        sure=f"Delete the {words.memory(one.received)}?" if one.received else "Cancel it?",
        spoken=f"Downloading {one.name}, {percent(one)}",
    )
    return msgspec.structs.replace(view, **_in_state(one))


def _ratio(one: Download) -> float | None:
    """None for one that failed before anything came."""
    if one.state == "failed" and not one.received:
        return None
    return min(one.received / one.total, 1.0) if one.total else 0.0


def _in_state(one: Download) -> dict[str, Any]:
    """What differs from state to state."""
    paused = {"act": "resume", "act_name": f"Resume {one.name}"}
    going = {"act": "pause", "act_name": f"Pause {one.name}"}
    if one.state == "failed":
        return {"act": "again", "act_name": "Try again", "tone": "danger", "page": one.page} | _said(one)
    if one.state == "paused":
        said = f"Paused at {percent(one)}"
        return paused | {"state": said, "rest": _progress(one), "spoken": f"{one.name}, {said[:1].lower()}{said[1:]}"}
    if one.state == "retrying":
        return going | {"tone": "warn"} | _said(one)
    if one.state == "downloading":
        left = f", {words.time_left(one.seconds_left)}" if one.seconds_left is not None else ""
        said = f"Downloading {one.name}, {percent(one)}{left}"
        return going | {"rest": _rest(one), "spoken": said, "moves": True}
    return going | {"rest": "Checking…" if one.state == "checking" else "Waits for its turn"}


def _said(one: Download) -> dict[str, Any]:
    """In the gateway's own words; of a licence in words for somebody who sees a field for the token."""
    said = one.sentence
    if one.page:
        said = (
            "Its publisher wants its licence accepted first. Accept it on its page, then make an access token in that "
            "account and paste it here. It is never written down."
        )
    return {"state": said, "spoken": f"{one.name}: {said}"}


def percent(one: Download) -> str:
    """How far it is; all of it only when it is."""
    return words.percent(one.received * 100 // one.total if one.total else 0)


def _progress(one: Download) -> str:
    """`2.1 of 5.0 GB`."""
    if one.received >= _GB // 10 and one.total >= _GB // 10:
        return f"{one.received / _GB:.1f} of {words.memory(one.total)}"
    return f"{words.memory(one.received) if one.received else '0'} of {words.memory(one.total)}"


def _rest(one: Download) -> str:
    if not one.bytes_per_second or one.seconds_left is None:
        return ""
    return f"{words.speed(one.bytes_per_second)} · {words.time_left(one.seconds_left)}"
