"""Servers of other programs on this machine: real HTTP servers at ports of the test's own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from pointsman.core.catalog import Catalog, Source, read
from pointsman.core.catalog_changes import changes
from pointsman.core.pricing import Meters
from pointsman.core.request import Hints, Verdict
from pointsman.core.routing import Attempt
from pointsman.gateway import listing, local_servers
from pointsman.gateway.attempts import Job, Sent, Tally
from pointsman.gateway.discovery import USUAL, Discovery, Usual, merged
from pointsman.gateway.remote import Remote
from pointsman.wire.dialects import DIALECTS
from tests.fakes.loopback import Loopback

OWN = """
[tiers.local]
[providers.lab]
base_url = "http://gpu.lan:8000/v1"
key = "none"
[targets.lab-model]
tier = "private"
provider = "lab"
[aliases]
smart = ["lab-model"]
[discovery]
local = true
"""
GONE = 9  # a port at which nobody answers
SHOWN: dict[str, Any] = {
    "qwen3:8b": {
        "capabilities": ["completion", "tools", "thinking"],
        "parameters": 'stop "<|im_end|>"\nnum_ctx                        16384\n',
        "model_info": {"general.architecture": "qwen3", "qwen3.context_length": 40960},
    },
    "gemma3:4b": {"capabilities": ["completion", "vision"], "model_info": {"gemma3.context_length": 131072}},
    "tiny:1b": {"capabilities": ["completion"], "model_info": {"tiny.context_length": 2048}},
    "nomic-embed-text:latest": {"capabilities": ["embedding"], "model_info": {}},
    "sneaky:8b": {"capabilities": ["completion"], "remote_host": "https://ollama.com"},
}
TAGS = {
    "models": [
        *({"name": name, "size": 1} for name in SHOWN),
        {"name": "gpt-oss:120b-cloud", "remote_model": "gpt-oss:120b", "remote_host": "https://ollama.com:443"},
        {"name": "kimi-k3:cloud"},
    ]
}
OLLAMA = {"/api/tags": TAGS, "/api/ps": {"models": [{"name": "gemma3:4b", "context_length": 32768}]}}
LM_STUDIO = {
    "/api/v0/models": {
        "object": "list",
        "data": [
            {"id": "qwen3-14b", "type": "llm", "max_context_length": 40960, "capabilities": ["tool_use"]},
            {"id": "qwen3-vl", "type": "vlm", "max_context_length": 262144, "loaded_context_length": 65536},
            {"id": "text-embedding-nomic", "type": "embeddings", "max_context_length": 2048},
        ],
    }
}
LLAMA = {
    "/props": {
        "default_generation_settings": {"n_ctx": 8192, "params": {}},
        "total_slots": 4,
        "model_path": "/home/me/models/Qwen3-8B-Q4_K_M.gguf",
        "chat_template": "{%- if tools %}...",
        "modalities": {"vision": False, "audio": False},
    }
}
LEMONADE = {
    "/api/v1/models": {
        "data": [
            {"id": "Qwen3-8B-GGUF", "recipe": "llamacpp", "labels": ["tool-calling", "reasoning"]},
            {"id": "nomic-embed", "recipe": "llamacpp", "labels": ["embeddings"]},
            {"id": "far-away", "recipe": "cloud", "labels": []},
            {"id": "my-router", "recipe": "collection.router", "labels": []},
            {"id": "not-here-yet", "recipe": "llamacpp", "downloaded": False},
        ]
    }
}


class Program(Loopback):
    """A program of somebody else, with these answers by path."""

    def __init__(self, answers: dict[str, Any]) -> None:
        super().__init__()
        self.answers = answers
        self.asked: list[tuple[str, str]] = []

    def routes(self, app: web.Application) -> None:
        """All paths."""
        app.router.add_route("*", "/{path:.*}", self._answer)

    @property
    def port(self) -> int:
        """Where it is."""
        return urlsplit(self.address).port or 0

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path))
        if request.path == "/api/show" and "/api/tags" in self.answers:
            return web.json_response(SHOWN[(await request.json())["model"]])
        if request.path not in self.answers:
            return web.json_response({"error": "no such path"}, status=404)
        answer = self.answers[request.path]
        return web.Response(body=answer) if isinstance(answer, bytes) else web.json_response(answer)


class World:
    """Programs at ports of their own, and the catalogs that discovery passed on."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.catalogs: list[Catalog] = []

    def start(self, answers: dict[str, Any]) -> Program:
        """Start one."""
        return self.stack.enter_context(Program(answers))

    def discovery(self, *usual: Usual, text: str = OWN) -> Discovery:
        """Looks at these only."""
        return Discovery(catalog(text), self.catalogs.append, usual)

    async def found(self, kind: Usual, answers: dict[str, Any], text: str = OWN) -> Catalog:
        """The catalog after one look at a program with these answers."""
        one = Usual(kind.name, self.start(answers).port, kind.models, kind.base)
        await self.discovery(one, text=text).look()
        return self.catalogs[-1] if self.catalogs else catalog(text)


