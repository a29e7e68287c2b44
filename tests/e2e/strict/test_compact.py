"""A conversation is compacted by the vendor's SDK and goes on from its summary, whoever makes it and whoever goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest
from openai.types.responses import CompactedResponse

from pointsman.wire import admin
from tests.fakes import strict_home
from tests.fakes.home import Home
from tests.fakes.strict_model import Script
from tests.fakes.strict_upstream import StrictUpstream

TEXT = "They look for the answer. The file answer.txt says forty-two. Left to do: tell it."
SECRET = "My card is 4111 1111 1111 1111"
NATIVE = """
[providers.strict-native]
dialect = "responses"
base_url = "{base_url}"
key = "env"
key_env = "FAKE_KEY"
compacts = true
[targets.native]
tier = "cloud"
provider = "strict-native"
model = "gpt-strict"
context = 1000000
max_output = 128000
can = ["tools", "json_schema", "vision", "reasoning"]
price = {price}
"""
CALL = {"type": "function_call", "call_id": "call_1", "name": "read", "arguments": '{"path": "answer.txt"}'}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "forty-two"}
TALK: Any = [{"role": "user", "content": "What is the answer?"}, CALL, RESULT, {"role": "user", "content": "And why?"}]
TOOL: Any = {
    "type": "function",
    "name": "read",
    "parameters": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
    "strict": False,
}
MADE_HERE = ["cloud-chat", "cloud-responses", "cloud-messages"]
SCRIPT = Script(text=TEXT)


def more(provider: StrictUpstream) -> str:
    """A vendor that compacts by itself, and another."""
    native = NATIVE.format(base_url=provider.base_url, price=provider.prices.toml())
    return native + native.replace("strict-native", "other-vendor").replace("targets.native", "targets.other-native")


def items(compacted: CompactedResponse) -> list[Any]:
    """The output, as it is sent back; its type has no name for messages of the user."""
    return [item.to_dict(warnings=False) for item in compacted.output]


def asked(upstream: StrictUpstream) -> str:
    """The newest body that a model got."""
    return upstream.turns[-1].raw.decode()


@pytest.mark.parametrize("target", MADE_HERE)
def test_a_summary_is_asked_for_where_the_provider_makes_none(
    client: openai.OpenAI, upstream: StrictUpstream, paid: Callable[[], None], target: str
) -> None:
    """In words, of the whole conversation; the answer has the documented shape, and the words are not in the open."""
    compacted = client.responses.compact(model=target, input=TALK, instructions="Be brief.")
    assert (compacted.object, compacted.id[:5], compacted.usage.output_tokens > 0) == (
        "response.compaction",
        "resp_",
        True,
    )
    assert [item.type for item in compacted.output] == ["message", "message", "compaction"]
    assert "forty-two" not in json.dumps(items(compacted)[-1])
    assert "Write a summary of this conversation" in asked(upstream)
    assert "answer.txt" in asked(upstream) and "Be brief." in asked(upstream)
    assert not upstream.turns[-1].path.endswith("/compact")
    paid()


@pytest.mark.parametrize("later", [*MADE_HERE, "native"])
def test_it_goes_on_from_the_summary_whoever_answers(
    client: openai.OpenAI, upstream: StrictUpstream, later: str
) -> None:
    """Each sees it in words, after what the user said."""
    compacted = client.responses.compact(model="cloud-chat", input=TALK)
    again: Any = [*items(compacted), {"role": "user", "content": "Tell it."}]
    client.responses.create(model=later, input=again, max_output_tokens=100)
    sent = asked(upstream)
    assert TEXT in sent and "encrypted_content" not in sent
    assert sent.index("And why?") < sent.index(TEXT) < sent.index("Tell it.")


def test_a_second_compaction_holds_the_first(client: openai.OpenAI, upstream: StrictUpstream) -> None:
    """The message that stood for it is no message of the user's."""
    first = client.responses.compact(model="cloud-chat", input=TALK)
    again: Any = [*items(first), {"role": "user", "content": "Tell it."}]
    second = client.responses.compact(model="cloud-messages", input=again)
    assert TEXT in asked(upstream)
    assert [item.type for item in second.output] == ["message"] * 3 + ["compaction"]
    assert TEXT not in "".join(json.dumps(item) for item in items(second))


def test_a_provider_that_compacts_gets_the_bytes(
    client: openai.OpenAI, upstream: StrictUpstream, paid: Callable[[], None], gateway: Home
) -> None:
    """With no limit, for which it has no place; what it bills is settled, and its row is written."""
    compacted = client.responses.compact(model="native", input=TALK, prompt_cache_key="k")
    assert compacted.output[-1].type == "compaction"
    seen = upstream.turns[-1]
    assert (seen.path, seen.body["input"], seen.body["prompt_cache_key"]) == ("/v1/responses/compact", TALK, "k")
    assert "max_output_tokens" not in seen.body
    row = next(row for row in gateway.audit() if row["kind"] == "request")
    assert (row["target"], row["outcome"], row["estimated"], row["class_"]) == ("native", "done", False, "compaction")
    paid()


