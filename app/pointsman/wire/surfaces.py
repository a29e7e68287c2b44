"""Everything that the agent door reads and answers: the three dialects, and the two surfaces beside them."""

from __future__ import annotations

from pointsman.wire import completions, embeddings
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
    reader=embeddings.untold,
    writer=embeddings.untold,
)
SURFACES = {**DIALECTS, **{one.name: checked(one) for one in (_COMPLETIONS, _EMBEDDINGS)}}
