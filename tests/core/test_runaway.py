"""The watch for agents that run away: what alarms, what does not, and what is remembered."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from pointsman.core import facts, runaway, session
from pointsman.core.catalog import CatalogError, Sensitivity, Source, read
from pointsman.core.catalog_parts import Runaway, Thresholds
from pointsman.core.request import Hints, Message, Request, Verdict
from pointsman.core.runaway import Alarm, Call, Pace, Seen, Trail
from pointsman.core.shape import Shape
from pointsman.wire import chat
from tests.fixtures.runaway.loops import LOOPS
from tests.fixtures.runaway.talk import Sent, Talk, words
from tests.fixtures.runaway.work import WORK

SHIPPED = read([Source("models.toml", (Path(__file__).parents[2] / "models.toml").read_text())]).runaway
PLAIN, BACKGROUND = Hints(), Hints(latency="background")
CALL_COST = 60_000  # six cents: a long conversation, mostly read from the provider's cache


def call(body: dict[str, object], hints: Hints = PLAIN) -> Call:
    """What the watch sees of a body, read as the door reads it."""
    request = request_of(body, hints)
    who = session.attribute(request, "Codex", "me")
    return runaway.call(request, who, facts.gather(request, Sensitivity()))


def request_of(body: dict[str, object], hints: Hints = PLAIN) -> Request:
    """The neutral request of a body."""
    return chat.read("r", json.dumps(body).encode(), hints, lambda _raw: Verdict())


def watch(sent: list[Sent], limits: Thresholds = SHIPPED, hints: Hints = PLAIN, cost: int = CALL_COST) -> list[Alarm]:
    """The alarms of a transcript, one place for each call (kind "" where all was well)."""
    pace, trails, alarms = Pace(), {}, []
    for at, body in sent:
        one = call(body, hints)
        seen = Seen(pace=pace, trail=trails.get(one.talk, Trail()))
        seen, alarm = runaway.observe(seen, one, limits, at)
        pace, trails[one.talk] = runaway.charged(seen.pace, cost, at), seen.trail
        alarms.append(alarm or Alarm("", ""))
    return alarms


def first(alarms: list[Alarm]) -> int:
    """Which call alarmed first, from 1; 0 where none did."""
    return next((at for at, alarm in enumerate(alarms, 1) if alarm.kind), 0)


def openers(texts: list[str], apart: float = 1.0) -> list[Sent]:
    """Conversations that are only begun."""
    return [Sent(at * apart, Talk(text).sent[0].body) for at, text in enumerate(texts)]


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_is_caught_within_ten_calls(name: str) -> None:
    """No alarm before the loop begins, one at its tenth call at the latest."""
    sent, begins = LOOPS[name]()
    assert 1 <= first(watch(sent)) - begins <= 10


def test_there_are_twenty_loops() -> None:
    """Of different kinds, and no two say the same."""
    assert len(LOOPS) >= 20
    assert len({json.dumps(make()[0][-1].body) for make in LOOPS.values()}) == len(LOOPS)


@pytest.mark.parametrize("name", WORK)
def test_long_work_is_left_alone(name: str) -> None:
    """60 to 200 calls of honest work, and nobody is disturbed."""
    sent = WORK[name]()
    assert 60 <= len(sent) <= 200
    assert [alarm.kind for alarm in watch(sent)] == [""] * len(sent)


def test_the_sentence_holds_no_word_of_the_prompt() -> None:
    """Who, how often, how fast; nothing of what was said."""
    said = {alarm.sentence for make in LOOPS.values() for alarm in watch(make()[0]) if alarm.kind}
    assert "Codex sent 8 near-equal requests in 28 seconds." in said
    assert not {
        word for one in said for word in ("ledger", "file", "JSON", "prices", "main", "reviewer") if word in one
    }


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("same_call", "repeats"),
        ("ping_pong", "circle"),
        ("same_error_whatever_is_tried", "error"),
        ("retry_storm", "restarts"),
    ],
)
def test_the_kind_of_a_loop_is_told(name: str, kind: str) -> None:
    """The first alarm says what it is."""
    alarms = watch(LOOPS[name]()[0])
    assert alarms[first(alarms) - 1].kind == kind


def test_calls_a_minute() -> None:
    """One more than may be is too many; as many as may be are not."""
    sent = openers([words("fast", turn) for turn in range(31)], apart=0.5)
    limits = Thresholds(calls_per_minute=30)
    assert watch(sent, limits)[30] == Alarm("rate", "Codex sent 31 requests within a minute.")
    assert first(watch(sent[:30], limits)) == 0


def test_calls_of_an_hour_are_not_those_of_a_minute() -> None:
    """Each call's minute ends."""
    sent = openers([words("slow", turn) for turn in range(200)], apart=3.0)
    assert first(watch(sent, Thresholds(calls_per_minute=21))) == 0


