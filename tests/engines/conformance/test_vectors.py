"""Both workers and what makes vectors: a model that answers makes none, and one in a worker of its own does."""

from __future__ import annotations

import struct
from pathlib import Path

from pointsman.engines import protocol
from pointsman.engines.supervisor import WorkerSpec
from tests.engines.conformance.speaking import PARIS, Said, Worker, ask, of
from tests.fakes import vector_models


def test_a_model_that_answers_makes_none(worker: Worker) -> None:
    """It says so, and answers the next request as ever."""
    worker.tell(protocol.Embed(id="v1", inputs=["a"]))
    failed = Said(worker.until_done(["v1"])).failed
    assert (failed.code, failed.message) == ("bad_request", "This model makes no embeddings: its file names no way to pool them.")  # fmt: skip
    assert "Paris" in worker.answer(ask(PARIS)).text


def test_a_worker_of_vectors(tmp_path: Path) -> None:
    """Requests at once each get their own, also where one leaves; a conversation is refused."""
    spec = WorkerSpec(name="vectors", path=str(vector_models.bert(tmp_path / "bert.gguf")), threads=1)
    with Worker(spec) as worker:
        assert isinstance(worker.ready, protocol.Ready)
        assert worker.ready.context == vector_models.CONTEXT
        chat = ask(PARIS)
        worker.tell(
            protocol.Embed(id="long", inputs=["b" * 60] * 500),
            protocol.Embed(id="one", inputs=["a", "b"]),
            protocol.Embed(id="two", inputs=["a", "b"]),
            protocol.Cancel("long"),
            chat,
        )
        events = worker.until_done(["long", "one", "two", chat.id])
        ends = {event.id: event.finish for event in events if isinstance(event, protocol.End)}
        assert ends == {"long": "cancelled", "one": "stop", "two": "stop"}
        one, two = (
            [event for event in of(events, id_) if isinstance(event, protocol.Vector)] for id_ in ("one", "two")
        )
        assert [len(struct.unpack("<32f", event.numbers)) for event in one] == [32, 32]
        assert sorted(event.at for event in two) == [0, 1]
        refused = [event for event in events if isinstance(event, protocol.Failed)]
        assert [event.message for event in refused] == ["This model makes embeddings, not answers."]
        assert (worker.pong().active, worker.pong().waiting) == (0, 0)
