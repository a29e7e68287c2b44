"""What the popover draws, worked out from a snapshot. Pure: values in, texts, ratios and states out."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from pointsman.tray import words
from pointsman.tray.cap_view import ChartView, MeterView, Pace, chart_view, meter_view, pace, reached
from pointsman.tray.link import Link
from pointsman.tray.menu_view import PauseView, icon_state, pause_view, state_word
from pointsman.tray.models_view import Away, DownloadView, HeldView, OfferView, download_views, held_view, offer_view
from pointsman.tray.question_view import CardView, card_view
from pointsman.wire.admin import AgentState, CapState, ModelState, Running, Snapshot, Today

ROWS = 4
CARDS = 2
Tone = Literal["plain", "ok", "warn", "danger"]


class Banner(msgspec.Struct, frozen=True):
    """The red bar: the gateway is stopped, or does not answer, and what can be done."""

    title: str
    sentence: str
    button: str
    enabled: bool
    problem: str | None


class NoticeView(msgspec.Struct, frozen=True):
    """Something to know that needs no answer; `agent` is paused and can be resumed."""

    text: str
    agent: str = ""


class TodayView(msgspec.Struct, frozen=True):
    """Today's figure, its cap and its chart."""

    caption: str
    figure: str
    of: str
    left: str
    meter: MeterView | None
    chart: ChartView | None


class RowView(msgspec.Struct, frozen=True):
    """A request that runs or waits for a place."""

    request: str
    title: str
    model: str
    tier: str
    time: str
    money: str
    stop: str
    spoken: str


class NowView(msgspec.Struct, frozen=True):
    """What runs at this moment; `caption` says it in one line."""

    caption: str
    rows: tuple[RowView, ...]
    more: str


class PartView(msgspec.Struct, frozen=True):
    """A tier's part of today's requests."""

    tier: str
    name: str
    percent: str
    ratio: float


class WhereView(msgspec.Struct, frozen=True):
    """Where requests were answered today, and what that saved: `note` says against what it is reckoned."""

    caption: str
    parts: tuple[PartView, ...]
    spoken: str
    note: str = ""


class AgentRow(msgspec.Struct, frozen=True):
    """An agent's part of today; `ratio` is relative to the largest."""

    name: str
    ratio: float
    money: str


class AgentsView(msgspec.Struct, frozen=True):
    """The agents of today by what they spent; `folded` says it in one line."""

    rows: tuple[AgentRow, ...]
    more: str
    folded: str


class LoadedRow(msgspec.Struct, frozen=True):
    """A local model in memory."""

    name: str
    memory: str
    speed: str
    unload: str


