"""The watch for agents that run away: steps that bring nothing new, conversations begun again and again, calls and money a minute.

A step is what the model said last and what came back: a tool's result, a person's turn. A step near-equal to one
of the last few is stale and counts one; one that differs in numbers alone counts less, for they may be progress. A
new step halves the count. Values in, values out; only digests are kept, and no sentence holds text of a prompt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from pointsman.core.amounts import dollars
from pointsman.core.catalog_parts import Thresholds
from pointsman.core.facts import Facts
from pointsman.core.request import Message, Request
from pointsman.core.session import Attribution
from pointsman.core.shape import Shape, digest
from pointsman.core.shape import newest as newest_step

_KEPT = 12  # steps looked back
_WITHIN = 600.0  # seconds in which steps count as the same, where models.toml does not say
_BURST = 120.0  # seconds in which conversations begun again count
_MINUTE = 60.0
_SLOT = 5.0  # seconds that are counted together
_CHARGES = 3  # fewer are no velocity: one dear answer is a cap's matter
_BUT_NUMBERS = 0.25  # what a step counts that differs in numbers alone: they may be progress
_BUT_WORDS = 0.5  # what the same turn counts where the model's words before it were others
_SYSTEM = ("system", "developer")


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What the model said or called, and what came back, as digests. `opening`: the model has said nothing yet."""

    act: str
    exact: str
    near: str
    far: str
    calls: bool = False
    trouble: bool = False
    plain: bool = False
    opening: bool = False


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request as the watch sees it. `talk` is the same for all requests of one conversation."""

    agent: str
    talk: str
    step: Step
    messages: int
    background: bool = False


class Trail(msgspec.Struct, frozen=True, kw_only=True):
    """The last steps, the newest first; the time of each, and how it looks from afar: most look like no other.

    `count` and `since` are of the stale ones, `score` weighs them.
    """

    steps: tuple[Step, ...] = ()
    times: tuple[float, ...] = ()
    fars: tuple[str, ...] = ()
    score: float = 0.0
    count: int = 0
    since: float = 0.0
    messages: int = 0


class Slot(msgspec.Struct, frozen=True):
    """A few seconds: when they began, calls, charges, and what was charged."""

    starts: float
    calls: int = 0
    charges: int = 0
    amount: int = 0


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """An agent's last minute, the oldest slot first, and its conversations' beginnings."""

    slots: tuple[Slot, ...] = ()
    starts: Trail = Trail()


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered: of the agent, and of one of its conversations."""

    pace: Pace = Pace()
    trail: Trail = Trail()


class Alarm(msgspec.Struct, frozen=True):
    """What was seen: repeats, circle, error, restarts, rate or spend, and one sentence for a person."""

    kind: str
    sentence: str


def call(request: Request, who: Attribution, facts: Facts) -> Call:
    """What the watch looks at in a request."""
    messages = request.messages
    newest = newest_step([message.role for message in messages])
    acts: list[Shape] = []
    back: list[Message] = []
    for message in messages[newest.start : newest.stop]:
        if message.role == "assistant":
            acts.append(message.shape)
        elif message.role not in _SYSTEM:
            back.append(message)
    return Call(
        agent=who.agent,
        talk=digest(who.session, *_beginning(messages)),
        step=_single(acts[0], back[0]) if len(acts) == len(back) == 1 else _step(acts, back),
        messages=len(messages),
        background=facts.background or request.hints.latency == "background",
    )


def _single(act: Shape, back: Message) -> Step:
    """One thing said or called, and one that came back, as nearly always; `_step` says the same of these two."""
    shape = back.shape
    return Step(
        act=act.near,
        calls=act.call,
        exact=back.digest,
        near=shape.near or back.digest,
        far=shape.far or back.digest,
        trouble=shape.trouble,
        plain=shape.plain,
    )


def _step(acts: list[Shape], back: list[Message]) -> Step:
    """Where tools were called, what was said beside does not count. A message without a shape stands for itself."""
    calls = [act for act in acts if act.call]
    return Step(
        act=_joined([act.near for act in calls or acts]),
        calls=bool(calls),
        exact=_joined([message.digest for message in back]),
        near=_joined([message.shape.near or message.digest for message in back]),
        far=_joined([message.shape.far or message.digest for message in back]),
        trouble=any(message.shape.trouble for message in back),
        plain=all(message.shape.plain for message in back),
        opening=not acts,
    )


def _joined(digests: list[str]) -> str:
    """One digest for some; one alone stands for itself."""
    return digests[0] if len(digests) == 1 else digest(*digests)


def _beginning(messages: Sequence[Message]) -> list[str]:
    """What was said before the model's first answer: helpers of one agent share its session, but not this."""
    said: list[str] = []
    for message in messages:
        if message.role == "assistant":
            break
        if message.role not in _SYSTEM:
            said.append(message.digest)
    return said


def observe(seen: Seen, call: Call, limits: Thresholds, now: float) -> tuple[Seen, Alarm | None]:
    """One more call: what is remembered now, and what is alarming. A threshold of 0 or None is off."""
    slots = _counted(seen.pace.slots, Slot(now, calls=0 if call.background else 1))
    trail, starts = seen.trail, seen.pace.starts
    if call.step.opening:
        starts = starts if call.background else _noted(starts, call, _BURST, now)
        alarm = _restarting(call, starts, limits, now)
    else:
        trail = _noted(trail, call, limits.within or _WITHIN, now)
        alarm = _circling(call, trail, limits, now)
    after = Seen(pace=Pace(slots=slots, starts=starts), trail=trail)
    return after, alarm or _hasty(call, slots, limits)


