"""Calls that agents make by themselves: titles, topics, warm-ups, safety checks. What each is, and where it is done.

A marker counts only in the shape that the agents' own calls have: no tools, or an answer of a few hundred tokens at
most. So no person's sentence turns a main turn into a background call. Each marker was seen on the wire of the agents
named beside it. All of it is attribution: it orders targets and takes some away, it never allows one.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from pointsman.core.request import Request

Place = Literal["local", "cloud", "cheapest"]

_SHORT = 512  # tokens: no main turn of an agent asks for so few
_BEAT = 2_000  # bytes: a heartbeat's turn is one paragraph
_LOOKED_AT = 4_000  # characters at the start of a text: markers open it
_MAIN = ("main", "subagent", "workflow")  # what Claude Code calls turns that are no background calls


class Errand(Struct, frozen=True):
    """A call that an agent makes by itself. `waits`: somebody or something waits for its answer.

    `place` is where it is done if nobody says otherwise: here first, never here, or where it costs least.
    """

    class_: str
    place: Place = "local"
    waits: bool = False


_COMPACTION = Errand("compaction", "cloud", waits=True)  # a bad summary spoils the rest of the session
_SAFETY = Errand("safety", "cloud", waits=True)  # decides whether a command may run
_SUGGESTION = Errand("suggestion", "cloud")  # brings the whole conversation along, which is cached where that ran
_PROBE = Errand("probe", "cheapest")
_WARMUP = Errand("warmup", "cheapest")
_HEARTBEAT_TURN = Errand("heartbeat")

# What a call is, by how its last user turn begins, or by what its system prompt says, in small letters.
_BY_TURN: tuple[tuple[Errand, re.Pattern[str]], ...] = (
    (_WARMUP, re.compile(r"\A\s*warmup\s*\Z", re.I)),  # Claude Code
    (Errand("title"), re.compile(r"\APlease write a \d+-\d+ word title for the following conversation")),  # Claude Code
    (Errand("title"), re.compile(r"\ASummarize this coding conversation in under \d+ characters")),  # Claude Code
    (Errand("title"), re.compile(r"\AGenerate a title for this conversation:")),  # OpenCode
    (Errand("title"), re.compile(r"\A### Task:\s+Generate a concise, \d+-\d+ word title")),  # Open WebUI
    (Errand("tags"), re.compile(r"\A### Task:\s+Generate \d+-\d+ broad tags")),  # Open WebUI
    (Errand("follow_ups"), re.compile(r"\A### Task:\s+Suggest \d+-\d+ relevant follow-up")),  # Open WebUI
    (Errand("autocomplete"), re.compile(r"\A### Task:\s+You are an autocompletion system")),  # Open WebUI
    (Errand("queries"), re.compile(r"\A### Task:\s+Analyze the chat history to determine the necessity")),  # Open WebUI
)
_BY_SYSTEM: tuple[tuple[Errand, str], ...] = (
    (Errand("topic"), "analyze if this message indicates a new conversation topic"),  # Claude Code
    (Errand("title"), "summarize this coding conversation in under "),  # Claude Code
    (Errand("paths"), "extract any file paths that this command reads or modifies"),  # Claude Code
    (Errand("title"), "you are a title generator. you output only a thread title"),  # OpenCode
    (Errand("title"), "generate a short title based on the first message a user begins a conversation with"),  # crush
)
_OPENINGS = ("warmup", "please write a ", "summarize this coding", "generate a title", "### task:")  # of all _BY_TURN
_OPENING = max(map(len, _OPENINGS))
_POLICY = "<policy_spec>"
_SUMMARY = re.compile(r"\A(?:CRITICAL[^\n]{0,200}\n\s*)?Your task is to create a detailed summary of the conversation")
_SUGGESTED = "[SUGGESTION MODE:"
_HEARTBEAT = re.compile(r"\ARead HEARTBEAT\.md\b.{0,1500}\bHEARTBEAT_OK\b", re.S)
_QUOTA = re.compile(r"\A\s*(?:quota|count)?\s*\Z", re.I)


def errand(request: Request) -> Errand | None:
    """Which of an agent's own calls this is; None for a turn of somebody's work."""
    turn, kind = request.last_user[:_LOOKED_AT].lstrip(), request.hints.kind
    alone = request.tools == 0 or (request.max_tokens is not None and request.max_tokens <= _SHORT)
    if alone and (turn.startswith(_POLICY) or _POLICY in request.system):
        return _SAFETY
    if kind == "compaction" or (kind != "main" and _SUMMARY.match(turn)):
        return _COMPACTION
    if kind in _MAIN:
        return None
    if turn.startswith(_SUGGESTED):
        return _SUGGESTION
    if len(request.last_user) <= _BEAT and _HEARTBEAT.match(turn):
        return _HEARTBEAT_TURN
    found = _marked(request, turn) if alone else None
    return found or (Errand("auxiliary") if kind == "auxiliary" else None)


def _marked(request: Request, turn: str) -> Errand | None:
    if request.max_tokens == 1 and not request.stream and request.tools == 0 and _QUOTA.match(turn):
        return _PROBE if turn.strip() else _WARMUP
    if turn[:_OPENING].lower().startswith(_OPENINGS):
        for found, marker in _BY_TURN:
            if marker.match(turn):
                return found
    system = request.system.lower()
    for found, words in _BY_SYSTEM:
        if words in system:
            return found
    return None
