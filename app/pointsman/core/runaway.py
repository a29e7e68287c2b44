"""The watch for agents that run away: steps that bring nothing new, conversations begun again and again, calls and money a minute.

A step is what the model said last and what came back: a tool's result, a person's turn. A step near-equal to one
of the last few is stale and counts one; one that differs in numbers alone counts less, for they may be progress. A
new step halves the count. Values in, values out; only digests are kept, and no sentence holds text of a prompt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

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
    """The last steps, the newest first, each with its time. `count` and `since` are of the stale ones, `score` weighs them."""

    steps: tuple[tuple[Step, float], ...] = ()
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
    """An agent's last minute, and its conversations' beginnings."""

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
    newest = newest_step([message.role for message in request.messages])
    step = [message for message in request.messages[newest.start : newest.stop] if message.role not in _SYSTEM]
    acts = [message.shape for message in step if message.role == "assistant"]
    return Call(
        agent=who.agent,
        talk=digest(who.session, *_beginning(request)),
        step=_step(acts, [message for message in step if message.role != "assistant"]),
        messages=len(request.messages),
        background=facts.background or request.hints.latency == "background",
    )


def _step(acts: list[Shape], back: list[Message]) -> Step:
    """Where tools were called, what was said beside does not count. A message without a shape stands for itself."""
    counting = [act for act in acts if act.call] or acts
    return Step(
        act=_joined([act.near for act in counting]),
        calls=any(act.call for act in acts),
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


def _beginning(request: Request) -> Iterator[str]:
    """What was said before the model's first answer: helpers of one agent share its session, but not this."""
    for message in request.messages:
        if message.role == "assistant":
            return
        if message.role not in _SYSTEM:
            yield message.digest


def observe(seen: Seen, call: Call, limits: Thresholds, now: float) -> tuple[Seen, Alarm | None]:
    """One more call: what is remembered now, and what is alarming. A threshold of 0 or None is off."""
    pace = _counted(seen.pace, now, Slot(now, calls=0 if call.background else 1))
    trail, starts = seen.trail, pace.starts
    if call.step.opening:
        starts = starts if call.background else _noted(starts, call, _BURST, now)
    else:
        trail = _noted(trail, call, limits.within or _WITHIN, now)
    after = Seen(pace=Pace(slots=pace.slots, starts=starts), trail=trail)
    alarm = _circling(call, trail, limits, now) or _restarting(call, starts, limits, now)
    return after, alarm or _dear(call, pace, limits) or _fast(call, pace, limits)


def charged(pace: Pace, amount: int, now: float) -> Pace:
    """An attempt of this agent was charged."""
    return _counted(pace, now, Slot(now, charges=1, amount=amount)) if amount else pace


def _noted(trail: Trail, call: Call, within: float, now: float) -> Trail:
    """The trail with one more step. Work in the background may repeat itself, as long as no conversation grows by it."""
    known = [seen for seen in trail.steps if now - seen[1] <= within]
    grown = call.messages > trail.messages
    if call.background and not grown:
        return msgspec.structs.replace(trail, messages=call.messages)
    far = call.step.far  # most steps differ from afar: those weigh nothing, but the latest of their times counts
    weights = [(_stale(step, call.step) if step.far == far else 0.0, at) for step, at in known]
    weight, like = max(weights, default=(0.0, now))
    steps = ((call.step, now), *known)[:_KEPT]
    if not weight:
        score = trail.score / 2 if known and trail.score >= 1.0 else 0.0
        kept = (trail.count, trail.since) if score else (0, 0.0)
        return Trail(steps=steps, score=score, count=kept[0], since=kept[1], messages=call.messages)
    first = trail.score == 0.0
    return Trail(
        steps=steps,
        score=trail.score + weight,
        count=2 if first else trail.count + 1,
        since=like if first else trail.since,
        messages=call.messages,
    )


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
    if call.step.opening or not _reached(trail, limits.repeats):
        return None
    seconds, known = _time(now - trail.since), [step for step, _ in trail.steps[: trail.count]]
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
    if not call.step.opening or call.background or not _reached(starts, limits.restarts):
        return None
    sentence = f"{call.agent} began the same conversation {starts.count} times in {_time(now - starts.since)}."
    return Alarm("restarts", sentence)


def _reached(trail: Trail, threshold: int | None) -> bool:
    """The first of the near-equal ones was new when it came, so one less is stale."""
    return bool(threshold) and trail.score >= max(1, (threshold or 0) - 1)


def _dear(call: Call, pace: Pace, limits: Thresholds) -> Alarm | None:
    if not limits.spend_per_minute:
        return None
    spent = sum([slot.amount for slot in pace.slots])
    if spent <= limits.spend_per_minute or sum([slot.charges for slot in pace.slots]) < _CHARGES:
        return None
    return Alarm("spend", f"{call.agent} spent {dollars(spent)} within a minute.")


def _fast(call: Call, pace: Pace, limits: Thresholds) -> Alarm | None:
    calls = sum(slot.calls for slot in pace.slots)
    if not limits.calls_per_minute or calls <= limits.calls_per_minute or call.background:
        return None
    return Alarm("rate", f"{call.agent} sent {calls} requests within a minute.")


def _counted(pace: Pace, now: float, more: Slot) -> Pace:
    """The last minute with something more in its newest slot; never counts what is older than a minute."""
    slots = [slot for slot in pace.slots if now - _MINUTE < slot.starts <= now]
    if slots and now - slots[-1].starts < _SLOT:
        last = slots[-1]
        more = Slot(last.starts, last.calls + more.calls, last.charges + more.charges, last.amount + more.amount)
        slots = slots[:-1]
    return Pace(slots=(*slots, more), starts=pace.starts)


def _time(seconds: float) -> str:
    if seconds < 1.5:
        return "a second"
    return f"{round(seconds)} seconds" if seconds < 2 * _MINUTE else f"{round(seconds / _MINUTE)} minutes"