class PopoverView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything in the popover."""

    name: str
    icon: str
    state: str
    tone: Tone
    stale: bool
    banner: Banner | None
    notices: tuple[NoticeView, ...]
    cards: tuple[CardView, ...]
    more_cards: str
    today: TodayView
    now: NowView | None
    where: WhereView | None
    agents: AgentsView | None
    loaded: tuple[LoadedRow, ...]
    empty: tuple[str, str] | None
    pause: PauseView
    offer: OfferView | None = None
    held: HeldView | None = None
    downloads: tuple[DownloadView, ...] = ()


def popover_view(snapshot: Snapshot | None, link: Link, now: datetime, away: Away | None = None) -> PopoverView:
    """The whole popover at `now`; a lost gateway leaves the last values, marked stale."""
    state, tone = state_word(snapshot, link, now)
    stale = link.state != "live"
    shown = PopoverView(
        name=f"Pointsman, {state[:1].lower()}{state[1:]}",
        icon=icon_state(snapshot, link),
        state=state,
        tone=tone,
        stale=stale,
        banner=_banner(link, now, snapshot),
        notices=(),
        cards=(),
        more_cards="",
        today=_no_today(link),
        now=None,
        where=None,
        agents=None,
        loaded=(),
        empty=None,
        pause=pause_view(snapshot, link, now),
    )
    if snapshot is None:
        return shown
    filled = _filled(shown, snapshot, link, now)
    return _with_models(filled, snapshot, away or Away(), live=link.state == "live")


def _filled(shown: PopoverView, snapshot: Snapshot, link: Link, now: datetime) -> PopoverView:
    live = link.state == "live"
    newest = sorted(snapshot.approvals, key=lambda question: -question.asked) if live else []
    hidden = len(newest) - CARDS
    return msgspec.structs.replace(
        shown,
        notices=_notices(snapshot, now) if live else (),
        cards=tuple(card_view(question, now) for question in newest[:CARDS]),
        more_cards=f"and {hidden} more" if hidden > 0 else "",
        today=_today(snapshot.today, link, now),
        now=_now(snapshot, now) if live and snapshot.agents else None,
        where=_where(snapshot.today),
        agents=_agents(snapshot.agents),
        loaded=tuple(_loaded(model) for model in snapshot.models if model.state in {"ready", "loading"})
        if live
        else (),
        empty=_empty(snapshot),
    )


def _with_models(shown: PopoverView, snapshot: Snapshot, away: Away, *, live: bool) -> PopoverView:
    """Offers only while somebody is there to take them; what is on its way also stale."""
    return msgspec.structs.replace(
        shown,
        offer=offer_view(snapshot, away) if live else None,
        held=held_view(snapshot, away.hidden) if live else None,
        downloads=download_views(snapshot.downloads, away.hidden, live=live),
    )


def _banner(link: Link, now: datetime, snapshot: Snapshot | None) -> Banner | None:
    if link.state != "gone":
        return None
    button = "Starting…" if link.starting else "Start gateway"
    stopped = "" if snapshot is None else f" It stopped at {words.moment(link.since, now)}; nothing was charged since."
    sentence = f"Agents get no answers until it runs.{stopped}"
    if link.hangs:
        return Banner("The gateway is not answering", "Trying again…", button, enabled=False, problem=link.problem)
    return Banner("The gateway is stopped", sentence, button, not link.starting, link.problem)


def _notices(snapshot: Snapshot, now: datetime) -> tuple[NoticeView, ...]:
    broken = [f"{model.name}: {model.sentence}" for model in snapshot.models if model.state == "broken"]
    asked = {question.agent for question in snapshot.approvals if question.kind == "runaway"}
    paused = [agent for agent in snapshot.agents if agent.paused and not snapshot.paused and agent.name not in asked]
    return (
        *(NoticeView(text) for text in (*snapshot.notices, *broken)),
        *(NoticeView(_is_paused(agent, now), agent.name) for agent in paused),
    )


def _is_paused(agent: AgentState, now: datetime) -> str:
    until = f" until {words.moment(agent.paused_until, now)}" if agent.paused_until else ""
    return f"{agent.name} is paused{until}."


def _no_today(link: Link) -> TodayView:
    waiting = "Waiting for the gateway…" if link.slow else ""
    return TodayView(waiting, words.UNKNOWN, "", "", None, None)


def _today(today: Today, link: Link, now: datetime) -> TodayView:
    speed = pace(today, now) if link.state == "live" else Pace()
    chart = chart_view(today, speed, now)
    figure = words.money(today.spent)
    if today.cap is None:
        return TodayView(_caption(today, speed, link, now), figure, "", _held(today.held), None, chart)
    cap = today.cap
    left = f"{words.left(cap.left)} left"
    right = f"{_held(cap.held)} · {left}" if cap.held else left
    meter = meter_view(cap, speed)
    return TodayView(_caption(today, speed, link, now), figure, f"of {_limit(cap)}", right, meter, chart)


def _limit(cap: CapState) -> str:
    """The cap as it was set, and apart from it what was added for now."""
    added = f" + {words.money(cap.raised)}" if cap.raised else ""
    return f"{words.money(cap.limit - cap.raised)}{added}"


def _held(micro: int) -> str:
    return f"{words.bound(micro)} held" if micro else ""


def _caption(today: Today, speed: Pace, link: Link, now: datetime) -> str:
    if link.state != "live":
        return f"As of {words.moment(link.since, now)}"
    if today.cap is None:
        return "No daily cap"
    if today.cap.left == 0:
        return reached(today.cap)
    return speed.words


def _now(snapshot: Snapshot, now: datetime) -> NowView:
    running = [one for one in snapshot.running if one.state != "asking"]
    waiting = len(snapshot.approvals)
    if not running and not waiting:
        last = snapshot.today.last_request
        tail = "" if last is None else f" Last request {words.age(now.timestamp() - last)}."
        return NowView(f"Nothing is running.{tail}", (), "")
    counts = [f"{len(running)} running"] + ([f"{waiting} waiting for you"] if waiting else [])
    rows = tuple(_row(one, snapshot.running, now) for one in running[:ROWS])
    return NowView(", ".join(counts), rows, f"and {len(running) - ROWS} more" if len(running) > ROWS else "")


def _row(one: Running, every: list[Running], now: datetime) -> RowView:
    seconds = max(now.timestamp() - one.started, 0)
    queued = [other.request for other in every if other.state == "queued" and other.model == one.model]
    waits = one.state == "queued"
    cost = f"place {queued.index(one.request) + 1} in line" if waits else words.free_or(one.cost)
    if one.cost == 0 and one.tier != "local":
        cost = words.money(0)
    spoken = f"{one.agent}, {one.model}, {one.tier}, "
    spoken += f"waiting, {cost}" if waits else f"running {words.count(int(seconds), 'second')}, {cost} so far"
    title = f"{one.agent} · {one.project}" if one.project else one.agent
    stop = f"Stop {one.agent} on {one.model}"
    return RowView(one.request, title, one.model, one.tier, words.run_time(seconds), cost, stop, spoken)


def _where(today: Today) -> WhereView | None:
    counts = (today.local, today.private, today.cloud)
    total = sum(counts)
    if total == 0:
        return None
    amount = today.saved if today.savings is None else today.savings.saved
    saved = f" · about {words.money(amount)} saved" if amount else ""
    shares = words.percentages(counts)
    names = ("Local", "Private", "Cloud")
    parts = tuple(
        PartView(name.lower(), name, words.percent(share), number / total)
        for name, share, number in zip(names, shares, counts, strict=True)
    )
    spoken = "Where it ran: " + ", ".join(f"{part.name} {part.percent}" for part in parts)
    note = "" if today.savings is None else today.savings.sentence
    return WhereView(words.count(today.requests, "request") + saved, parts, spoken, note)


def _agents(agents: list[AgentState]) -> AgentsView | None:
    active = sorted(
        (agent for agent in agents if agent.requests_today), key=lambda one: (-one.spent_today, -one.requests_today)
    )
    if not active:
        return None
    most = max(active[0].spent_today, 1)
    rows = tuple(AgentRow(one.name, one.spent_today / most, words.free_or(one.spent_today)) for one in active[:ROWS])
    rest = active[ROWS:]
    more = f"and {len(rest)} more, {words.free_or(sum(one.spent_today for one in rest))}" if rest else ""
    return AgentsView(rows, more, f"{words.count(len(active), 'agent')}, most {rows[0].name} {rows[0].money}")


def _loaded(model: ModelState) -> LoadedRow:
    speed = "" if model.tokens_per_second is None else f"{model.tokens_per_second:.0f} tok/s"
    speed = "Loading…" if model.state == "loading" else speed
    size = words.memory(model.resident_bytes) if model.resident_bytes else ""
    return LoadedRow(model.name, size, speed, f"Unload {model.name}")


def _empty(snapshot: Snapshot) -> tuple[str, str] | None:
    if not snapshot.agents:
        return "No agents yet", "Give one a key with “pointsman agents add NAME” and its requests show here."
    if snapshot.today.requests == 0 and not snapshot.running:
        address = snapshot.address.removeprefix("http://")
        return "No requests yet", f"Point an agent at {address} and they show here."
    return None
