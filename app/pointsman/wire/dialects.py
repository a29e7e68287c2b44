"""The three dialects of the agent door, each with what the pipeline needs of it: one table, no branches elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from pointsman.core.request import Hints, Request
from pointsman.wire import chat, messages, omitted, responses
from pointsman.wire.body import Change, Sense, understood
from pointsman.wire.scan import ChatScan, MessagesScan, ResponsesScan, Scan
from pointsman.wire.translate.answers import Reader, Writing
from pointsman.wire.translate.answers.chat import ChatReader, ChatWriter
from pointsman.wire.translate.answers.messages import MessagesReader, MessagesWriter
from pointsman.wire.translate.answers.responses import ResponsesWriter
from pointsman.wire.translate.answers.responses_reader import ResponsesReader
from pointsman.wire.translate.neutral import Prompt
from pointsman.wire.translate.prompts import chat as chat_prompts
from pointsman.wire.translate.prompts import messages as messages_prompts
from pointsman.wire.translate.prompts import responses as responses_prompts


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """How a dialect is read, sent on and understood. `path` is where a provider's base address serves it.

    `prompt` reads a body into the neutral form and `write` makes one of it, without what it has no place for, which
    `lost` names, as `omitted` does for `splice`; `reader` and `writer` do the same for answers. `repeats`: an answer
    tells again what was asked. `compacts`: a summary of the conversation is asked for.
    """

    name: str
    path: str
    read: Callable[[str, bytes, Hints, Sense], Request]
    splice: Callable[[bytes, Change], bytes]
    scan: Callable[[], Scan]
    prompt: Callable[[bytes], Prompt]
    write: Callable[[Prompt, Change], bytes]
    lost: Callable[[Prompt, Change], list[str]]
    omitted: Callable[[bytes, Change], list[str]]
    reader: Callable[[], Reader]
    writer: Writing
    repeats: bool = False
    compacts: bool = False


def checked(dialect: Dialect) -> Dialect:
    """Whatever a client sends, its own mistakes are refusals."""
    work = {name: understood(dialect.name)(getattr(dialect, name)) for name in _OF_THE_CLIENT}
    return msgspec.structs.replace(dialect, **work)


_OF_THE_CLIENT = ("read", "splice", "prompt", "write", "lost", "omitted")
DIALECTS = {
    one.name: checked(one)
    for one in (
        Dialect(
            name="chat",
            path="/chat/completions",
            read=chat.read,
            splice=chat.splice,
            scan=ChatScan,
            prompt=chat_prompts.read,
            write=chat_prompts.write,
            lost=chat_prompts.lost,
            omitted=omitted.chat,
            reader=ChatReader,
            writer=ChatWriter,
        ),
        Dialect(
            name="responses",
            path="/responses",
            read=responses.read,
            splice=responses.splice,
            scan=ResponsesScan,
            prompt=responses_prompts.read,
            write=responses_prompts.write,
            lost=responses_prompts.lost,
            omitted=omitted.of_responses,
            reader=ResponsesReader,
            writer=ResponsesWriter,
            repeats=True,
        ),
        Dialect(
            name="messages",
            path="/v1/messages",
            read=messages.read,
            splice=messages.splice,
            scan=MessagesScan,
            prompt=messages_prompts.read,
            write=messages_prompts.write,
            lost=messages_prompts.lost,
            omitted=omitted.of_messages,
            reader=MessagesReader,
            writer=MessagesWriter,
        ),
    )
}