@pytest.fixture
def world() -> Iterator[World]:
    """Ends all programs."""
    with ExitStack() as stack:
        yield World(stack)


def catalog(text: str = OWN) -> Catalog:
    """What models.toml says."""
    return read([Source("models.toml", text)])


def kind(name: str) -> Usual:
    """The usual server of this name."""
    return next(one for one in USUAL if one.name == name)


def test_the_usual_ports() -> None:
    """Where these programs are unless somebody moved them."""
    assert [(one.name, one.port) for one in USUAL] == [
        ("ollama", 11434),
        ("lmstudio", 1234),
        ("llama-server", 8080),
        ("lemonade", 13305),
        ("lemonade", 8000),
    ]


async def test_ollama(world: World) -> None:
    """Its chat models, with the room that they have now, or will be loaded with."""
    found = await world.found(kind("ollama"), OLLAMA)
    here = {target.name: target for target in found.by_tier("local")}
    assert set(here) == {"ollama/qwen3:8b", "ollama/gemma3:4b", "ollama/tiny:1b"}
    assert {name: target.context for name, target in here.items()} == {
        "ollama/qwen3:8b": 16384,
        "ollama/gemma3:4b": 32768,
        "ollama/tiny:1b": 2048,
    }
    assert here["ollama/qwen3:8b"].can == {"tools", "json_schema", "reasoning"}
    assert here["ollama/gemma3:4b"].can == {"vision", "json_schema"}
    assert (here["ollama/qwen3:8b"].model, here["ollama/qwen3:8b"].price) == ("qwen3:8b", "free")
    assert found.providers["ollama"].key == "none"
    assert found.providers["ollama"].base_url.startswith("http://127.0.0.1:")


async def test_what_only_passes_through_this_machine_is_not_of_it(world: World) -> None:
    """Ollama lists cloud models beside its own: by a field of the list, by their name, or only when asked for one."""
    found = await world.found(kind("ollama"), OLLAMA)
    assert not [name for name in found.targets if "cloud" in name or "sneaky" in name]


async def test_lm_studio(world: World) -> None:
    """What is loaded has the room that it was loaded with; what is not counts with the least."""
    found = await world.found(kind("lmstudio"), LM_STUDIO)
    assert {target.name: target.context for target in found.by_tier("local")} == {
        "lmstudio/qwen3-14b": 4096,
        "lmstudio/qwen3-vl": 65536,
    }
    assert found.targets["lmstudio/qwen3-14b"].can == {"tools", "json_schema"}
    assert found.targets["lmstudio/qwen3-vl"].can == {"vision", "json_schema"}


async def test_llama_server(world: World) -> None:
    """Its one model, under the name of its file, with the room of a slot."""
    found = await world.found(kind("llama-server"), LLAMA)
    target = found.targets["llama-server/Qwen3-8B-Q4_K_M"]
    assert (target.model, target.context) == ("/home/me/models/Qwen3-8B-Q4_K_M.gguf", 8192)
    assert target.can == {"tools", "json_schema"}


async def test_lemonade(world: World) -> None:
    """Models of its own engines, at the path under which it speaks chat completions."""
    found = await world.found(kind("lemonade"), LEMONADE)
    assert [target.name for target in found.by_tier("local")] == ["lemonade/Qwen3-8B-GGUF"]
    assert found.providers["lemonade"].base_url.endswith("/api/v1")
    assert found.targets["lemonade/Qwen3-8B-GGUF"].can == {"tools"}


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {"/api/tags": b"<html>", "/props": b"\xff", "/api/v0/models": b"[]", "/api/v1/models": b"{}"},
        {"/api/tags": {"models": "none"}, "/props": {"n_ctx": 1}, "/api/v0/models": {"data": [1]}},
        {"/api/tags": b"[" * 5_000_000, "/props": b"0" * 5_000_000},
        {"/api/tags": b'{"models":' * 300_000, "/props": b'{"a":' * 300_000},
        {"/api/tags": {"models": []}, "/api/ps": {}, "/api/v0/models": {"data": []}, "/api/v1/models": {"data": []}},
    ],
    ids=["paths", "formats", "types", "sizes", "depths", "empty"],
)
async def test_another_program_at_that_port_is_none(world: World, answers: dict[str, Any]) -> None:
    """Anybody may listen there: what does not answer as such a server does is passed over."""
    program = world.start(answers)
    await world.discovery(*(Usual(one.name, program.port, one.models, one.base) for one in USUAL)).look()
    assert not world.catalogs


async def test_nobody_there(world: World) -> None:
    """Most machines have none of them."""
    await world.discovery(Usual("ollama", GONE, local_servers.ollama)).look()
    assert not world.catalogs


