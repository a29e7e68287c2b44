"""One request in a local engine, from its prompt to its last token."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean
from typing import Generic, Protocol, TypeVar

from pointsman.engines import memory, protocol
from pointsman.engines.answer import Answer
from pointsman.engines.entropy import Logits


class Chooser(Protocol):
    """Chooses the tokens of one answer. Close it."""

    @property
    def promised(self) -> bool:
        """Whether the answer has a form to keep."""

    def constrained(self, logits: Logits, passes: Callable[[int], bool]) -> int:
        """The next token in that form, or one that `passes` unseen by it. Raises `Rejected` when there is none."""

    def close(self) -> None:
        """Give the memory back."""


C = TypeVar("C", bound=Chooser)


class Job(Generic[C]):
    """`tokens` is the prompt and the answer so far, of which the engine was given the first `done`."""

    def __init__(self, answer: Answer, prompt: list[int], limit: int, sampler: C) -> None:
        self.id = answer.id
        self.answer = answer
        self.tokens = prompt
        self.prompt_tokens = len(prompt)
        self.limit = limit
        self.sampler = sampler
        self.logprobs: int | None = None
        self.done = 0
        self.cached = 0
        self.started = False
        self.over = False
        self.entropies: list[float] = []
        self.reasoning_tokens = 0

    @property
    def completion_tokens(self) -> int:
        """Tokens that the model chose."""
        return len(self.entropies)

    def start(self) -> list[protocol.Answer]:
        """What is told when it first gets a slot: how much of its prompt need not be computed."""
        if self.started:
            return []
        self.started, self.cached = True, self.done
        return [protocol.Started(id=self.id, prompt_tokens=self.prompt_tokens, cached_tokens=self.cached)]

    def end(self, finish: str) -> protocol.End:
        """Its last event; the sampler is closed."""
        self.over = True
        self.sampler.close()
        return protocol.End(
            id=self.id,
            finish=finish,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            cached_tokens=self.cached,
            reasoning_tokens=self.reasoning_tokens,
            entropy=fmean(self.entropies) if self.entropies else None,
            peak_bytes=memory.peak_bytes(),
        )

    def fail(self, code: str, message: str) -> protocol.Failed:
        """Its last event where there is no answer; the sampler is closed."""
        self.over = True
        self.sampler.close()
        return protocol.Failed(id=self.id, code=code, message=message)