def test_spend_a_minute() -> None:
    """What was charged within a minute, once it is more than may be."""
    sent = openers([words("dear", turn) for turn in range(8)], apart=5.0)
    alarms = watch(sent, Thresholds(spend_per_minute=1_000_000), cost=300_000)
    assert alarms[first(alarms) - 1] == Alarm("spend", "Codex spent $1.20 within a minute.")
    assert first(alarms) == 5
    assert first(watch(sent, Thresholds(spend_per_minute=1_000_000), cost=0)) == 0


def test_one_dear_answer_is_no_velocity() -> None:
    """Two answers of ten dollars are a cap's matter."""
    sent = openers([words("one", turn) for turn in range(3)], apart=15.0)
    assert first(watch(sent[:2], cost=10_000_000)) == 0


def test_five_hundred_alike_in_the_background_are_a_batch() -> None:
    """Near-equal classifications, 500 a minute, marked as background work: nobody is asked."""
    sent = openers([f"Classify ticket {turn}: spam or not" for turn in range(500)], apart=0.12)
    assert first(watch(sent, hints=BACKGROUND, cost=100)) == 0
    assert first(watch(sent, cost=100)) > 0


def test_texts_in_the_middle_of_a_long_template_are_different_work() -> None:
    """Even in the foreground, as long as they do not come too fast."""
    template = "You classify letters. " * 150 + "{}" + "Answer with one word. " * 150
    sent = openers([template.format(words("letter", turn)) for turn in range(100)])
    assert first(watch(sent, cost=100)) == 0


def test_a_batch_with_examples_in_front_is_a_batch() -> None:
    """The model's words in the examples make no conversation that grows."""
    talk = Talk("Classify: buy now", tools=False)
    talk.say("spam", "Classify: hello")
    sent = [Sent(turn * 0.1, talk.sent[-1].body) for turn in range(100)]
    assert first(watch(sent, hints=BACKGROUND, cost=100)) == 0


def test_the_background_hides_no_loop_and_no_spending() -> None:
    """The header of a growing conversation does not help, and money counts."""
    sent, begins = LOOPS["same_call"]()
    assert first(watch(sent, hints=BACKGROUND)) - begins <= 10
    batch = openers([words("b", turn) for turn in range(30)])
    assert first(watch(batch, hints=BACKGROUND, cost=1_000_000)) > 0


def test_an_agent_may_have_thresholds_of_its_own() -> None:
    """What it does not say stays as for all."""
    limits = Runaway(repeats=8, restarts=9, agents={"Codex": Thresholds(restarts=0)}).of("Codex")
    assert (limits.repeats, limits.restarts) == (8, 0)
    assert Runaway(repeats=8).of("Codex").repeats == 8


@pytest.mark.parametrize(
    "limits", [Thresholds(), Thresholds(calls_per_minute=0, spend_per_minute=0, repeats=0, restarts=0)]
)
def test_every_threshold_can_be_switched_off(limits: Thresholds) -> None:
    """0, and what nobody set, never alarms."""
    for make in LOOPS.values():
        assert first(watch(make()[0], limits, cost=9_000_000)) == 0


def test_what_comes_once_an_hour_is_no_loop() -> None:
    """A heartbeat asks the same for days."""
    talk = Talk("Look after the mail.", pace=3600.0)
    for _ in range(40):
        talk.use("run", "no new mail", command="mail")
    assert first(watch(talk.sent)) == 0


