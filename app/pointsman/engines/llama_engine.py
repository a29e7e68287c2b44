"""Continuous batching over llama.cpp: requests join and leave between steps, prompts are computed in pieces."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator
from datetime import datetime

import numpy as np
import numpy.typing as npt

from pointsman.engines import memory, protocol
from pointsman.engines.answer import Answer, reader_for
from pointsman.engines.failures import LoadFailed, Rejected
from pointsman.engines.families import family_of, reasoning_marks
from pointsman.engines.grammar import grammar_for
from pointsman.engines.harmony import ANALYSIS, END
from pointsman.engines.llama import STEP_TOKENS, LlamaModel
from pointsman.engines.llama_sampler import Sampler
from pointsman.engines.logprobs import logprob_of
from pointsman.engines.sampling import sampling_of
from pointsman.engines.slots import Run, choose_slot, has_room, plan_step
from pointsman.engines.templates import ChatTemplate, TemplateError

_log = logging.getLogger(__name__)

NO_ROOM, INTERRUPTED = 1, 2
_SLOW_STEP, _QUICK_STEP = 4.0, 1.0  # seconds; between them the size of a step stays
_SMALLEST_STEP = 32


class _Job:
    """One request. `tokens` is the prompt and the answer so far, of which the first `done` are computed."""

    def __init__(self, answer: Answer, prompt: list[int], limit: int, sampler: Sampler) -> None:
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
        self.entropies: list[float] = []
        self.reasoning_tokens = 0

    @property
    def completion_tokens(self) -> int:
        return len(self.entropies)

    def end(self, finish: str) -> protocol.End:
        return protocol.End(
            id=self.id,
            finish=finish,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            cached_tokens=self.cached,
            reasoning_tokens=self.reasoning_tokens,
            entropy=float(np.mean(self.entropies)) if self.entropies else None,
            peak_bytes=memory.peak_bytes(),
        )


class LlamaEngine:
    """The engine face over one `LlamaModel`."""

    def __init__(self, model: LlamaModel, tool_format: str | None = None) -> None:
        self.context, self.slots, self.steps = model.context, model.slots, 0
        self._model = model
        self._waiting: deque[_Job] = deque()
        self._active: dict[int, _Job] = {}
        # What idle slots still hold, least recently used first.
        self._idle: dict[int, list[int]] = {slot: [] for slot in range(model.slots)}
        self._prefill = STEP_TOKENS
        self._family, self._marks = family_of(model.template, tool_format), reasoning_marks(model.template)
        pair = (self._marks.open, self._marks.close) if self._marks else ()
        model.show((*self._family.shown, *pair))
        # A model may begin with its reasoning even where a form is promised, if the mark is a token of its own.
        self._think = model.single(self._marks.open) if self._marks else None
        try:
            self._template = ChatTemplate(model.template, model.bos, model.eos)
        except TemplateError as error:
            raise LoadFailed(str(error)) from None

    @property
    def active(self) -> int:
        """Requests that have a slot."""
        return len(self._active)

    @property
    def waiting(self) -> int:
        """Requests that wait for one."""
        return len(self._waiting)

    def insert(self, chat: protocol.Chat) -> None:
        """Raises `Rejected` before any work when the request cannot be answered."""
        sampling, grammar = sampling_of(chat, self._model.vocabulary), grammar_for(chat, self._family, self._marks)
        if chat.max_tokens is not None and chat.max_tokens < 1:
            raise Rejected("bad_request", "max_tokens must be at least 1.")
        text = self._prompt(chat)
        if grammar and self._family.name == "harmony":
            text += ANALYSIS  # else the first channel would be free
        prompt = self._tokens(text)
        limit = min(self.context, len(prompt) + (chat.max_tokens or self.context))
        answer = Answer(chat.id, chat.stop, reader_for(chat, self._family, self._marks, text))
        job = _Job(answer, prompt, limit, self._model.sampler(sampling, grammar))
        job.logprobs = sampling.logprobs
        self._waiting.append(job)

    def remove(self, request_id: str) -> protocol.End | None:
        """Its slot is free at once, and what it computed may serve the next request."""
        for job in self._waiting:
            if job.id == request_id:
                self._waiting.remove(job)
                job.sampler.close()
                return job.end("cancelled")
        for slot, job in self._active.items():
            if job.id == request_id:
                self._release(slot)
                return job.end("cancelled")
        return None

    def step(self) -> Iterator[protocol.Answer]:
        """One pass over the model for all requests that have a slot."""
        yield from self._admit()
        pending = {slot: (job.done, job.tokens[job.done :]) for slot, job in self._active.items()}
        runs = plan_step(pending, STEP_TOKENS, self._prefill)
        began = time.monotonic()
        rc = self._model.decode(runs)
        self.steps += 1
        if rc != 0:
            yield from self._recover(rc, runs)
            return
        self._adapt(runs, time.monotonic() - began)
        row = -1
        for run in runs:
            row += len(run.tokens)
            job = self._active[run.slot]
            job.done += len(run.tokens)
            if run.complete:
                yield from self._extend(run.slot, job, row)

    def _prompt(self, chat: protocol.Chat) -> str:
        if not chat.messages:
            raise Rejected("bad_request", "A conversation needs at least one message.")
        tools = chat.tools if chat.tool_choice != "none" else []
        try:
            return self._template.render(chat.messages, tools, chat.template, datetime.now().astimezone())
        except TemplateError as error:
            raise Rejected("bad_request", str(error)) from None

    def _tokens(self, text: str) -> list[int]:
        """Refuses what does not fit, with both numbers, before anything is computed."""
        prompt = self._model.tokenize(text)
        if len(prompt) >= self.context:
            raise Rejected(
                "context_exceeded",
                f"The prompt has {len(prompt)} tokens, and this model has room for {self.context} with the answer.",
            )
        if not prompt:
            raise Rejected("bad_request", "The conversation is empty.")
        return prompt

    def _admit(self) -> Iterator[protocol.Answer]:
        while self._waiting and self._idle:
            job = self._waiting[0]
            lengths = [len(other.tokens) for other in self._active.values()]
            if not has_room(lengths, len(job.tokens), self.context):
                return
            self._waiting.popleft()
            place = choose_slot(self._idle, job.tokens)
            del self._idle[place.slot]
            job.done = place.kept if self._model.keep(place.slot, place.kept) else 0
            self._active[place.slot] = job
            if not job.started:
                job.started, job.cached = True, job.done
                yield protocol.Started(id=job.id, prompt_tokens=job.prompt_tokens, cached_tokens=job.cached)

    def _extend(self, slot: int, job: _Job, row: int) -> Iterator[protocol.Answer]:
        logits = self._model.logits(row)
        entropy = entropy_of(logits)  # before the sampler and its grammar touch them
        thinking = job.answer.thinking
        try:
            token = self._next(job, row, logits)
        except Rejected as error:
            self._release(slot)
            yield protocol.Failed(id=job.id, code=error.code, message=error.message)
            return
        job.entropies.append(entropy)
        ended = self._model.ends(token)
        if not ended:
            yield from self._take(job, token, logits)
        job.reasoning_tokens += thinking or job.answer.thinking
        if ended and thinking and job.sampler.promised and len(job.tokens) < job.limit:
            # It thought and would stop there, but it owes an answer.
            yield from self._close_reasoning(job)
        elif ended or job.answer.stopped or len(job.tokens) >= job.limit:
            yield from job.answer.end()
            complete = ended or job.answer.stopped
            self._release(slot)
            yield job.end(("tool_calls" if job.answer.called else "stop") if complete else "length")

    def _next(self, job: _Job, row: int, logits: npt.NDArray[np.float32]) -> int:
        """A promised form binds the answer, not the reasoning before it."""
        if not job.sampler.promised or job.answer.thinking:
            return self._model.sample(job.sampler, row)
        first = not job.entropies
        return job.sampler.constrained(logits, lambda token: first and token == self._think)

    def _take(self, job: _Job, token: int, logits: npt.NDArray[np.float32]) -> Iterator[protocol.Answer]:
        job.tokens.append(token)
        told = None
        if job.logprobs is not None:
            told = logprob_of(logits, token, job.logprobs, self._model.piece)
        yield from job.answer.feed(self._model.piece(token), told)

    def _close_reasoning(self, job: _Job) -> Iterator[protocol.Answer]:
        close = self._marks.close if self._marks else END
        job.tokens += self._model.continued(close)
        yield from job.answer.feed(close.encode())

    def _release(self, slot: int) -> None:
        job = self._active.pop(slot)
        job.sampler.close()
        self._idle[slot] = job.tokens[: job.done]

    def _adapt(self, runs: list[Run], seconds: float) -> None:
        """Keep steps short on slow machines, so that cancelling and the heartbeat stay prompt."""
        if seconds > _SLOW_STEP:
            self._prefill = max(_SMALLEST_STEP, self._prefill // 2)
        elif seconds < _QUICK_STEP and sum(len(run.tokens) for run in runs) >= self._prefill:
            self._prefill = min(STEP_TOKENS, self._prefill * 2)

    def _recover(self, rc: int, runs: list[Run]) -> Iterator[protocol.Answer]:
        if rc == NO_ROOM:
            yield from self._make_room()
            return
        if rc != INTERRUPTED:
            _log.error("llama_decode returned %d", rc)
        for run in runs:
            job = self._active[run.slot]
            # Part of the step may have been computed: go back to what is known to be there.
            job.done = job.done if self._model.keep(run.slot, job.done) else 0
            if rc != INTERRUPTED:
                job.done = 0
                self._model.keep(run.slot, 0)
                self._release(run.slot)
                yield protocol.Failed(
                    id=job.id, code="engine_error", message="The engine could not compute this answer."
                )

    def _make_room(self) -> Iterator[protocol.Answer]:
        """Forget what idle slots hold; where that is nothing, the newest request waits for the others."""
        held = [slot for slot, tokens in self._idle.items() if tokens]
        for slot in held:
            self._model.keep(slot, 0)
            self._idle[slot] = []
        if held:
            return
        slot, job = list(self._active.items())[-1]
        del self._active[slot]
        self._model.keep(slot, 0)
        self._idle[slot] = []
        if self._active:
            job.done = 0
            self._waiting.appendleft(job)
        else:
            job.sampler.close()
            yield protocol.Failed(id=job.id, code="engine_error", message="The engine has no room for this answer.")


def entropy_of(logits: npt.NDArray[np.float32]) -> float:
    """Of the whole distribution, in nats."""
    shifted = logits - logits.max()
    weights = np.exp(shifted)
    total = weights.sum()
    return float(np.log(total) - np.dot(weights, shifted) / total)
