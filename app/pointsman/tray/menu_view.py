"""The tray icon's state, tool tip and menu as data, so that tests never open one. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from pointsman.tray import words
from pointsman.tray.cap_view import pace
from pointsman.tray.link import Link
from pointsman.tray.settings import Settings
from pointsman.wire.admin import Snapshot

Icon = Literal["idle", "working", "asks", "stopped"]
Act = Literal["", "show", "approvals", "offer", "resume", "copy", "start", "quit", "stop"]


class PauseChoice(msgspec.Struct, frozen=True):
    """How long to pause; `until` None is until resumed."""

    text: str
    until: float | None


class PauseView(msgspec.Struct, frozen=True):
    """The button that pauses all, or resumes them."""

    text: str
    enabled: bool
    paused: bool
    choices: tuple[PauseChoice, ...]


class Switch(msgspec.Struct, frozen=True):
    """A setting that is on or off; `name` is its field in the settings."""

    text: str
    name: Literal["notify", "allow"]
    on: bool


class MenuItem(msgspec.Struct, frozen=True):
    """A line of the menu; without act, choices and switches it only says something; an empty text is a separator."""

    text: str = ""
    act: Act = ""
    choices: tuple[PauseChoice, ...] = ()
    switches: tuple[Switch, ...] = ()


class MenuView(msgspec.Struct, frozen=True):
    """The icon, its tool tip and its menu."""

    icon: Icon
    tip: str
    items: tuple[MenuItem, ...]


def icon_state(snapshot: Snapshot | None, link: Link) -> Icon:
    """A question wins over work; a stopped gateway and a pause look alike, the tool tip says which."""
    if link.state == "gone" or snapshot is None:
        return "stopped" if link.state == "gone" else "idle"
    if snapshot.approvals:
        return "asks"
    if snapshot.paused:
        return "stopped"
    return "working" if snapshot.running else "idle"


def state_word(
    snapshot: Snapshot | None, link: Link, now: datetime
) -> tuple[str, Literal["plain", "ok", "warn", "danger"]]:
    """The state in the header, and its tone."""
    if link.state == "gone":
        return ("Not answering" if link.hangs else "Starting…" if link.starting else "Stopped"), "danger"
    if snapshot is None:
        return "Starting…", "plain"
    if snapshot.approvals:
        return "Waiting for you", "warn"
    if snapshot.paused:
        return _paused(snapshot.paused_until, now), "warn"
    return ("Working", "ok") if snapshot.running else ("Running", "ok")


def _paused(until: float | None, now: datetime) -> str:
    return f"Paused until {words.moment(until, now)}" if until else "Paused"


def pause_view(snapshot: Snapshot | None, link: Link, now: datetime) -> PauseView:
    """What the pause button says and offers."""
    paused = snapshot is not None and snapshot.paused
    text = "Resume" if paused else "Pause all"
    return PauseView(text, link.state == "live", paused, () if paused else pause_choices(now))


def pause_choices(now: datetime) -> tuple[PauseChoice, ...]:
    """Half an hour, an hour, the next morning, or until resumed."""
    morning = (now + timedelta(days=1)).replace(hour=6, minute=0, second=0, microsecond=0)
    return (
        PauseChoice("For 30 minutes", now.timestamp() + 1800),
        PauseChoice("For 1 hour", now.timestamp() + 3600),
        PauseChoice("Until tomorrow, 06:00", morning.timestamp()),
        PauseChoice("Until I resume", None),
    )


def menu_view(snapshot: Snapshot | None, link: Link, now: datetime, settings: Settings | None = None) -> MenuView:
    """The whole menu at `now`."""
    live = snapshot is not None and link.state == "live"
    items = _live_items(snapshot, now) if snapshot is not None and live else _lost_items(link)
    last = (
        [MenuItem("Quit tray (gateway keeps running)", "quit")] if link.state != "gone" else [MenuItem("Quit", "quit")]
    )
    if live:
        last.append(MenuItem("Stop gateway and quit…", "stop"))
    told = MenuItem("Notifications", switches=_switches(settings or Settings()))
    return MenuView(
        icon_state(snapshot, link), _tip(snapshot, link, now), (*items, MenuItem(), told, MenuItem(), *last)
    )


def _switches(settings: Settings) -> tuple[Switch, ...]:
    tell = Switch("Tell me when an agent asks and I cannot see it", "notify", settings.notify)
    return tell, Switch("Offer “Allow once” in them, for money", "allow", settings.allow)


def _live_items(snapshot: Snapshot, now: datetime) -> list[MenuItem]:
    address = snapshot.address.removeprefix("http://").removesuffix("/v1")
    items = [
        MenuItem(_spent(snapshot, now)),
        MenuItem(f"{address}, {words.count(len(snapshot.agents), 'agent')}"),
        MenuItem(),
        MenuItem("Show Pointsman", "show"),
    ]
    if snapshot.approvals:
        items.append(MenuItem(f"Open approvals ({len(snapshot.approvals)})", "approvals"))
    offer = snapshot.offer
    if offer is not None and all(one.name != offer.name for one in snapshot.downloads):
        items.append(MenuItem("Get a model for this machine…", "offer"))
    items.append(MenuItem())
    if snapshot.paused:
        until = f", {_paused(snapshot.paused_until, now).lower()}" if snapshot.paused_until else ""
        items.append(MenuItem(f"Resume{until}", "resume"))
    else:
        items.append(MenuItem("Pause all agents", choices=pause_choices(now)))
    return [*items, MenuItem("Copy the address", "copy")]


def _lost_items(link: Link) -> list[MenuItem]:
    if link.state == "gone" and not link.hangs:
        start = [] if link.starting else [MenuItem("Start gateway", "start")]
        first = "The gateway is starting…" if link.starting else "The gateway is stopped"
        return [MenuItem(first), *start, MenuItem(), MenuItem("Show Pointsman", "show")]
    waiting = "Waiting for the gateway…" if link.state == "loading" else "The gateway is not answering"
    return [MenuItem(waiting), MenuItem(), MenuItem("Show Pointsman", "show")]


def _spent(snapshot: Snapshot, now: datetime) -> str:
    today = snapshot.today
    if today.cap is None:
        return f"{words.money(today.spent)} today"
    said = pace(today, now).words.partition(",")[0]
    tail = f", {said[:1].lower()}{said[1:]}" if said else ""
    return f"{words.money(today.spent)} of {words.money(today.cap.limit)} today{tail}"


def _tip(snapshot: Snapshot | None, link: Link, now: datetime) -> str:
    state, _ = state_word(snapshot, link, now)
    state = state[0].lower() + state[1:]
    if snapshot is None or link.state != "live":
        return f"Pointsman: {state}"
    return f"Pointsman: {_spent(snapshot, now).partition(' today')[0]} today, {state}"
