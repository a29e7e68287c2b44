"""What a desktop notification says of a question. Pure. It never holds a text of the person's or the agent's."""

from __future__ import annotations

from typing import Literal

import msgspec

from pointsman.tray.question_view import asked, deny_text
from pointsman.tray.settings import Settings
from pointsman.tray.words import marked, plain
from pointsman.wire.admin import Answer, Question

Act = Literal["default", "review", "deny", "allow"]
ALLOWED = {"money", "soft"}
"""Only money may be allowed without a look at the window; consent, prices and runaway agents never."""


class Notification(msgspec.Struct, frozen=True):
    """Title, sentence, and the buttons: (key, label). `default` is a click on the notification itself."""

    question: str
    title: str
    body: str
    actions: tuple[tuple[Act, str], ...]


def notification(question: Question, settings: Settings) -> Notification:
    """The question as a notification."""
    actions: list[tuple[Act, str]] = [("default", "Review"), ("review", "Review"), ("deny", deny_text(question))]
    if may_allow(question, settings):
        actions.append(("allow", "Allow once"))
    return Notification(question.id, f"{question.agent} asks", plain(marked(asked(question))), tuple(actions))


def may_allow(question: Question, settings: Settings) -> bool:
    """Whether the person wants to allow this from a notification."""
    return settings.allow and question.kind in ALLOWED


def answer(question: Question, act: str, settings: Settings) -> Answer | None:
    """What an action answers; None opens the window."""
    if act == "deny":
        return Answer(question.id, "deny")
    if act == "allow" and may_allow(question, settings):
        return Answer(question.id, "approve", "request")
    return None
