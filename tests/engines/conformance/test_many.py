"""Many requests at once, and requests that leave: nothing is lost, nobody starves, and no answer knows of another."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec
import pytest

from pointsman.engines import protocol
from pointsman.engines.supervisor import WorkerSpec
from tests.engines.conformance.speaking import LONG, PARIS, QUESTIONS, SLOTS, SOAK, TOOL, Said, Worker, ask, of

STEPS = 60 if SOAK else 8
CROWD = 200 if SOAK else 24
pytestmark = pytest.mark.timeout(1800 if SOAK else 240)


def mixed(count: int) -> list[protocol.Chat]:
    """Requests of every kind, in an order by chance."""
    chance = random.Random(7)
    form = {"type": "json_schema", "json_schema": {"schema": {"enum": ["red", "green", "blue"]}}}
    kinds = [
        lambda: ask(chance.choice(QUESTIONS)),
        lambda: ask("What is the weather in Rome?", tools=[TOOL]),
        lambda: ask("Hello", response_format=form),
        lambda: ask("Tell me a story.", temperature=1.0, seed=chance.randrange(9)),
        lambda: ask("word " * chance.randrange(300), max_tokens=2),
    ]
    return [chance.choice(kinds)() for _ in range(count)]


def contents(said: Said) -> tuple[str, tuple[tuple[str, str], ...], str, int]:
    """What of an answer must not depend on others."""
    return said.text, tuple((c.name, c.arguments) for c in said.calls), said.end.finish, said.end.completion_tokens


def test_the_same_each_time(worker: Worker) -> None:
    """The same requests get the same tokens, drawn by chance or not, and all of them were told."""
    drawn = {"temperature": 1.2, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "seed": 3}
    for fields in ({}, drawn):
        chats = [ask("Tell me a story.", logprobs=0, **fields) for _ in range(3)]
        said = [worker.answer(chat) for chat in chats]
        assert len({contents(one) for one in said}) == 1 and said[0].text
        tokens = [[bytes(told.bytes) for told in one.logprobs] for one in said]
        assert tokens[0] == tokens[1] == tokens[2]


def test_at_once_as_one_by_one(worker: Worker) -> None:
    """Token for token, requests at once get what they get alone."""
    chats = [ask(question, logprobs=0) for question in QUESTIONS * (8 if SOAK else 1)]
    alone = [worker.answer(chat) for chat in chats[: len(QUESTIONS)]]
    together = worker.answers([ask(chat.messages[0]["content"], logprobs=0) for chat in chats])
    tokens = [[one.bytes for one in said.logprobs] for said in together]
    assert tokens == [[one.bytes for one in said.logprobs] for said in alone] * (len(chats) // len(QUESTIONS))


def test_a_crowd(worker: Worker) -> None:
    """Each of many requests ends once, in its turn: none waits for one that came later, four are answered at a time."""
    chats = mixed(CROWD)
    worker.tell(*chats)
    events = worker.until_done(chat.id for chat in chats)
    assert [event.id for event in events if isinstance(event, protocol.Started)] == [chat.id for chat in chats]
    assert sum(isinstance(event, protocol.End) for event in events) == CROWD
    assert most_at_once(events) == SLOTS
    for chat in chats:
        assert [type(event) for event in of(events, chat.id)].count(protocol.End) == 1
    assert (worker.pong().active, worker.pong().waiting) == (0, 0)


def test_slots_and_queue_are_as_the_gateway_says(spec: WorkerSpec) -> None:
    """One at a time, one more waits, and who comes then is told so at once; afterwards there is room again."""
    with Worker(msgspec.structs.replace(spec, slots=1, queue=1)) as narrow:
        assert isinstance(narrow.ready, protocol.Ready) and narrow.ready.slots == 1
        chats = [ask("Tell me a story.", max_tokens=8) for _ in range(4)]
        narrow.tell(*chats)
        events = narrow.until_done(chat.id for chat in chats)
        refused = [event for event in events if isinstance(event, protocol.Failed)]
        assert {event.code for event in refused} == {"busy"} and 1 <= len(refused) <= 2
        assert most_at_once([event for event in events if event not in refused]) == 1
        assert narrow.answer(ask(PARIS)).text


def most_at_once(events: Sequence[protocol.Event]) -> int:
    """How many requests had a slot at the same time."""
    active = most = 0
    for event in events:
        active += isinstance(event, protocol.Started)
        active -= isinstance(event, protocol.End | protocol.Failed)
        most = max(most, active)
    return most


def test_a_long_answer_starves_nobody(worker: Worker) -> None:
    """While three answers go on and on, others come and go through the fourth slot."""
    long, short = [ask("Write.", **LONG) for _ in range(3)], [ask(PARIS, max_tokens=3) for _ in range(6)]
    worker.tell(*long, *short)
    events = worker.until_done(chat.id for chat in [*long, *short])
    ended = [event.id for event in events if isinstance(event, protocol.End)]
    assert ended[: len(short)] == [chat.id for chat in short]


def test_cancel_at_every_step(worker: Worker) -> None:
    """Whenever it is cancelled, a request ends once with `cancelled`, and the next answer is what it always was."""
    usual = contents(worker.answer(ask(PARIS)))
    for step in range(STEPS):
        chat = ask("Write.", **LONG)
        worker.tell(chat)
        before = [worker.hear() for _ in range(step)]
        worker.tell(protocol.Cancel(chat.id))
        said = Said([*before, *worker.until_done([chat.id])])
        assert said.end.finish == "cancelled"
        assert contents(worker.answer(ask(PARIS))) == usual
        assert (worker.pong().active, worker.pong().waiting) == (0, 0)


def test_cancel_in_company(worker: Worker) -> None:
    """Those beside one that is cancelled say what they say alone."""
    usual = [contents(worker.answer(ask(question))) for question in QUESTIONS[:3]]
    for step in range(1, STEPS, 3):
        leaver, others = ask("Write.", **LONG), [ask(question) for question in QUESTIONS[:3]]
        worker.tell(leaver, *others)
        before = [worker.hear() for _ in range(step)]
        worker.tell(protocol.Cancel(leaver.id))
        left = {one.id for one in (leaver, *others)} - {e.id for e in before if isinstance(e, protocol.End)}
        events = [*before, *worker.until_done(left)]
        assert Said(of(events, leaver.id)).end.finish == "cancelled"
        assert [contents(Said(of(events, chat.id))) for chat in others] == usual


def test_cancel_of_a_long_prompt(worker: Worker) -> None:
    """A prompt that is still being read can be left, and read again."""
    chat = ask("word " * 900, max_tokens=2)
    worker.tell(chat, protocol.Cancel(chat.id))
    assert Said(worker.until_done([chat.id])).end.finish == "cancelled"
    assert worker.answer(ask("word " * 900, max_tokens=2)).end.completion_tokens == 2


def test_cancel_of_one_that_waits(worker: Worker) -> None:
    """A request without a slot leaves without an effect, and a cancel of what is not there has none."""
    long, waits = [ask("Write.", **LONG) for _ in range(SLOTS)], ask(PARIS)
    worker.tell(*long, waits, protocol.Cancel(waits.id), protocol.Cancel("nobody"))
    events = worker.until_done(chat.id for chat in [*long, waits])
    assert [type(event) for event in of(events, waits.id)] == [protocol.End]
    assert Said(of(events, waits.id)).end.completion_tokens == 0
    worker.tell(protocol.Cancel(waits.id))
    assert worker.pong().active == 0


def test_what_was_computed_serves_again(worker: Worker) -> None:
    """The next turn of each of several conversations computes only what is new, with the same answer."""
    talks = [[{"role": "user", "content": f"{question} {'and then ' * 30}"}] for question in QUESTIONS[:3]]
    for turn in range(3):
        chats = [protocol.Chat(id=f"talk{turn}.{at}", messages=talk, temperature=0.0, max_tokens=24) for at, talk in enumerate(talks)]  # fmt: skip
        said = worker.answers(chats)
        for talk, one in zip(talks, said, strict=True):
            assert turn == 0 or one.end.cached_tokens * 2 > one.end.prompt_tokens
            talk += [{"role": "assistant", "content": one.text}, {"role": "user", "content": "Hello"}]


def test_nothing_is_kept_without_end(worker: Worker) -> None:
    """However many prompts were seen, the memory of the worker stays what it is."""

    def seen(count: int) -> int:
        worker.answers([ask(f"{at} {count} " * 40, max_tokens=1) for at in range(count)])
        return worker.pong().resident_bytes

    settled = seen(16)
    assert seen(64 if SOAK else 16) < settled + (32 << 20)