async def test_a_server_that_goes_takes_its_models_along(world: World) -> None:
    """Found, the same again without a word, and gone."""
    program = world.start(dict(LLAMA))
    discovery = world.discovery(Usual("llama-server", program.port, local_servers.llama_server))
    await discovery.look()
    await discovery.look()
    assert len(world.catalogs) == 1
    program.answers.clear()
    await discovery.look()
    assert world.catalogs[-1] == catalog()


async def test_models_toml_wins(world: World) -> None:
    """A target or alias of its name stays what it is, and the others of that server are there."""
    text = OWN + '\n[targets."ollama/qwen3:8b"]\ntier = "private"\nprovider = "lab"\nmodel = "mine"\n'
    found = await world.found(kind("ollama"), OLLAMA, text)
    assert found.targets["ollama/qwen3:8b"].model == "mine"
    assert "ollama/gemma3:4b" in found.targets


@pytest.mark.parametrize("name", ["ollama", "mine"])
async def test_a_server_that_the_person_wrote_down_is_theirs(world: World, name: str) -> None:
    """Under its usual name, or under another one at the same port: nothing of it is added."""
    program = world.start(OLLAMA)
    text = OWN + f'\n[providers.{name}]\nbase_url = "http://localhost:{program.port}/v1"\nkey = "none"\n'
    await world.discovery(Usual("ollama", program.port, local_servers.ollama), text=text).look()
    assert not world.catalogs[-1].found


async def test_nothing_is_asked_where_nobody_wants_it(world: World) -> None:
    """Switched off, no port is touched."""
    program = world.start(OLLAMA)
    text = OWN.replace("local = true", "local = false")
    await world.discovery(Usual("ollama", program.port, local_servers.ollama), text=text).look()
    assert not program.asked
    assert not world.catalogs


async def test_a_new_models_toml_keeps_what_runs(world: World) -> None:
    """Read again, with what was found laid over it; switched off, without."""
    program = world.start(dict(LLAMA))
    discovery = world.discovery(Usual("llama-server", program.port, local_servers.llama_server))
    await discovery.look()
    discovery.use(catalog(OWN.replace("smart", "clever")))
    assert "clever" in world.catalogs[-1].aliases
    assert world.catalogs[-1].found == {"llama-server", "llama-server/Qwen3-8B-Q4_K_M"}
    discovery.use(catalog(OWN.replace("local = true", "local = false")))
    assert not world.catalogs[-1].found


async def test_it_is_looked_for_again_and_again(world: World) -> None:
    """Once at start, and each health interval after that."""
    program = world.start(dict(LLAMA))
    discovery = world.discovery(Usual("llama-server", program.port, local_servers.llama_server))
    looked = asyncio.Event()
    discovery._pass_on = lambda _catalog: looked.set()
    keeping = asyncio.create_task(discovery.keep())
    await asyncio.wait_for(looked.wait(), 10)
    keeping.cancel()


class NoKeys:
    """Nothing here needs one."""

    async def key(self, provider: str) -> str | None:
        """None, for all."""
        return {"llama-server": None}[provider]


async def test_what_was_found_answers(world: World) -> None:
    """An attempt at it goes to the server that was found, under the name that the model has there."""
    whole = {
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    }
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    found = await world.found(kind("llama-server"), {**LLAMA, "/v1/chat/completions": {**whole, "usage": usage}})
    target = found.targets["llama-server/Qwen3-8B-Q4_K_M"]
    body = json.dumps({"model": target.name, "messages": [{"role": "user", "content": "Hello"}]}).encode()
    request = DIALECTS["chat"].read("r", body, Hints(), lambda _raw: Verdict())
    attempt = Attempt(target=target.name, tier="local", about=0, at_most=0, output=100)
    job = Job(request, Sent(dialect=DIALECTS["chat"], body=body), attempt, Tally())
    remote = Remote(NoKeys())
    told = await remote.whole(job, found)
    await remote.close()
    assert json.loads(told)["choices"][0]["message"]["content"] == "Hi"
    assert job.tally.meters == Meters(fresh_input=3, output=1)


async def test_agents_see_what_was_found(world: World) -> None:
    """/v1/models lists it, as owned by its server."""
    found = await world.found(kind("lmstudio"), LM_STUDIO)
    assert ("lmstudio/qwen3-14b", "lmstudio") in listing.of(found).names


async def test_what_was_found_is_no_change_of_models_toml(world: World) -> None:
    """The audit tells of what somebody wrote."""
    found = await world.found(kind("llama-server"), LLAMA)
    assert changes(catalog(), found) == {}


async def test_a_proxy_is_never_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs here is asked here."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert (await world.found(kind("llama-server"), LLAMA)).found


def test_nothing_found_is_what_was_written() -> None:
    """No server, no change."""
    assert merged(catalog(), ()) == catalog()
