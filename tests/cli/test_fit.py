"""`pointsman models fit`: the table and the sentence around it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pointsman.wire import admin
from tests.cli.conftest import Ran
from tests.fakes.fake_admin import FakeAdmin

Run = Callable[..., Ran]
MACHINE = "This machine has 16.0 GB of memory; 9.0 GB are free for models."


def row(name: str, **values: Any) -> admin.FitRow:
    """A model that runs on the processor and is not here."""
    usual = {
        "use": "tools",
        "licence": "Apache-2.0",
        "here": False,
        "size": 2_890_000_000,
        "where": "main",
        "memory": 4_400_000_000,
        "context": 32_768,
        "kv": "f16",
        "tokens_per_second": 12.4,
    }
    return admin.FitRow(name=name, **{**usual, **values})


def test_the_table(run: Run, door: FakeAdmin) -> None:
    """What is here comes first, then what runs, then what does not; each row says what to do."""
    door.answers[admin.FitModels] = admin.Fitted(
        machine=MACHINE,
        models=[
            row("huge", where="", context=0, kv="", tokens_per_second=None, memory=23_000_000_000),
            row("small", kv="q8_0", tokens_per_second=3.44),
            row("mine", here=True, licence="", use="", tokens_per_second=None),
        ],
        proposal="For this machine we propose small.",
    )
    ran = run("models", "fit")
    lines = ran.out.splitlines()
    assert (ran.code, lines[0], lines[-1]) == (0, MACHINE, "For this machine we propose small.")
    assert lines[2].startswith("mine ") and lines[2].endswith("is here")
    assert lines[3].split() == (
        [
            "small",
            "tools",
            "on",
            "the",
            "processor",
            "4.4",
            "GB",
            "32,768",
            "(8",
            "bits)",
            "3.4",
            "2.9",
            "GB",
            "Apache-2.0",
            "pointsman",
            "models",
            "pull",
            "small",
        ]
    )
    assert (
        lines[4].startswith("huge ") and lines[4].endswith("needs more memory than is free") and "23.0 GB" in lines[4]
    )


def test_json(run: Run, door: FakeAdmin) -> None:
    """Everything, for programs."""
    door.answers[admin.FitModels] = admin.Fitted(machine=MACHINE, models=[row("a")], proposal=None)
    told = json.loads(run("models", "fit", "--json").out)
    assert told["machine"] == MACHINE and told["models"][0]["memory"] == 4_400_000_000 and told["proposal"] is None
