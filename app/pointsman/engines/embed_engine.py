"""Vectors of texts: many texts of many requests go through the model together, each request gets its own in order."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pointsman.engines import embed, memory, protocol
from pointsman.engines.embed import Nested, Numbers, Room, joins, pooled, unit
from pointsman.engines.failures import Rejected
from pointsman.engines.pace import Pace
from pointsman.engines.slots import Run, plan_step

_log = logging.getLogger(__name__)
_INTERRUPTED = 2


class VectorModel(Protocol):
    """A loaded model; `step` tokens at most are computed at a time, or one longer text where it must be `whole`."""

    context: int
    slots: int
    step: int
    whole: bool
    width: int
    pooling: str | None
    nested: Nested | None

    def tokenize(self, text: str) -> list[int]:
        """A text as the model was trained to read it."""

    def decode(self, runs: Sequence[Run]) -> int:
        """0, 2 when interrupted, else it failed."""

    def rows(self, count: int) -> npt.NDArray[np.float32]:
        """What the step's tokens came to."""

    def keep(self, slot: int, length: int) -> None:
        """Forget what a slot holds beyond `length` tokens."""


class _Job:
    """One request: its texts as tokens, how many of them began, and how many have their vector."""

    def __init__(self, asked: protocol.Embed, texts: list[list[int]]) -> None:
        self.id = asked.id
        self.dimensions = asked.dimensions
        self.texts = texts
        self.begun = 0
        self.made = 0
        self.tokens = sum(map(len, texts))


class _Text:
    """A text under way: the first `done` of its tokens came to `sum`."""

    def __init__(self, job: _Job, at: int) -> None:
        self.job = job
        self.at = at
        self.tokens = job.texts[at]
        self.done = 0
        self.sum: Numbers | None = None


class EmbedEngine:
    """The engine face over a `VectorModel`. Requests take turns, text by text, so that a long one holds up nobody."""

    def __init__(self, model: VectorModel) -> None:
        self.context, self.slots, self.steps = model.context, model.slots, 0
        self._model = model
        self._jobs: deque[_Job] = deque()  # those with texts that have not begun
        self._texts: dict[int, _Text] = {}
        self._free = list(range(model.slots))
        self._pace = Pace(model.step)

    @property
    def active(self) -> int:
        """Requests of which a text is under way."""
        return len({text.job.id for text in self._texts.values()})

    @property
    def waiting(self) -> int:
        """Requests of which none is."""
        return len({job.id for job in self._jobs} - {text.job.id for text in self._texts.values()})

    def insert(self, chat: protocol.Chat) -> None:  # noqa: ARG002 every engine's face has it
        """Always raises `Rejected`."""
        raise Rejected("bad_request", "This model makes embeddings, not answers.")

    def embed(self, asked: protocol.Embed) -> None:
        """Raises `Rejected` before any work when there is a text that has no vector."""
        if not asked.inputs:
            raise Rejected("bad_request", "'input' is empty. Send at least one text.")
        embed.check_dimensions(asked.dimensions, self._model.width, self._model.nested)
        texts = [self._tokens(text, at, len(asked.inputs)) for at, text in enumerate(asked.inputs)]
        self._jobs.append(_Job(asked, texts))

    def remove(self, request_id: str) -> protocol.End | None:
        """Its texts leave at once."""
        found = [job for job in self._jobs if job.id == request_id]
        found += [text.job for text in self._texts.values() if text.job.id == request_id]
        if not found:
            return None
        self._leave(found[0])
        return _end(found[0], "cancelled")

    def step(self) -> Iterator[protocol.Answer]:
        """One pass over the model for as many texts as fit it."""
        yield from self._begin()
        runs = self._runs()
        began = time.monotonic()
        rc = self._model.decode(runs)
        self.steps += 1
        if rc != 0:
            yield from self._recover(rc, runs)
            return
        count = sum(len(run.tokens) for run in runs)
        self._pace.took(count, time.monotonic() - began)
        rows, at = self._model.rows(count), 0
        for run in runs:
            text = self._texts.get(run.slot)
            if text is not None:  # its request may just have failed
                text.sum = pooled(self._model.pooling or "", text.sum, rows[at : at + len(run.tokens)])
                text.done += len(run.tokens)
                yield from self._finish(run.slot, text) if run.complete else ()
            at += len(run.tokens)

    def _tokens(self, text: str, at: int, count: int) -> list[int]:
        """Nothing is cut off: what does not fit is refused with both numbers."""
        which = "The text" if count == 1 else f"Text {at + 1} of {count}"
        if not text:
            raise Rejected("bad_request", f"{which} in 'input' is empty.")
        tokens = self._model.tokenize(text)
        if not tokens:
            raise Rejected("bad_request", f"{which} in 'input' has nothing that this model can read.")
        if len(tokens) > self.context:
            said = f"{which} has {len(tokens)} tokens, and this model reads {self.context} at most. Send it in parts."
            raise Rejected("context_exceeded", said)
        return tokens

    def _begin(self) -> Iterator[protocol.Answer]:
        """Texts in turn from each request, as long as they fit the step."""
        room = Room(step=self._pace.size, cells=self.context, whole=self._model.whole)
        while self._jobs and self._free:
            job = self._jobs[0]
            under_way = [(len(text.tokens), len(text.tokens) - text.done) for text in self._texts.values()]
            if not joins(under_way, len(job.texts[job.begun]), room):
                return
            if job.begun == 0:
                yield protocol.Started(id=job.id, prompt_tokens=job.tokens)
            self._texts[self._free.pop()] = _Text(job, job.begun)
            job.begun += 1
            self._jobs.popleft()
            if job.begun < len(job.texts):
                self._jobs.append(job)

    def _runs(self) -> list[Run]:
        pending = {slot: (text.done, text.tokens[text.done :]) for slot, text in self._texts.items()}
        left = sum(len(tokens) for _, tokens in pending.values())
        size = left if self._model.whole else self._pace.size
        return plan_step(pending, max(size, len(pending)), size)

    def _finish(self, slot: int, text: _Text) -> list[protocol.Answer]:
        job = text.job
        self._release(slot)
        assert text.sum is not None
        try:
            numbers = unit(text.sum, job.dimensions, self._model.nested)
        except ValueError:
            return [self._fail(job)]
        job.made += 1
        told: list[protocol.Answer] = [protocol.Vector(job.id, text.at, numbers)]
        return [*told, _end(job, "stop")] if job.made == len(job.texts) else told

    def _recover(self, rc: int, runs: list[Run]) -> Iterator[protocol.Answer]:
        """Part of the step may have been computed: go back to what is known to be there, or give up."""
        for run in runs:
            text = self._texts.get(run.slot)
            if text is None:
                continue
            self._model.keep(run.slot, text.done)
            if rc != _INTERRUPTED:
                _log.error("llama_decode returned %d", rc)
                yield self._fail(text.job)

    def _fail(self, job: _Job) -> protocol.Failed:
        self._leave(job)
        return protocol.Failed(id=job.id, code="engine_error", message="The engine could not compute these vectors.")

    def _leave(self, job: _Job) -> None:
        if job in self._jobs:
            self._jobs.remove(job)
        for slot in [slot for slot, text in self._texts.items() if text.job is job]:
            self._release(slot)

    def _release(self, slot: int) -> None:
        del self._texts[slot]
        self._model.keep(slot, 0)
        self._free.append(slot)


def _end(job: _Job, finish: str) -> protocol.End:
    peak = memory.peak_bytes()
    return protocol.End(id=job.id, finish=finish, prompt_tokens=job.tokens, completion_tokens=0, peak_bytes=peak)
