"""Everything that the agent door reads and answers: the three dialects, and the surfaces beside them."""

from __future__ import annotations

import msgspec

from pointsman.wire import compacting, completions, embeddings, omitted
from pointsman.wire.dialects import DIALECTS, Dialect, checked
from pointsman.wire.scan import ChatScan
from pointsman.wire.translate.answers.chat import ChatReader
from pointsman.wire.translate.prompts import chat as chat_prompts

_COMPLETIONS = Dialect(
    name=completions.NAME,
    path="/completions",
    read=completions.read,
    splice=embeddings.splice,
    scan=ChatScan,
    prompt=completions.prompt,
    write=chat_prompts.write,
    lost=chat_prompts.lost,
    omitted=omitted.nothing,
    reader=ChatReader,
    writer=completions.CompletionsWriter,
)
_EMBEDDINGS = Dialect(
    name=embeddings.NAME,
    path="/embeddings",
    read=embeddings.read,
    splice=embeddings.splice,
    scan=embeddings.EmbeddingsScan,
    prompt=embeddings.untold,
    write=embeddings.untold,
    lost=embeddings.untold,
    omitted=omitted.nothing,
    reader=embeddings.untold,
    writer=embeddings.untold,
)
_TRIGGERED = msgspec.structs.replace(
    DIALECTS["responses"],
    read=compacting.read,
    prompt=compacting.prompt,
    writer=compacting.SummaryWriter,
    compacts=True,
)
_COMPACT = msgspec.structs.replace(
    _TRIGGERED,
    path="/responses/compact",
    read=compacting.read_whole,
    splice=compacting.splice,
    scan=compacting.CompactScan,
    prompt=compacting.prompt_whole,
    writer=compacting.CompactWriter,
)
SURFACES = {
    **DIALECTS,
    **{one.name: checked(one) for one in (_COMPLETIONS, _EMBEDDINGS)},
    "compact": checked(_COMPACT),
}
TRIGGERED = checked(_TRIGGERED)
"""A request for a response whose last item asks for a compaction instead."""
