"""Attribution: which session and task a request belongs to."""

from __future__ import annotations

import msgspec

from pointsman.core.request import Finding, Hints, Message, Request, Verdict
from pointsman.core.session import attribute, fingerprint

NOTHING = Hints()


def say(*roles: str, hints: Hints = NOTHING) -> Request:
    """A conversation whose messages differ by their place."""
    messages = tuple(Message(role=role, digest=f"{at}{role}", size=10) for at, role in enumerate(roles))
    return Request(id="r", dialect="chat", model="auto", stream=False, messages=messages, size=10, hints=hints)


def test_a_growing_conversation_is_one_session() -> None:
    """System prompt and first user message name the session, whatever follows."""
    short, long = say("system", "user"), say("system", "user", "assistant", "user")
    assert attribute(short, "a", "p").session == attribute(long, "a", "p").session


def test_agents_never_share_a_session() -> None:
    """The same words from another agent are another session."""
    assert attribute(say("user"), "a", "p").session != attribute(say("user"), "b", "p").session


def test_the_header_wins() -> None:
    """A client that names its session is believed, for attribution."""
    assert attribute(say("user", hints=Hints(session="s1")), "a", "p").session == "s1"


def test_tool_steps_stay_in_their_task() -> None:
    """A user turn and the tool steps after it are one task; the next user turn is another."""
    turn = attribute(say("user"), "a", "p").task
    assert attribute(say("user", "assistant", "tool"), "a", "p").task == turn
    assert attribute(say("user", "assistant", "user"), "a", "p").task != turn


def test_a_retry_has_the_same_fingerprint() -> None:
    """Same words, same target: the same; another target or another last message: not."""
    request = say("user")
    who = attribute(request, "a", "p")
    mark = fingerprint(request, who, "m")
    assert fingerprint(say("user"), who, "m") == mark
    assert fingerprint(say("user"), who, "n") != mark
    assert fingerprint(say("user", "user"), who, "m") != mark


def test_what_is_found_beside_the_words_counts() -> None:
    """A consent does not cover the same words with somebody's address in the notes beside them."""
    request = say("user")
    who = attribute(request, "a", "p")
    noted = msgspec.structs.replace(request, rest=(Verdict((Finding("mail_address", 1),)),))
    assert fingerprint(noted, who, "m") != fingerprint(request, who, "m")
