"""What the servers of other programs say of their models: one function for each kind, which raises for any other kind.

The context is what the server has room for now, not what the model was made for: what is longer would be cut off
silently. A server that does not say it counts as having room for 4,096 tokens, the least that any of them starts with.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

import msgspec
from msgspec import Struct

_LEAST = 4_096
_ROOM = re.compile(r"^num_ctx\s+(\d{1,9})\s*$", re.MULTILINE)
_HERE = ("llamacpp", "flm", "ryzenai-llm", "oga-cpu", "oga-npu", "oga-igpu", "oga-hybrid", "vllm")  # Lemonade's engines


class Model(Struct, frozen=True):
    """A model of a server; `shown` is its name for people, where its own is no name for them."""

    name: str
    context: int = _LEAST
    can: frozenset[str] = frozenset()
    shown: str = ""


class Ask(Protocol):
    """Asks one server; raises where it answers with anything but 200."""

    async def __call__(self, path: str, body: dict[str, Any] | None = None) -> bytes:
        """The answer's body: to a GET, or to a POST of this body."""


class _Tag(Struct, frozen=True):
    name: str
    remote_host: str = ""
    remote_model: str = ""


class _Tags(Struct, frozen=True):
    models: list[_Tag]


class _Show(Struct, frozen=True):
    capabilities: list[str] = []
    parameters: str = ""
    model_info: dict[str, Any] = {}
    remote_host: str = ""
    remote_model: str = ""


class _Loaded(Struct, frozen=True):
    name: str = ""
    context_length: int = 0


class _Ps(Struct, frozen=True):
    models: list[_Loaded] = []


async def ollama(ask: Ask) -> tuple[Model, ...]:
    """Ollama: what it has downloaded. Its cloud models answer elsewhere, so they are none of this machine's."""
    tags = msgspec.json.decode(await ask("/api/tags"), type=_Tags)
    loaded = {one.name: one.context_length for one in msgspec.json.decode(await ask("/api/ps"), type=_Ps).models}
    found = []
    for tag in tags.models:
        if tag.remote_host or tag.remote_model or tag.name.endswith("cloud"):
            continue
        show = msgspec.json.decode(await ask("/api/show", {"model": tag.name}), type=_Show)
        if "completion" in show.capabilities and not (show.remote_host or show.remote_model):
            found.append(Model(tag.name, loaded.get(tag.name) or _room(show), _ollama_can(show)))
    return tuple(found)


def _room(show: _Show) -> int:
    """What it will be loaded with, as far as it says so."""
    said = _ROOM.search(show.parameters)
    made_for = [value for key, value in show.model_info.items() if key.endswith(".context_length")]
    most = made_for[0] if made_for and isinstance(made_for[0], int) and made_for[0] > 0 else _LEAST
    return min(int(said[1]), most) if said and int(said[1]) else min(_LEAST, most)


def _ollama_can(show: _Show) -> frozenset[str]:
    known = {"tools": "tools", "vision": "vision", "thinking": "reasoning"}
    return frozenset(["json_schema", *(known[word] for word in show.capabilities if word in known)])


class _Card(Struct, frozen=True):
    id: str
    type: str
    max_context_length: int = 0
    loaded_context_length: int = 0
    capabilities: list[str] = []


class _Cards(Struct, frozen=True):
    data: list[_Card]


async def lm_studio(ask: Ask) -> tuple[Model, ...]:
    """LM Studio: all it has downloaded; what is not loaded is loaded by the first request."""
    cards = msgspec.json.decode(await ask("/api/v0/models"), type=_Cards).data
    return tuple(
        Model(
            card.id,
            card.loaded_context_length or min(card.max_context_length or _LEAST, _LEAST),
            frozenset(
                ["json_schema"] + ["tools"] * ("tool_use" in card.capabilities) + ["vision"] * (card.type == "vlm")
            ),
        )
        for card in cards
        if card.type in ("llm", "vlm")
    )


class _Settings(Struct, frozen=True):
    n_ctx: int


class _Modalities(Struct, frozen=True):
    vision: bool = False


class _Props(Struct, frozen=True):
    default_generation_settings: _Settings
    model_path: str
    model_alias: str = ""
    chat_template: str = ""
    modalities: _Modalities = _Modalities()


async def llama_server(ask: Ask) -> tuple[Model, ...]:
    """llama-server: the one model that it runs, with the room of one of its slots."""
    props = msgspec.json.decode(await ask("/props"), type=_Props)
    file = re.split(r"[/\\]", props.model_path)[-1].removesuffix(".gguf")
    can = ["json_schema"] + ["tools"] * ("tools" in props.chat_template) + ["vision"] * props.modalities.vision
    name = props.model_alias or props.model_path
    shown = name if name == props.model_alias and "/" not in name else file
    room = props.default_generation_settings.n_ctx
    return (Model(name, room, frozenset(can), shown),) if name and room > 0 else ()


class _Dish(Struct, frozen=True):
    id: str
    recipe: str
    labels: list[str] = []
    downloaded: bool = True


class _Dishes(Struct, frozen=True):
    data: list[_Dish]


async def lemonade(ask: Ask) -> tuple[Model, ...]:
    """Lemonade: models of its own engines; what it routes, or passes on to a cloud, has no recipe of these."""
    dishes = msgspec.json.decode(await ask("/api/v1/models"), type=_Dishes).data
    return tuple(
        Model(
            dish.id,
            _LEAST,
            frozenset(["tools"] * ("tool-calling" in dish.labels) + ["vision"] * ("vision" in dish.labels)),
        )
        for dish in dishes
        if dish.recipe in _HERE and dish.downloaded and not {"embeddings", "reranking"} & set(dish.labels)
    )
