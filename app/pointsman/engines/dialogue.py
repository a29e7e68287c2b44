"""What every engine does alike: a request becomes a job, and each row of logits a token and the events it brings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from pointsman.engines import protocol
from pointsman.engines.answer import Answer, reader_for
from pointsman.engines.entropy import Entropy, Logits
from pointsman.engines.failures import LoadFailed, Rejected
from pointsman.engines.families import family_of, reasoning_marks
from pointsman.engines.grammar import grammar_for
from pointsman.engines.harmony import ANALYSIS, END
from pointsman.engines.job import Chooser, Job
from pointsman.engines.logprobs import logprob_of
from pointsman.engines.sampling import Sampling, sampling_of
from pointsman.engines.schema_grammar import Grammar
from pointsman.engines.templates import ChatTemplate, TemplateError

C = TypeVar("C", bound=Chooser)
Made = TypeVar("Made", bound=Chooser, covariant=True)  # noqa: PLC0105 - C is taken


class TextModel(Protocol[Made]):
    """A loaded model: its tokens, its chat template, and what chooses tokens for it."""

    context: int
    vocabulary: int
    bos: str
    eos: str

    @property
    def template(self) -> str | None:
        """The chat template that came with it."""

    def tokenize(self, text: str) -> list[int]:
        """A rendered prompt as tokens."""

    def continued(self, text: str) -> list[int]:
        """Text in the middle of an answer as tokens."""

    def single(self, text: str) -> int | None:
        """The token that is just this text, if there is one."""

    def show(self, marks: Sequence[str]) -> None:
        """Let these be read even where they are control tokens."""

    def piece(self, token: int) -> bytes:
        """The bytes of a token; control tokens are empty but for those that `show` named."""

    def ends(self, token: int) -> bool:
        """Whether the model says with this token that it is done."""

    def sampler(self, sampling: Sampling, grammar: Grammar | None) -> Made:
        """Raises `Rejected` when the engine cannot hold the grammar."""


class Dialogue(Generic[C]):
    """Requests and answers of one model."""

    def __init__(self, model: TextModel[C], tool_format: str | None) -> None:
        self._model, self._entropy = model, Entropy()
        self._family, self._marks = family_of(model.template, tool_format), reasoning_marks(model.template)
        pair = (self._marks.open, self._marks.close) if self._marks else ()
        model.show((*self._family.shown, *pair))
        # A model may begin with its reasoning even where a form is promised, if the mark is a token of its own.
        self._think = model.single(self._marks.open) if self._marks else None
        try:
            self._template = ChatTemplate(model.template, model.bos, model.eos)
        except TemplateError as error:
            raise LoadFailed(str(error)) from None

    def job(self, chat: protocol.Chat) -> Job[C]:
        """Raises `Rejected` before any work when the request cannot be answered."""
        sampling, grammar = sampling_of(chat, self._model.vocabulary), grammar_for(chat, self._family, self._marks)
        if chat.max_tokens is not None and chat.max_tokens < 1:
            raise Rejected("bad_request", "max_tokens must be at least 1.")
        text = self.prompt(chat)
        if grammar and self._family.name == "harmony":
            text += ANALYSIS  # else the first channel would be free
        prompt = self._tokens(text)
        limit = min(self._model.context, len(prompt) + (chat.max_tokens or self._model.context))
        answer = Answer(chat.id, chat.stop, reader_for(chat, self._family, self._marks, text))
        job = Job(answer, prompt, limit, self._model.sampler(sampling, grammar))
        job.logprobs = sampling.logprobs
        return job

    def prompt(self, chat: protocol.Chat) -> str:
        """The conversation as the model was trained to read it."""
        if not chat.messages:
            raise Rejected("bad_request", "A conversation needs at least one message.")
        tools = chat.tools if chat.tool_choice != "none" else []
        try:
            return self._template.render(chat.messages, tools, chat.template, datetime.now().astimezone())
        except TemplateError as error:
            raise Rejected("bad_request", str(error)) from None

    def extend(self, job: Job[C], logits: Logits, free: Callable[[], int]) -> list[protocol.Answer]:
        """The events of one more token; `free` chooses it where no form binds. Afterwards the job may be `over`."""
        entropy = self._entropy.of(logits)  # before the sampler and its grammar touch them
        thinking = job.answer.thinking
        try:
            token = self._next(job, logits, free)
        except Rejected as error:
            return [job.fail(error.code, error.message)]
        job.entropies.append(entropy)
        ended = self._model.ends(token)
        events = [] if ended else self._take(job, token, logits)
        job.reasoning_tokens += thinking or job.answer.thinking
        if ended and thinking and job.sampler.promised and len(job.tokens) < job.limit:
            # It thought and would stop there, but it owes an answer.
            return [*events, *self._close_reasoning(job)]
        if ended or job.answer.stopped or len(job.tokens) >= job.limit:
            complete = ended or job.answer.stopped
            events += job.answer.end()
            events.append(job.end(("tool_calls" if job.answer.called else "stop") if complete else "length"))
        return events

    def _tokens(self, text: str) -> list[int]:
        """Refuses what does not fit, with both numbers, before anything is computed."""
        prompt, context = self._model.tokenize(text), self._model.context
        if len(prompt) >= context:
            raise Rejected(
                "context_exceeded",
                f"The prompt has {len(prompt)} tokens, and this model has room for {context} with the answer.",
            )
        if not prompt:
            raise Rejected("bad_request", "The conversation is empty.")
        return prompt

    def _next(self, job: Job[C], logits: Logits, free: Callable[[], int]) -> int:
        """A promised form binds the answer, not the reasoning before it."""
        if not job.sampler.promised or job.answer.thinking:
            return free()
        first = not job.entropies
        return job.sampler.constrained(logits, lambda token: first and token == self._think)

    def _take(self, job: Job[C], token: int, logits: Logits) -> list[protocol.Answer]:
        job.tokens.append(token)
        told = None
        if job.logprobs is not None:
            told = logprob_of(logits, token, job.logprobs, self._model.piece)
        return [*job.answer.feed(self._model.piece(token), told)]

    def _close_reasoning(self, job: Job[C]) -> list[protocol.Answer]:
        close = self._marks.close if self._marks else END
        job.tokens += self._model.continued(close)
        return [*job.answer.feed(close.encode())]