def test_what_a_vendor_sealed_goes_back_to_that_vendor_alone(client: openai.OpenAI, upstream: StrictUpstream) -> None:
    """Any other model would go on without all that was said before."""
    compacted = client.responses.compact(model="native", input=TALK)
    again: Any = [*items(compacted), {"role": "user", "content": "Tell it."}]
    client.responses.create(model="native", input=again, max_output_tokens=100)
    assert upstream.turns[-1].body["input"] == again


def test_no_other_vendor_that_seals_gets_it(client: openai.OpenAI, upstream: StrictUpstream) -> None:
    """It can read its own alone."""
    compacted = client.responses.compact(model="native", input=TALK)
    again: Any = [*items(compacted), {"role": "user", "content": "Tell it."}]
    with pytest.raises(openai.BadRequestError, match="another vendor sealed it"):
        client.responses.create(
            model="other-native", input=again, max_output_tokens=100, extra_headers={"x-pointsman-fallback": "none"}
        )
    assert len(upstream.turns) == 1


def test_no_other_model_takes_what_a_vendor_sealed(client: openai.OpenAI, upstream: StrictUpstream) -> None:
    """It is refused by name, before anything is sent."""
    item: Any = {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAAA"}
    with pytest.raises(openai.BadRequestError, match="another vendor sealed it"):
        client.responses.create(
            model="cloud-chat", input=[item], max_output_tokens=100, extra_headers={"x-pointsman-fallback": "none"}
        )
    assert upstream.turns == []


@pytest.mark.parametrize("target", [*MADE_HERE, "native"])
def test_a_trigger_in_a_stream_is_answered_with_one_compaction(
    client: openai.OpenAI, upstream: StrictUpstream, paid: Callable[[], None], target: str
) -> None:
    """As Codex asks for it: exactly one item comes, whole, in a response that is completed."""
    stream = client.responses.create(
        model=target, input=[*TALK, {"type": "compaction_trigger"}], tools=[TOOL], stream=True, store=False
    )
    events = list(stream)
    done = [event.item for event in events if event.type == "response.output_item.done"]
    assert [item.type for item in done] == ["compaction"]
    last = events[-1]
    assert last.type == "response.completed"
    assert [item.type for item in last.response.output] == ["compaction"]
    assert last.response.usage is not None and last.response.usage.output_tokens > 0
    assert [event.sequence_number for event in events] == list(range(len(events)))
    paid()
    again: Any = [done[0].to_dict(), {"role": "user", "content": "Tell it."}]
    client.responses.create(model=target, input=again, max_output_tokens=100)
    assert (TEXT in asked(upstream)) is (target != "native")


def test_a_trigger_in_one_piece(client: openai.OpenAI) -> None:
    """Without a stream too."""
    answer = client.responses.create(model="cloud-chat", input=[*TALK, {"type": "compaction_trigger"}])
    assert ([item.type for item in answer.output], answer.status) == (["compaction"], "completed")


def test_what_continues_from_a_compaction_does_not_begin_before_it(
    client: openai.OpenAI, upstream: StrictUpstream
) -> None:
    """By the id of the response that it came in: the summary stands for all that was."""
    first = client.responses.create(model="cloud-chat", input=[*TALK, {"type": "compaction_trigger"}], store=True)
    client.responses.create(model="cloud-chat", previous_response_id=first.id, input="Tell it.", max_output_tokens=50)
    assert TEXT in asked(upstream) and "And why?" not in asked(upstream)


def test_a_compaction_continues_from_what_is_kept(client: openai.OpenAI, upstream: StrictUpstream) -> None:
    """By the id of the last answer, as its client may do."""
    first = client.responses.create(model="cloud-chat", input="The word is heron.", max_output_tokens=50)
    compacted = client.responses.compact(model="cloud-chat", previous_response_id=first.id)
    assert "The word is heron." in asked(upstream)
    assert [item.type for item in compacted.output] == ["message", "compaction"]


def test_what_cannot_be_opened_is_refused(client: openai.OpenAI, upstream: StrictUpstream) -> None:
    """By name: it was changed on its way, or is another agent's."""
    item: Any = {"type": "compaction", "encrypted_content": "pointsman-open:AAAA"}
    with pytest.raises(openai.BadRequestError, match="cannot be opened"):
        client.responses.create(model="cloud-chat", input=[item])
    assert upstream.turns == []


def test_what_no_key_opens_now_is_not_the_conversations_fault(client: openai.OpenAI, upstream: StrictUpstream) -> None:
    """Its keychain is missing: it may come back."""
    item: Any = {"type": "compaction", "encrypted_content": "pointsman-sealed:AAAA"}
    with pytest.raises(openai.InternalServerError, match="cannot be opened now: There is no keychain") as refused:
        client.responses.create(model="cloud-chat", input=[item])
    assert (refused.value.status_code, upstream.turns) == (503, [])


def test_what_is_private_in_a_summary_stays_here(
    client: openai.OpenAI, provider: StrictUpstream, upstream: StrictUpstream
) -> None:
    """Inside a compaction it is looked at as it is outside."""
    words, provider.script = provider.script, Script(text=SECRET)
    try:
        compacted = client.responses.compact(model="cloud-chat", input=TALK)
    finally:
        provider.script = words
    again: Any = [*items(compacted), {"role": "user", "content": "Tell it."}]
    answer = client.responses.with_raw_response.create(
        model="auto", input=again, max_output_tokens=20, extra_headers={"x-pointsman-class": "chat"}
    )
    assert answer.headers["x-pointsman-tier"] == "local"
    assert len(upstream.turns) == 1


def test_the_caps_hold_for_it(gateway: Home, client: openai.OpenAI, upstream: StrictUpstream) -> None:
    """Like for any request."""
    strict_home.use_up(gateway)
    try:
        with pytest.raises(openai.APIStatusError) as refused:
            client.responses.compact(model="native", input=TALK)
        assert (refused.value.status_code, upstream.turns) == (402, [])
    finally:
        gateway.command(admin.RemoveCap("daily"))


def test_a_summary_that_is_cut_is_none(client: openai.OpenAI, upstream: StrictUpstream) -> None:
    """Its client keeps the conversation."""
    with pytest.raises(openai.APIStatusError, match="was cut at its limit"):
        client.responses.create(
            model="cloud-chat",
            input=[*TALK, {"type": "compaction_trigger"}],
            max_output_tokens=16,
            extra_headers={"x-pointsman-fallback": "none"},
        )


def test_a_summary_that_is_cut_is_paid_once(gateway: Home, key: str, upstream: StrictUpstream) -> None:
    """The SDK does not ask again for what would be cut again."""
    with (
        openai.OpenAI(base_url=gateway.runtime.address, api_key=key, max_retries=2) as patient,
        pytest.raises(openai.BadRequestError, match="was cut at its limit"),
    ):
        patient.responses.create(
            model="cloud-chat", input=[*TALK, {"type": "compaction_trigger"}], max_output_tokens=16
        )
    assert len(upstream.turns) == 1


def test_a_providers_own_compaction_is_not_shortened(
    gateway: Home, client: openai.OpenAI, upstream: StrictUpstream
) -> None:
    """Its bill would pass the cap: the person is asked for the whole amount instead."""
    gateway.command(admin.SetCap(name="daily", limit=strict_home.spent(gateway) + 100_000, at_limit="shorten"))
    try:
        with pytest.raises(openai.APIStatusError) as refused:
            client.responses.compact(
                model="native",
                input=TALK,
                extra_headers={"x-pointsman-timeout": "3", "x-pointsman-fallback": "none"},
            )
        assert (refused.value.status_code, upstream.turns) == (504, [])
    finally:
        gateway.command(admin.RemoveCap("daily"))


def test_a_trigger_before_the_last_item_is_answered_already(client: openai.OpenAI) -> None:
    """The request is one for an answer."""
    said: Any = [{"role": "user", "content": "a"}, {"type": "compaction_trigger"}, {"role": "user", "content": "b"}]
    answer = client.responses.create(model="cloud-chat", input=said, max_output_tokens=100)
    assert [item.type for item in answer.output] == ["message"]


def test_a_model_of_this_machine_compacts_too(client: openai.OpenAI) -> None:
    """Where the person wants it there."""
    compacted = client.responses.compact(
        model="local", input=[{"role": "user", "content": "Hi"}], extra_headers={"x-pointsman-tier": "local"}
    )
    assert [item.type for item in compacted.output] == ["message", "compaction"]


def test_a_stream_is_refused_by_name(gateway: Home, key: str) -> None:
    """It has none."""
    body = {"model": "cloud-chat", "input": "Hi", "stream": True}
    head = {"authorization": f"Bearer {key}"}
    said = httpx.post(f"{gateway.runtime.address}/responses/compact", json=body, headers=head)
    assert (said.status_code, "'stream' is not known" in said.text) == (400, True)
