"""What a client asked for reaches the worker, and what the worker tells of tokens reaches the client."""

from __future__ import annotations

import msgspec

from pointsman.engines.protocol import Chat, Logprob
from pointsman.wire.body import Change
from pointsman.wire.translate.prompts import chat, messages, responses, worker


def test_fields() -> None:
    """Bias, logprobs and effort are passed on, and together make a command."""
    body = {
        "model": "m",
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "x", "reasoning_content": "y"},
        ],
        "logit_bias": {"7": -100},
        "logprobs": True,
        "top_logprobs": 2,
        "reasoning_effort": "none",
        "min_p": 0.1,
    }
    fields = worker.fields(chat.read(msgspec.json.encode(body)))
    command = Chat(id="a", **fields)
    assert (command.logit_bias, command.logprobs, command.min_p) == ({"7": -100}, 2, 0.1)
    assert command.template == {"reasoning_effort": "none", "enable_thinking": False}
    assert command.messages[1]["reasoning_content"] == "y"


def test_nothing_asked() -> None:
    """What was not asked for is not there."""
    fields = worker.fields(chat.read(b'{"model": "m", "messages": []}'))
    assert not {"logit_bias", "logprobs", "template"} & set(fields)


def test_bias_has_no_place_elsewhere() -> None:
    """The other dialects say that they lose it."""
    prompt = chat.read(b'{"model": "m", "messages": [], "logit_bias": {"1": 2}}')
    change = Change(model="m", output=200)
    assert "logit_bias" in messages.lost(prompt, change) and "logit_bias" in responses.lost(prompt, change)


def test_logprobs() -> None:
    """Logprobs are told in chat completions' shape."""
    told = msgspec.json.decode(worker.logprobs([Logprob("a", -0.5, [97], [Logprob("b", -1.0, [98])])]))
    top = [{"token": "b", "logprob": -1.0, "bytes": [98]}]
    assert told == {"content": [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": top}], "refusal": None}
    assert bytes(worker.logprobs([])) == b""
