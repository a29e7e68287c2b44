"""A worker whose model is a script: `python -P scripted_engine.py --model SCRIPT --name NAME --context TOKENS`.

It runs the worker's own loop, so that commands, cancels and pings are taken as ever, and refuses what a provider would:
a tool's result without its call, a call without its result. The command of each request is written down beside the
script, where a test may read it.
"""

from __future__ import annotations

import argparse
import json
import queue
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pointsman.engines import protocol
from pointsman.engines.failures import Rejected
from pointsman.engines.interrupt import Interrupt
from pointsman.engines.serving import Inbox, Outbox, claim_stdout, open_stdin, serve, start_reader
from tests.fakes import strict_chat
from tests.fakes.strict_model import Fault, Script, Turn


class ScriptedEngine:
    """Answers each request by the script, a piece a step."""

    slots = 4

    def __init__(self, script: Script, context: int, heard: Path) -> None:
        self.context = context
        self.steps = 0
        self._script = script
        self._heard = heard
        self._answers: dict[str, Iterator[protocol.Answer]] = {}

    @property
    def active(self) -> int:
        """Requests under way."""
        return len(self._answers)

    @property
    def waiting(self) -> int:
        """None ever waits."""
        return 0

    def insert(self, chat: protocol.Chat) -> None:
        """Take a request in, if a provider would."""
        with self._heard.open("ab") as log:
            log.write(protocol.encode(chat))
        body = {"messages": chat.messages, "tools": chat.tools}
        tokens = len(json.dumps(body)) // 4
        if tokens >= self.context:
            raise Rejected("context_exceeded", f"The prompt has {tokens} tokens, and the context {self.context}.")
        try:
            strict_chat.check(body, {})
        except Fault as fault:
            raise Rejected("bad_request", fault.message) from None
        answered, limit = strict_chat.answered(body), chat.max_tokens or 10**6
        turn = self._script.turn(strict_chat.offered(body), answered=answered, thinks=True, limit=limit)
        self._answers[chat.id] = answer(chat.id, turn, tokens)

    def step(self) -> list[protocol.Answer]:
        """The next piece of each answer."""
        self.steps += 1
        told = []
        for id_, pieces in list(self._answers.items()):
            told.append(next(pieces))
            if isinstance(told[-1], protocol.End):
                del self._answers[id_]
        return told

    def remove(self, request_id: str) -> protocol.End | None:
        """Its client left."""
        if self._answers.pop(request_id, None) is None:
            return None
        return protocol.End(id=request_id, finish="cancelled", prompt_tokens=0, completion_tokens=0)


def answer(id_: str, turn: Turn, tokens: int) -> Iterator[protocol.Answer]:
    """What a worker says of a turn, half of the prompt having been there already."""
    yield protocol.Started(id=id_, prompt_tokens=tokens, cached_tokens=tokens // 2)
    for word in turn.thought.split(" "):
        yield protocol.Thought(id_, f"{word} ")
    for piece in turn.pieces() if turn.text else ():
        yield protocol.Text(id_, piece)
    if turn.tool:
        yield protocol.Calls(id_, [protocol.ToolCall(turn.tool, json.dumps(turn.arguments))])
    thought = len(turn.thought) // 4
    yield protocol.End(
        id=id_,
        finish="tool_calls" if turn.tool else "length" if turn.cut else "stop",
        prompt_tokens=tokens,
        cached_tokens=tokens // 2,
        completion_tokens=thought + (len(turn.text) + len(json.dumps(turn.arguments))) // 4,
        reasoning_tokens=thought,
        entropy=0.25,
    )


def main() -> int:
    """As the worker of a GGUF file does."""
    parser = argparse.ArgumentParser()
    for name in ("--model", "--name", "--context"):
        parser.add_argument(name)
    options, _ = parser.parse_known_args()
    outbox = Outbox(claim_stdout())
    inbox: Inbox = queue.SimpleQueue()
    interrupt = Interrupt()
    start_reader(open_stdin(), inbox, interrupt)
    model = Path(options.model)
    try:
        script = Script(**json.loads(model.read_bytes()))
    except ValueError:
        outbox.send(protocol.Unloadable(f"{model.name} is no script."))
        return 1
    context = int(options.context)
    ready = {"protocol": protocol.PROTOCOL, "model": options.name, "load_seconds": 0.1, "slots": ScriptedEngine.slots}
    outbox.send(protocol.Ready(context=context, **ready))
    serve(ScriptedEngine(script, context, model.with_suffix(".heard")), inbox, interrupt, outbox)
    return 0


if __name__ == "__main__":
    sys.exit(main())
