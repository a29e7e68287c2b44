"""The person is asked in time: over the admin door and from the command line, with the vendor's SDK waiting."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import openai
import pytest

from pointsman.wire import admin
from tests.e2e.conftest import Agent
from tests.fakes.fake_upstream import FakeUpstream
from tests.fakes.home import Home

DOLLAR = 1_000_000
HELLO = [{"role": "user", "content": "Hello"}]


class Asking:
    """An agent that asks from threads, and the person who is asked."""

    def __init__(self, gateway: Home, agent: Agent) -> None:
        self.gateway, self.agent = gateway, agent
        self.client = openai.OpenAI(base_url=gateway.runtime.address, api_key=agent.key, timeout=60)
        self.pool = ThreadPoolExecutor(4)

    def close(self) -> None:
        """The agent goes home."""
        self.pool.shutdown(cancel_futures=True)
        self.client.close()

    def spend(self) -> None:
        """Have $0.03 left of $1.00; what costs $0.10 is over the cap then."""
        self.gateway.command(self.agent.cap(DOLLAR))
        self.client.chat.completions.create(model="big", messages=HELLO)

    def send(self, model: str = "dime", text: str = "Hello") -> Future[Any]:
        """The request, waiting in a thread."""
        message = [{"role": "user", "content": text}]
        call = self.client.chat.completions.with_raw_response.create
        return self.pool.submit(call, model=model, messages=message)

    def question(self) -> admin.Question:
        """The next question, as the event stream tells it."""
        with self.gateway.events() as events:
            for line in events.iter_lines():
                if line.startswith("data: {") and '"approvals":[{' in line:
                    return admin.decode_snapshot(line.removeprefix("data: ").encode()).approvals[0]
        raise AssertionError("the stream ended without a question")

    def answer(self, verdict: str, **more: Any) -> admin.Question:
        """Answer the next question."""
        asked = self.question()
        said = self.gateway.command(admin.Answer(asked.id, verdict, **more))  # type: ignore[arg-type]
        assert said == {"ok": True}, said
        return asked

    def spent(self) -> int:
        """What the cap counts."""
        return self.gateway.snapshot().caps[0].spent


@pytest.fixture
def uncapped(gateway: Home, agent: Agent) -> Iterator[Asking]:
    """Nothing is spent, and no cap stands."""
    one = Asking(gateway, agent)
    yield one
    one.close()


@pytest.fixture
def asking(uncapped: Asking) -> Asking:
    """$0.97 of $1.00 is spent."""
    uncapped.spend()
    return uncapped


def test_the_question_says_who_what_and_how_much(asking: Asking) -> None:
    """Who, what, at most how much, what is left, and how long it waits."""
    running = asking.send()
    asked = asking.answer("deny")
    assert (asked.agent, asked.model, asked.at_most, asked.over) == (asking.agent.name, "dime", 100_000, 70_000)
    assert asked.cap is not None
    assert (asked.cap.left, asked.cap.spent) == (30_000, 970_000)
    assert 40 < asked.waits_until - asked.asked <= 45
    assert asked.local_model == "starter"
    with pytest.raises(openai.APIStatusError):
        running.result(30)


def test_allow_lets_that_very_request_finish(asking: Asking) -> None:
    """Allowed once, the waiting request runs, and the cap is raised by what was missing and no more."""
    running = asking.send()
    asking.answer("approve")
    assert running.result(30).parse().choices[0].message.content == "The cloud says hello."
    state = asking.gateway.snapshot().caps[0]
    assert (state.spent, state.raised, state.held) == (1_070_000, 70_000, 0)


def test_an_allowance_is_spent_once(asking: Asking) -> None:
    """The next request like it asks again."""
    running = asking.send()
    asking.answer("approve")
    running.result(30)
    again = asking.send(text="Hello again")
    asking.answer("deny")
    with pytest.raises(openai.APIStatusError):
        again.result(30)


def test_deny_is_one_clean_402(asking: Asking, upstream: FakeUpstream) -> None:
    """Denied, the SDK raises once with the sentence, does not try again, and nothing went upstream."""
    before = len(upstream.requests)
    running = asking.send()
    asking.answer("deny")
    with pytest.raises(openai.APIStatusError) as refused:
        running.result(30)
    assert refused.value.status_code == 402
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert "It was denied." in str(refused.value)
    assert len(upstream.requests) == before
    rows = [row for row in asking.gateway.audit() if row["agent"] == asking.agent.name]
    assert len([row for row in rows if row["outcome"] == "refused"]) == 1


def test_local_answers_it_here(asking: Asking) -> None:
    """`Use local` answers that very request on this machine."""
    running = asking.send(text="What is the capital of France?")
    asking.answer("local")
    answer = running.result(30)
    assert answer.headers["x-pointsman-tier"] == "local"
    assert "Paris" in answer.parse().choices[0].message.content
    assert asking.spent() == 970_000


def test_raising_the_cap_lets_all_through(asking: Asking) -> None:
    """Raised for today, the next request does not ask."""
    running = asking.send()
    asking.answer("approve", scope="cap", amount=DOLLAR)
    running.result(30)
    assert asking.send(text="Next").result(30).status_code == 200
    assert asking.gateway.snapshot().caps[0].raised == DOLLAR


def test_a_session_allowance_covers_its_session_only(asking: Asking) -> None:
    """The same conversation goes on without asking; another one asks."""
    running = asking.send()
    asking.answer("approve", scope="session", amount=DOLLAR)
    running.result(30)
    assert asking.send().result(30).status_code == 200
    other = asking.send(text="Another conversation")
    asking.answer("deny")
    with pytest.raises(openai.APIStatusError):
        other.result(30)


def test_the_soft_mark_asks_where_the_rule_says_so(uncapped: Asking) -> None:
    """Past 80 % a cap whose rule says `ask` asks although the request fits."""
    uncapped.gateway.command(uncapped.agent.cap(DOLLAR * 12 // 10, at_soft="ask"))
    first = uncapped.send("big")
    assert uncapped.answer("approve").kind == "soft"
    assert first.result(30).status_code == 200


def test_the_command_line_can_answer(asking: Asking) -> None:
    """Where there is no screen, `approvals list` and `approvals approve` do the same."""
    running = asking.send()
    asked = asking.question()
    code, listed = asking.gateway.run("approvals", "list", "--json")
    assert code == 0
    assert [row["id"] for row in json.loads(listed)] == [asked.id]
    code, said = asking.gateway.run("approvals", "approve", asked.id)
    assert code == 0, said
    assert running.result(30).status_code == 200


def test_a_second_answer_is_refused_in_words(asking: Asking) -> None:
    """A question that was answered stays answered."""
    running = asking.send()
    asked = asking.answer("deny")
    status, sentence = asking.gateway.command(admin.Answer(asked.id, "approve"))
    assert (status, "closed already" in sentence) == (400, True)
    with pytest.raises(openai.APIStatusError):
        running.result(30)


def test_private_data_asks_before_it_leaves(uncapped: Asking, upstream: FakeUpstream) -> None:
    """A card number in an old message keeps the whole request here unless the person consents."""
    running = uncapped.send("cloudy", "My card is 4111 1111 1111 1111, pay with it")
    asked = uncapped.question()
    assert asked.kind == "consent"
    assert [(found.kind, found.count) for found in asked.findings] == [("card_number", 1)]
    assert upstream.requests == []
    uncapped.gateway.command(admin.Answer(asked.id, "approve"))
    assert running.result(30).status_code == 200


def test_private_data_stays_here_by_itself(uncapped: Asking, upstream: FakeUpstream) -> None:
    """`auto` answers private data on this machine, even hard work, without asking."""
    said = [{"role": "user", "content": "Refactor ```x``` and mail it to jane.doe@example.com"}]
    answer = uncapped.client.chat.completions.with_raw_response.create(model="auto", messages=said, max_tokens=20)
    assert answer.headers["x-pointsman-tier"] == "local"
    assert upstream.requests == []


def test_pause_all_stops_every_agent(uncapped: Asking) -> None:
    """Paused from the command line, an agent gets one 402 until it is resumed."""
    assert uncapped.gateway.run("pause")[0] == 0
    with pytest.raises(openai.APIStatusError) as refused:
        uncapped.client.chat.completions.create(model="local", messages=HELLO)
    assert refused.value.status_code == 402
    assert uncapped.gateway.run("resume")[0] == 0
    assert uncapped.client.chat.completions.create(model="local", messages=HELLO).choices


def test_a_consent_is_for_that_request_alone(uncapped: Asking, upstream: FakeUpstream) -> None:
    """What was allowed for one text does not let another with the same last words through."""
    first = uncapped.send("cloudy", "Write to jane.doe@example.com")
    uncapped.answer("approve")
    assert first.result(30).status_code == 200
    second = uncapped.send("cloudy", "Write to jane.doe@example.com about 4111 1111 1111 1111")
    uncapped.answer("deny")
    with pytest.raises(openai.APIStatusError):
        second.result(30)
    assert len(upstream.requests) == 1