def test_something_new_now_and_then_does_not_hide_a_loop() -> None:
    """Nine equal steps in ten are a loop, a little later."""
    talk = Talk("Work.")
    for turn in range(30):
        talk.use("run", words(turn) if turn % 6 == 5 else "done", command="ls" if turn % 6 == 5 else "make")
    assert 8 < first(watch(talk.sent)) < 25


def test_helpers_in_one_session_do_not_hide_each_other() -> None:
    """One of three helpers loops, all under one session id."""
    loop, begins = LOOPS["same_call"]()
    others = [WORK[name]() for name in ("reading_many_files", "test_and_fix")]
    sent = [
        Sent(at * 1.0, one.body)
        for at, one in enumerate(one for three in zip(loop, *others, strict=False) for one in three)
    ]
    assert first(watch(sent, hints=Hints(session="s"))) == (begins + 7) * 3 + 1


def test_messages_without_a_shape_are_told_apart() -> None:
    """A dialect that knows no shapes still tells two different messages from two equal ones."""
    request = request_of(Talk("One").sent[0].body)
    bare = tuple(msgspec.structs.replace(message, shape=type(message.shape)()) for message in request.messages)
    other = (bare[0], msgspec.structs.replace(bare[1], digest="x"))
    steps = [seen_of(msgspec.structs.replace(request, messages=messages)).step for messages in (bare, other)]
    assert steps[0].far != steps[1].far


def seen_of(request: Request) -> Call:
    """What the watch sees of a neutral request."""
    return runaway.call(request, session.attribute(request, "a", "p"), facts.gather(request, Sensitivity()))


def test_memory_is_bounded() -> None:
    """However long it runs, a dozen steps and a minute of slots are kept."""
    seen = Seen()
    for turn in range(400):
        talk = Talk("x")
        talk.use("run", words(turn), command="ls")
        seen, _ = runaway.observe(seen, call(talk.sent[-1].body), SHIPPED, turn * 0.5)
    assert len(seen.trail.steps) == 12
    assert len(seen.pace.slots) <= 13


def test_a_clock_that_jumps_back_breaks_nothing() -> None:
    """Times before the last ones are only times."""
    sent = [Sent(1000.0 - at, body) for at, body in WORK["long_chat"]()]
    assert first(watch(sent)) == 0


def test_models_toml_may_say_all_of_it() -> None:
    """Each threshold, a 0, and an agent's own."""
    text = '[runaway]\nrepeats = 0\nrestarts = 5\nwithin = "2m"\n[runaway.agents.batcher]\nspend_per_minute = 0.5'
    found = read([Source("m.toml", text)]).runaway
    assert found == Runaway(
        repeats=0, restarts=5, within=120.0, agents={"batcher": Thresholds(spend_per_minute=500_000)}
    )
    assert found.of("batcher").spend_per_minute == 500_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("repeats = -1", "m.toml, line 2: 'repeats' must be a whole number of at least 0."),
        ("repeat = 1", "m.toml, line 2: 'repeat' is not a setting of [runaway]. Write 'repeats'."),
        ("agents.b.calls = 1", "'calls' is not a setting of an agent's [runaway]. Write 'calls_per_minute'."),
    ],
)
def test_a_wrong_threshold_is_told(text: str, expected: str) -> None:
    """With file, line and remedy."""
    with pytest.raises(CatalogError) as refused:
        read([Source("m.toml", f"[runaway]\n{text}")])
    assert refused.value.sentence.endswith(expected)


@pytest.mark.parametrize("near", ["", "n"])
@pytest.mark.parametrize(
    ("calls", "trouble", "plain"), [(True, False, False), (False, True, False), (False, False, True)]
)
def test_a_step_of_one_and_one_is_a_step(near: str, calls: bool, trouble: bool, plain: bool) -> None:
    """The short way says what the long one says."""
    act = Shape("said", "far", call=calls)
    back = Message(role="user", digest="d", size=1, shape=Shape(near, near, trouble=trouble, plain=plain))
    assert runaway._single(act, back) == runaway._step([act], [back])
