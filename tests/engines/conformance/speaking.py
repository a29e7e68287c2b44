"""What the conformance tests share: the engines, an answer collected, and a worker spoken to line by line."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Self

from pointsman.engines import protocol
from pointsman.engines.supervisor import WorkerSpec, worker_command

# There is no MLX for Windows.
ENGINES = ["llama_cpp"] if sys.platform == "win32" else ["llama_cpp", "mlx"]
SOAK = os.environ.get("POINTSMAN_SOAK") == "1"
SLOTS = 4
PARIS = "What is the capital of France?"
QUESTIONS = [
    PARIS,
    "What is the opposite of hot?",
    "Tell me a story.",
    "What colour is the sky?",
    "Give me the capital of France as JSON.",
    "Hello",
]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
# No model ends this by itself.
LONG: dict[str, Any] = {
    "max_tokens": 150,
    "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "string", "minLength": 900}}},
}
_ids = itertools.count()


def ask(text: str, **fields: Any) -> protocol.Chat:
    """A greedy request with one user message and an id of its own."""
    usual: dict[str, Any] = {"temperature": 0.0, "max_tokens": 48}
    return protocol.Chat(id=f"c{next(_ids)}", messages=[{"role": "user", "content": text}], **{**usual, **fields})


class Said:
    """An answer, collected."""

    def __init__(self, events: Sequence[protocol.Event]) -> None:
        self.events = events
        self.texts = [event.text for event in events if isinstance(event, protocol.Text)]
        self.text = "".join(self.texts)
        self.calls = [call for event in events if isinstance(event, protocol.Calls) for call in event.calls]
        self.logprobs = [one for event in events if isinstance(event, protocol.Text) for one in event.logprobs]

    @property
    def started(self) -> protocol.Started:
        """The first event."""
        assert isinstance(self.events[0], protocol.Started)
        return self.events[0]

    @property
    def end(self) -> protocol.End:
        """The last event of an answer."""
        assert isinstance(self.events[-1], protocol.End), self.events[-1]
        return self.events[-1]

    @property
    def failed(self) -> protocol.Failed:
        """The last event where there is no answer."""
        assert isinstance(self.events[-1], protocol.Failed), self.events[-1]
        return self.events[-1]


class Worker:
    """A worker process and its two pipes; events come in the order in which it wrote them."""

    def __init__(self, spec: WorkerSpec) -> None:
        self._process = subprocess.Popen(
            worker_command(spec), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.ready = self.hear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.tell(protocol.Quit())
        with self._process as process:
            assert process.wait(timeout=20) == 0

    def tell(self, *commands: protocol.Command) -> None:
        """Write these lines at once."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"".join(map(protocol.encode, commands)))
        self._process.stdin.flush()

    def hear(self) -> protocol.Event:
        """The next event."""
        assert self._process.stdout is not None
        return protocol.decode_event(self._process.stdout.readline())

    def until_done(self, ids: Iterable[str]) -> list[protocol.Event]:
        """All events up to the last one of the last of these requests."""
        left, events = set(ids), list[protocol.Event]()
        while left:
            events.append(self.hear())
            if isinstance(events[-1], protocol.End | protocol.Failed):
                left.remove(events[-1].id)
        return events

    def pong(self) -> protocol.Pong:
        """The answer to a ping; nothing else may be under way."""
        self.tell(protocol.Ping())
        heard = self.hear()
        assert isinstance(heard, protocol.Pong), heard
        return heard

    def answers(self, chats: Sequence[protocol.Chat]) -> list[Said]:
        """The answers to requests that are all sent at once."""
        self.tell(*chats)
        events = self.until_done(chat.id for chat in chats)
        return [Said(of(events, chat.id)) for chat in chats]

    def answer(self, chat: protocol.Chat) -> Said:
        """The answer to one request."""
        return self.answers([chat])[0]


def of(events: Iterable[protocol.Event], request_id: str) -> list[protocol.Event]:
    """Those of one request."""
    return [event for event in events if getattr(event, "id", None) == request_id]
