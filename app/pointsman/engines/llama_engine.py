"""Continuous batching over llama.cpp: requests join and leave between steps, prompts are computed in pieces."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

from pointsman.engines import protocol
from pointsman.engines.dialogue import Dialogue
from pointsman.engines.job import Job
from pointsman.engines.llama import STEP_TOKENS, LlamaModel
from pointsman.engines.llama_sampler import Sampler
from pointsman.engines.lookup import Lookups
from pointsman.engines.pace import Pace
from pointsman.engines.slots import Place, Run, choose_slot, has_room, plan_step, share, widened, worth_waiting
from pointsman.engines.waiting import Waiting

_log = logging.getLogger(__name__)

NO_ROOM, INTERRUPTED = 1, 2


class LlamaEngine:
    """The engine face over one `LlamaModel`."""

    def __init__(self, model: LlamaModel, tool_format: str | None = None) -> None:
        self.context, self.slots, self.steps = model.context, model.slots, 0
        self._model = model
        self._waiting = Waiting[Sampler]()
        self._active: dict[int, Job[Sampler]] = {}
        # What idle slots still hold, least recently used first.
        self._idle: dict[int, list[int]] = {slot: [] for slot in range(model.slots)}
        # Of a slot's tokens, how many lie in the cells of another request, while that is under way.
        self._borrowed: dict[int, tuple[Job[Sampler], int]] = {}
        self._pace = Pace(STEP_TOKENS)
        self._lookups = Lookups(model.lookup)
        self._dialogue = Dialogue(model, tool_format)

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
        self._waiting.add(self._dialogue.job(chat))

    def remove(self, request_id: str) -> protocol.End | None:
        """Its slot is free at once, and what it computed may serve the next request."""
        for slot, job in self._active.items():
            if job.id == request_id:
                self._release(slot)
                return job.end("cancelled")
        return self._waiting.drop(request_id)

    def step(self) -> Iterator[protocol.Answer]:
        """One pass over the model for all requests that have a slot."""
        yield from self._admit()
        began = time.monotonic()
        rc, runs = self._compute()
        self.steps += 1
        if rc != 0:
            yield from self._recover(rc, runs)
            return
        self._pace.took(sum(len(run.tokens) for run in runs), time.monotonic() - began)
        row = -1
        for run in runs:
            row += len(run.tokens)
            job = self._active[run.slot]
            job.done += len(run.tokens) - run.guessed
            if run.complete:
                yield from self._extend(run, job, row - run.guessed)

    def _compute(self) -> tuple[int, list[Run]]:
        """What llama.cpp says of the next step, and the step: without guesses where there is no room for them."""
        pending = {slot: (job.done, job.tokens[job.done :]) for slot, job in self._active.items()}
        guesses = self._lookups.guesses(self._active)
        runs = plan_step(pending, STEP_TOKENS, self._pace.size, guesses)
        rc = self._model.decode(runs)
        if rc != NO_ROOM or not guesses:
            return rc, runs
        for slot, guess in guesses.items():
            self._lookups.took(slot, len(guess), 0)
        runs = plan_step(pending, STEP_TOKENS, self._pace.size)
        return self._model.decode(runs), runs

    def _admit(self) -> Iterator[protocol.Answer]:
        while self._waiting and self._idle:
            job = self._waiting.first
            place = self._place(job)
            if place is None:
                return
            added = len(job.tokens) - (place.kept if place.source in self._active else 0)
            if not has_room(self._lengths(), added, self.context):
                return
            self._waiting.take()
            job.done = self._take_over(place)
            del self._idle[place.slot]
            self._active[place.slot] = job
            yield from job.start()

    def _place(self, job: Job[Sampler]) -> Place | None:
        """Where it goes; None while it is better to wait until another prompt has computed what both begin with."""
        place = choose_slot(self._idle, job.tokens)
        if not self._model.shares:
            return place  # to forget a little would be to forget all
        active = {slot: other.tokens[: other.done] for slot, other in self._active.items()}
        place = share(place, self._idle, active, job.tokens)
        reading = (other.tokens for other in self._active.values() if other.done < other.prompt_tokens)
        return None if worth_waiting(place.kept, reading, job.tokens) else widened(place, len(job.tokens))

    def _lengths(self) -> list[int]:
        """The cells that each request under way takes, without those of another's that it shares."""
        return [len(job.tokens) - self._shared(slot) for slot, job in self._active.items()]

    def _shared(self, slot: int) -> int:
        lender, count = self._borrowed.get(slot, (None, 0))
        return count if lender in self._active.values() else 0

    def _take_over(self, place: Place) -> int:
        """How many tokens of its new prompt a slot holds afterwards."""
        self._borrowed.pop(place.slot, None)
        if place.source is None:
            return place.kept if self._model.keep(place.slot, place.kept) else 0
        if not self._model.copy(place.source, place.slot, place.kept):
            return 0
        if place.source in self._active:
            self._borrowed[place.slot] = self._active[place.source], place.kept
        return place.kept

    def _extend(self, run: Run, job: Job[Sampler], row: int) -> list[protocol.Answer]:
        """One more token, and one more for each guess that is the token which was chosen."""
        events = self._choose(job, row)
        true = 0
        for token in run.tokens[len(run.tokens) - run.guessed :]:
            if job.over or job.tokens[job.done :] != [token]:
                break
            true, job.done = true + 1, job.done + 1
            events += self._choose(job, row + true)
        if run.guessed:
            self._lookups.took(run.slot, run.guessed, true)
            if true < run.guessed and not self._model.keep(run.slot, job.done):
                job.done = 0
        if job.over:
            self._release(run.slot)
        return events

    def _choose(self, job: Job[Sampler], row: int) -> list[protocol.Answer]:
        logits = self._model.logits(row)
        return self._dialogue.extend(job, logits, lambda: job.sampler.free(logits))

    def _release(self, slot: int) -> None:
        self._lookups.forget(slot)
        job = self._active.pop(slot)
        self._idle[slot] = job.tokens[: job.done]

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
                yield job.fail("engine_error", "The engine could not compute this answer.")

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
        self._lookups.forget(slot)
        self._borrowed = {at: one for at, one in self._borrowed.items() if one[0] is not job}
        self._model.keep(slot, 0)
        self._idle[slot] = []
        if self._active:
            job.done = 0
            self._waiting.put_back(job)
        else:
            yield job.fail("engine_error", "The engine has no room for this answer.")
