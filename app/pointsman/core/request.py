"""The neutral request: what the decisions need to know of what an agent sent, whatever its dialect."""

from __future__ import annotations

from hashlib import sha256

import msgspec

from pointsman.core.shape import Shape

_EMPTY = sha256()  # processors have instructions for it: of a long message it costs 40 % of blake2b
_DIGITS = 32


class Finding(msgspec.Struct, frozen=True):
    """So many finds of one kind in a text: mail_address, card_number, bank_account, secret_key."""

    kind: str
    count: int


class Verdict(msgspec.Struct, frozen=True):
    """What sense found in one message, and the digest of its bytes where sense has made one."""

    findings: tuple[Finding, ...] = ()
    digest: str = ""


def digest(raw: bytes) -> str:
    """A short hash; the same for the same bytes."""
    hashed = _EMPTY.copy()
    hashed.update(raw)
    return hashed.hexdigest()[:_DIGITS]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message, without its text: its role, a digest of its bytes, its size in bytes, its images, its finds.

    `shape` is for near-equality; only the messages of the newest step have one.
    """

    role: str
    digest: str
    size: int
    images: int = 0
    verdict: Verdict = Verdict()
    shape: Shape = Shape()


class Hints(msgspec.Struct, frozen=True, kw_only=True):
    """What the client says in `x-pointsman-*` headers, and the session ids that agents send by themselves.

    Attribution only: a hint can raise sensitivity and narrow the plan, never widen what is allowed. `kind` is what
    the agent calls this request of its own: main, subagent, workflow, compaction, auxiliary. `sealed_by` is the
    provider that sealed a part of the conversation, where that is known.
    """

    session: str | None = None
    task: str | None = None
    class_: str | None = None
    project: str | None = None
    label: str | None = None
    tier: str | None = None
    sensitivity: str | None = None
    latency: str = "interactive"
    timeout: float | None = None
    fallback: bool = True
    kind: str | None = None
    sealed_by: str | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request. Sizes are bytes, `max_tokens` is what the client asked for (None: it did not say).

    `digest` stands for the whole body but how it is streamed. `rest` is what sense found outside the messages, without
    the parts in which it found nothing.
    `extra_tokens` bounds input that the provider adds by itself. `last_user` is the text of the last user turn, for
    the rules, `system` the beginning of the system prompt; neither is ever written anywhere. `sealed`: a part of the
    conversation can only be read by the provider that made it. `unlimited`: the answer cannot be given a limit.
    """

    id: str
    dialect: str
    model: str
    stream: bool
    messages: tuple[Message, ...]
    size: int
    max_tokens: int | None = None
    n: int = 1
    tools: int = 0
    tools_digest: str = ""
    schema: bool = False
    wants_usage: bool = False
    unpriced: str | None = None
    sealed: bool = False
    unlimited: bool = False
    extra_tokens: int = 0
    last_user: str = ""
    system: str = ""
    rest: tuple[Verdict, ...] = ()
    digest: str = ""
    hints: Hints = Hints()

    @property
    def embeds(self) -> bool:
        """Whether vectors are asked for, not an answer."""
        return self.dialect == "embeddings"

    @property
    def images(self) -> int:
        """Images in all messages."""
        return sum([message.images for message in self.messages])

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Finds of all messages and of the rest of the body, added up by kind."""
        counts: dict[str, int] = {}
        for verdict in [*[message.verdict for message in self.messages], *self.rest]:
            if verdict.findings:
                for finding in verdict.findings:
                    counts[finding.kind] = counts.get(finding.kind, 0) + finding.count
        return tuple([Finding(kind, count) for kind, count in sorted(counts.items())]) if counts else ()
