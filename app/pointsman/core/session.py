"""Who a request belongs to: evidence in, attribution out.

A session is what the client's header says, else the id that the agent itself sends, else a hash of agent, system
prompt, tools and first user message: stable while the conversation grows. A task is one user turn with all the tool
steps that follow. All of this is attribution; nothing here is authority.
"""

from __future__ import annotations

import hashlib

import msgspec

from pointsman.core.request import Message, Request

_SYSTEM, _USER = ("system", "developer"), ("user",)


class Attribution(msgspec.Struct, frozen=True, kw_only=True):
    """To whom a request is counted."""

    person: str
    agent: str
    session: str
    task: str
    project: str | None = None
    label: str | None = None


def attribute(request: Request, agent: str, person: str) -> Attribution:
    """Session, task and the rest for a request of this agent."""
    hints = request.hints
    session = hints.session or _conversation(agent, request)
    return Attribution(
        person=person,
        agent=agent,
        session=session,
        task=hints.task or _digest(session, *_turn(request.messages)),
        project=hints.project,
        label=hints.label,
    )


def fingerprint(request: Request, who: Attribution, target: str) -> str:
    """The same for a request and for its retry: who, all that was sent, and where it wants to go."""
    said = [message.digest for message in request.messages]
    found = [f"{finding.kind} {finding.count}" for finding in request.findings]  # also in what the digest leaves out
    return _digest(who.agent, who.session, target, request.digest, request.tools_digest, *found, *said)


def _conversation(agent: str, request: Request) -> str:
    system = _first(request.messages, _SYSTEM)
    return _digest(agent, request.tools_digest, *system, *_first(request.messages, _USER))


def _first(messages: tuple[Message, ...], roles: tuple[str, ...]) -> tuple[str, ...]:
    for message in messages:
        if message.role in roles:
            return (message.digest,)
    return ()


def _turn(messages: tuple[Message, ...]) -> list[str]:
    """All user turns: equal for all tool steps that follow the last of them."""
    return [message.digest for message in messages if message.role == "user"]


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).hexdigest()
