"""Models on their way: what the tray is told beside the bytes. The bytes themselves: tests/e2e/test_pull.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pointsman.core.catalog import Source, read
from pointsman.engines.download import Patience
from pointsman.gateway.bus import Bus
from pointsman.gateway.downloads import Downloads
from pointsman.wire import admin
from tests.fakes.fake_hub import TOKEN, FakeHub, Flip

REPO, NAME = "Org/M-GGUF", "M-Q4_K_M.gguf"
DATA = b"GGUF" + b"weights" * 100
MODELS = f"""
[tiers.local]
[targets.m]
tier = "local"
engine = "llama_cpp"
source = "{REPO}:Q4_K_M"
context = 1024
[targets.other]
tier = "local"
engine = "llama_cpp"
source = "Org/Other-GGUF:Q4_K_M"
context = 1024
"""
OFFER = admin.FitRow(
    name="m", use="tools", licence="MIT", here=False, size=1, where="main", memory=1, context=1, kv="", tokens_per_second=None
)  # fmt: skip


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    """A hub with the model."""
    with FakeHub({REPO: {NAME: DATA}}) as fake:
        yield fake


@pytest.fixture
async def downloads(tmp_path: Path, hub: FakeHub) -> AsyncIterator[Downloads]:
    """On a machine where nobody else holds models."""
    catalog = read([Source("test", MODELS)])
    made = Downloads(tmp_path / "models", lambda: catalog, Bus())
    made.environ, made.person = {"HF_ENDPOINT": hub.endpoint}, tmp_path / "person"
    made.environ |= {"OLLAMA_MODELS": str(made.person / "ollama")}
    made.patience = Patience(first_wait=0.0, longest_wait=0.0, flush=0.02)
    made.look()
    yield made
    await made.close()


async def asked(downloads: Downloads, command: admin.Command) -> admin.Download:
    """The state after a command, once its download has ended."""
    await downloads.table[type(command)](command)
    await asyncio.gather(*downloads._tasks.values())
    (state,) = downloads.states()
    return state


async def test_a_licence_names_its_page(downloads: Downloads, hub: FakeHub) -> None:
    """Where the person accepts it; with a token of the account that did, it comes, and the page is gone."""
    hub.gated.add(REPO)
    hub.accepted = True
    refused = await asked(downloads, admin.PullModel("m"))
    assert (refused.state, refused.page) == ("failed", f"{hub.endpoint}/{REPO}")
    got = await asked(downloads, admin.PullModel("m", token=TOKEN))
    assert (got.state, got.page) == ("done", "")


async def test_a_licence_that_the_account_has_not_accepted_names_it_too(downloads: Downloads, hub: FakeHub) -> None:
    """The token is known, the licence still asks."""
    hub.gated.add(REPO)
    refused = await asked(downloads, admin.PullModel("m", token=TOKEN))
    assert (refused.state, refused.page) == ("failed", f"{hub.endpoint}/{REPO}")


async def test_another_failure_names_no_page(downloads: Downloads, hub: FakeHub) -> None:
    """There is nothing to accept."""
    hub.script.append(Flip(10))
    failed = await asked(downloads, admin.PullModel("m"))
    assert (failed.state, failed.page) == ("failed", "")
    assert "not what its publisher promised" in failed.sentence


async def test_a_second_try_goes_to_the_hub_of_the_first(downloads: Downloads, hub: FakeHub) -> None:
    """The command line named a mirror; the tray's button names none."""
    downloads.environ = {"OLLAMA_MODELS": downloads.environ["OLLAMA_MODELS"], "HF_ENDPOINT": "http://127.0.0.1:9"}
    hub.script.append(Flip(10))
    await asked(downloads, admin.PullModel("m", endpoint=hub.endpoint))
    assert (await asked(downloads, admin.PullModel("m"))).state == "done"


async def test_whose_a_model_is(downloads: Downloads) -> None:
    """LM Studio's is used where it lies; our own has no name beside it."""
    assert downloads.programs == {}
    held = downloads.person / ".lmstudio" / "models" / REPO / NAME
    held.parent.mkdir(parents=True)
    held.write_bytes(DATA)
    downloads.look()
    assert downloads.programs == {"m": "LM Studio"}
    held.unlink()
    await asked(downloads, admin.PullModel("m"))
    assert downloads.programs == {}
    assert "m" not in downloads.absent


async def test_an_offer_goes_when_there_is_a_model(downloads: Downloads) -> None:
    """It is for somebody who has none, and stays as long as there is none."""
    downloads.offer = OFFER
    downloads.look()
    assert downloads.offer == OFFER
    await asked(downloads, admin.PullModel("m"))
    assert downloads.offer is None