def charged(pace: Pace, amount: int, now: float) -> Pace:
    """An attempt of this agent was charged."""
    return Pace(slots=_counted(pace.slots, Slot(now, 0, 1, amount)), starts=pace.starts) if amount else pace


def _noted(trail: Trail, call: Call, within: float, now: float) -> Trail:
    """The trail with one more step. Work in the background may repeat itself, as long as no conversation grows by it."""
    if call.background and call.messages <= trail.messages:
        return msgspec.structs.replace(trail, messages=call.messages)
    new = call.step
    if trail.times and now - min(trail.times) > within:
        trail = _recent(trail, within, now)
    weight, like = _likest(trail, new) if new.far in trail.fars else (0.0, now)
    score, count, since = trail.score + weight, trail.count + 1, trail.since
    if not weight:
        halved = trail.steps and trail.score >= 1.0
        score, count, since = (trail.score / 2, trail.count, since) if halved else (0.0, 0, 0.0)
    elif trail.score == 0.0:
        count, since = 2, like
    return Trail(
        steps=(new, *trail.steps[: _KEPT - 1]),
        times=(now, *trail.times[: _KEPT - 1]),
        fars=(new.far, *trail.fars[: _KEPT - 1]),
        score=score,
        count=count,
        since=since,
        messages=call.messages,
    )


def _recent(trail: Trail, within: float, now: float) -> Trail:
    """Without the steps that are too long ago."""
    known = [(step, at) for step, at in zip(trail.steps, trail.times, strict=True) if now - at <= within]
    return msgspec.structs.replace(
        trail,
        steps=tuple([step for step, _ in known]),
        times=tuple([at for _, at in known]),
        fars=tuple([step.far for step, _ in known]),
    )


def _likest(trail: Trail, new: Step) -> tuple[float, float]:
    """How much a step is like the one that it is most like, and the latest time of such a one."""
    return max([(_stale(step, new), at) for step, at in zip(trail.steps, trail.times, strict=True)])


def _stale(old: Step, new: Step) -> float:
    """How much a step is like an older one: 1 near-equal, less but for its numbers or its words, 0 something new."""
    if old.opening != new.opening or old.far != new.far:
        return 0.0
    alike = 1.0 if old.near == new.near else _BUT_NUMBERS
    if old.act == new.act or new.trouble:
        return alike
    if new.calls or old.near != new.near:
        return 0.0
    if old.exact != new.exact:
        return 1.0  # only a program counts its own question
    return 0.0 if new.plain else _BUT_WORDS


def _circling(call: Call, trail: Trail, limits: Thresholds, now: float) -> Alarm | None:
    if not _reached(trail, limits.repeats):
        return None
    seconds, known = _time(now - trail.since), trail.steps[: trail.count]
    if call.step.trouble and len({step.far for step in known}) == 1:
        what = "each time the same error, or nothing found"
        return Alarm("error", f"{call.agent} tried in vain {trail.count} times in {seconds}: {what}.")
    kinds = Counter((step.act, step.far) for step in known)
    same = sum(times > 1 for times in kinds.values())
    if same <= 1:
        return Alarm("repeats", f"{call.agent} sent {trail.count} near-equal requests in {seconds}.")
    what = f"{call.agent} goes round in circles: the same {same} steps in turn"
    return Alarm("circle", f"{what}, {trail.count} requests in {seconds}.")


def _restarting(call: Call, starts: Trail, limits: Thresholds, now: float) -> Alarm | None:
    if call.background or not _reached(starts, limits.restarts):
        return None
    sentence = f"{call.agent} began the same conversation {starts.count} times in {_time(now - starts.since)}."
    return Alarm("restarts", sentence)


def _reached(trail: Trail, threshold: int | None) -> bool:
    """The first of the near-equal ones was new when it came, so one less is stale."""
    return bool(threshold) and trail.score >= max(1, (threshold or 0) - 1)


def _hasty(call: Call, slots: Sequence[Slot], limits: Thresholds) -> Alarm | None:
    """Too much money within a minute, or too many requests."""
    calls = charges = spent = 0
    for slot in slots:
        calls += slot.calls
        charges += slot.charges
        spent += slot.amount
    if limits.spend_per_minute and spent > limits.spend_per_minute and charges >= _CHARGES:
        return Alarm("spend", f"{call.agent} spent {dollars(spent)} within a minute.")
    if limits.calls_per_minute and calls > limits.calls_per_minute and not call.background:
        return Alarm("rate", f"{call.agent} sent {calls} requests within a minute.")
    return None


def _counted(slots: tuple[Slot, ...], more: Slot) -> tuple[Slot, ...]:
    """The last minute with something more in its newest slot; never counts what is older than a minute."""
    now = more.starts
    if slots and (slots[0].starts <= now - _MINUTE or slots[-1].starts > now):  # they stand in the order of their times
        slots = tuple([slot for slot in slots if now - _MINUTE < slot.starts <= now])
    if not slots or now - slots[-1].starts >= _SLOT:
        return (*slots, more)
    last = slots[-1]
    last = Slot(last.starts, last.calls + more.calls, last.charges + more.charges, last.amount + more.amount)
    return (*slots[:-1], last)


def _time(seconds: float) -> str:
    if seconds < 1.5:
        return "a second"
    return f"{round(seconds)} seconds" if seconds < 2 * _MINUTE else f"{round(seconds / _MINUTE)} minutes"
