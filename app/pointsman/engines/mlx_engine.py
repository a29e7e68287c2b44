"""Continuous batching over mlx-lm's BatchGenerator, with its prompt cache for what later requests share.

BatchGenerator computes one token ahead: a token is chosen, and its events told, while the one before it is handed out.
So the sampler of a request is where its answer grows, and what `next` returns is not needed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from pointsman.engines import protocol
from pointsman.engines.dialogue import Dialogue
from pointsman.engines.job import Job
from pointsman.engines.mlx_api import BatchGenerator, LRUPromptCache, make_prompt_cache, mx
from pointsman.engines.mlx_model import MlxModel
from pointsman.engines.mlx_sampler import Sampler
from pointsman.engines.pace import Pace
from pointsman.engines.slots import has_room
from pointsman.engines.waiting import Waiting

_log = logging.getLogger(__name__)

_STEP_TOKENS = 512
_NO_END = 1 << 30  # the engine ends answers itself
_KEY = "this model"


class _Seat:
    """A job in the batch; `told` are its events since the last step."""

    def __init__(self, job: Job[Sampler], dialogue: Dialogue[Sampler]) -> None:
        self.job, self._dialogue = job, dialogue
        self.told: list[protocol.Answer] = []
        self.answering = False

    def __call__(self, logprobs: Any) -> Any:
        """The next token of the job, whose distribution this is, in the shape that the batch wants."""
        job, self.answering = self.job, True
        if job.done == len(job.tokens):
            row = np.array(logprobs.astype(mx.float32))[0]
            self.told += self._dialogue.extend(job, row, lambda: job.sampler.free(row))
        # One that is over leaves the batch after this step: its token is never computed.
        token = job.tokens[min(job.done, len(job.tokens) - 1)]
        job.done += 1
        return mx.array([token], dtype=mx.uint32)


class MlxEngine:
    """The engine face over one `MlxModel`. All requests together, and what is kept of old ones, fit one context."""

    def __init__(self, model: MlxModel, slots: int, tool_format: str | None = None) -> None:
        self.context, self.slots, self.steps = model.context, slots, 0
        self._model = model
        self._dialogue = Dialogue(model, tool_format)
        self._waiting = Waiting[Sampler]()
        self._seats: dict[int, _Seat] = {}
        self._pace = Pace(_STEP_TOKENS)
        self._begin()

    @property
    def active(self) -> int:
        """Requests that have a slot."""
        return len(self._seats)

    @property
    def waiting(self) -> int:
        """Requests that wait for one."""
        return len(self._waiting)

    def insert(self, chat: protocol.Chat) -> None:
        """Raises `Rejected` before any work when the request cannot be answered."""
        self._waiting.add(self._dialogue.job(chat))

    def remove(self, request_id: str) -> protocol.End | None:
        """Its slot is free at once, and what it computed may serve the next request."""
        for uid, seat in self._seats.items():
            if seat.job.id == request_id:
                self._leave(uid)
                return seat.job.end("cancelled")
        return self._waiting.drop(request_id)

    def step(self) -> Iterator[protocol.Answer]:
        """One pass over the model for all requests that have a slot."""
        yield from self._admit()
        prompts = sum(not seat.answering for seat in self._seats.values())
        self._batch.prefill_step_size = max(1, self._pace.size // max(1, prompts))
        began = time.monotonic()
        self.steps += 1
        try:
            computed, _ = self._batch.next()
        except Exception as error:  # noqa: BLE001 - the requests fail, the worker goes on
            _log.error("a step failed: %s", type(error).__name__)
            yield from self._fail()
            return
        self._pace.took(self._pace.size if computed else 0, time.monotonic() - began)
        yield from self._tell()
        self._make_room()
        self._shrink()

    def _begin(self) -> None:
        made = BatchGenerator(self._model.network, completion_batch_size=self.slots, prefill_batch_size=self.slots)
        self._batch: Any = made  # mlx-lm ships no types
        self._kept = LRUPromptCache(max_size=2 * self.slots, max_bytes=self.context * self._model.token_bytes)

    def _admit(self) -> Iterator[protocol.Answer]:
        while self._waiting and len(self._seats) < self.slots:
            job = self._waiting.first
            if not has_room(self._lengths(), len(job.tokens), self.context):
                return
            self._waiting.take()
            job.done = self._enter(job)
            yield from job.start()
            job.done = len(job.tokens)

    def _enter(self, job: Job[Sampler]) -> int:
        """How many of its tokens were computed before. At least one token must be computed: without it there is nothing to choose from."""
        known = job.tokens[:-1]
        cache, rest = self._kept.fetch_nearest_cache(_KEY, known)
        kept = len(known) - len(rest) if cache is not None else 0
        seat = _Seat(job, self._dialogue)
        uids = self._batch.insert(
            [job.tokens[kept:]],
            max_tokens=[_NO_END],
            caches=[make_prompt_cache(self._model.network) if cache is None else cache],
            all_tokens=[job.tokens[:kept]],
            samplers=[seat],
        )
        self._seats[uids[0]] = seat
        self._shrink()
        return kept

    def _leave(self, uid: int) -> None:
        """Out of the batch; what was computed is kept for later, as far as it fits."""
        del self._seats[uid]
        cache, tokens = self._batch.remove([uid], return_prompt_caches=True)[uid]
        if tokens:
            mx.eval([one.state for one in cache])
            self._kept.insert_cache(_KEY, list(tokens), cache)
        self._shrink()

    def _tell(self) -> Iterator[protocol.Answer]:
        for uid, seat in list(self._seats.items()):
            told, seat.told = seat.told, []
            if seat.job.over:
                self._leave(uid)
            yield from told

    def _lengths(self) -> list[int]:
        return [len(seat.job.tokens) for seat in self._seats.values()]

    def _shrink(self) -> None:
        """What is kept of old requests gives way to those under way."""
        room = self.context - sum(self._lengths())
        self._kept.trim_to(n_bytes=room * self._model.token_bytes)

    def _make_room(self) -> None:
        """Where answers have grown into one another, the newest waits for the others."""
        while len(self._seats) > 1 and sum(self._lengths()) + len(self._seats) > self.context:
            uid, seat = list(self._seats.items())[-1]
            self._leave(uid)
            self._waiting.put_back(seat.job)

    def _fail(self) -> Iterator[protocol.Answer]:
        seats = list(self._seats.values())
        self._seats.clear()
        self._batch.close()
        self._begin()
        for seat in seats:
            yield from seat.told
            if not seat.job.over:
                yield seat.job.fail("engine_error", "The engine could not compute this answer.")
