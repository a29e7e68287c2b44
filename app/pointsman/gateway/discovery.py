"""Servers of other programs on this machine, found at their usual ports; their models are targets while they run.

Only 127.0.0.1 is asked, never through a proxy and never for long. What models.toml says wins over what is found. A
model that such a server only passes on to a cloud is none of this machine's, and is left out.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from pointsman.core.catalog import Catalog, Provider, Target
from pointsman.gateway import local_servers
from pointsman.gateway.local_servers import Ask, Model
from pointsman.providers.failures import UpstreamError
from pointsman.providers.upstream import Upstream, whole

_PATIENCE = 1.0  # seconds for one question
_LOOK = 5.0  # seconds for one server, however many models it has
_LARGEST = 4 * 2**20  # bytes of an answer
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,99}")


class Usual(Struct, frozen=True):
    """A kind of server and the port at which it usually is; `base` is where it speaks chat completions."""

    name: str
    port: int
    models: Callable[[Ask], Awaitable[tuple[Model, ...]]]
    base: str = "/v1"


USUAL = (
    Usual("ollama", 11434, local_servers.ollama),
    Usual("lmstudio", 1234, local_servers.lm_studio),
    Usual("llama-server", 8080, local_servers.llama_server),
    Usual("lemonade", 13305, local_servers.lemonade, "/api/v1"),
    Usual("lemonade", 8000, local_servers.lemonade, "/api/v1"),
)


class Server(Struct, frozen=True):
    """A server that answered, and its models."""

    name: str
    address: str
    models: tuple[Model, ...]


class Discovery:
    """Keeps the catalog in force up to date with what runs here; `pass_on` is given each new one."""

    def __init__(self, catalog: Catalog, pass_on: Callable[[Catalog], None], usual: Sequence[Usual] = USUAL) -> None:
        self._own = catalog
        self._pass_on = pass_on
        self._usual = usual
        self._servers: tuple[Server, ...] = ()

    def use(self, catalog: Catalog) -> None:
        """models.toml was read again."""
        self._own = catalog
        if not catalog.discovery.local:
            self._servers = ()
        self._pass_on(merged(catalog, self._servers))

    async def look(self) -> None:
        """Ask all usual ports once, if that is wanted; whoever is there no more is forgotten."""
        if not self._own.discovery.local:
            return
        asked = await asyncio.gather(*(_ask(one) for one in self._usual))
        found = tuple(server for server in asked if server is not None)
        if found != self._servers and self._own.discovery.local:
            self._servers = found
            self._pass_on(merged(self._own, found))

    async def keep(self) -> None:
        """Look at once, and again each health interval of the local tier."""
        while True:
            await self.look()
            await asyncio.sleep(self._own.tiers["local"].health_interval)


def merged(catalog: Catalog, servers: Sequence[Server]) -> Catalog:
    """The catalog with what was found. Names and addresses that models.toml uses stay what they are there."""
    providers, targets = dict(catalog.providers), dict(catalog.targets)
    taken = {_door(one.base_url) for one in providers.values()}
    for server in servers:
        if server.name in providers or _door(server.address) in taken:
            continue
        providers[server.name] = Provider(
            name=server.name,
            base_url=server.address,
            key="none",
            takes_reasoning=True,  # each of them reads it or passes it over
        )
        for target in (_target(server, model) for model in server.models):
            if _NAME.fullmatch(target.name) and target.name not in targets and target.name not in catalog.aliases:
                targets[target.name] = target
    found = frozenset([*providers, *targets]) - {*catalog.providers, *catalog.targets}
    return msgspec.structs.replace(catalog, providers=providers, targets=targets, found=found)


def _target(server: Server, model: Model) -> Target:
    return Target(
        name=f"{server.name}/{model.shown or model.name}",
        tier="local",
        provider=server.name,
        model=model.name,
        context=model.context,
        can=model.can,
        price="free",
    )


def _door(address: str) -> tuple[str, int | None]:
    """Host and port, with one name for this machine."""
    parts = urlsplit(address)
    return ("127.0.0.1" if parts.hostname in ("localhost", "::1") else parts.hostname or "", parts.port)


async def _ask(usual: Usual) -> Server | None:
    """The server of this kind at its port, None where there is none or something else."""
    address = f"http://127.0.0.1:{usual.port}"
    upstream = Upstream(usual.name, address, silence=_PATIENCE)

    async def ask(path: str, body: dict[str, Any] | None = None) -> bytes:
        sent = upstream.get(path) if body is None else upstream.post(path, msgspec.json.encode(body), {})
        async with asyncio.timeout(_PATIENCE), sent as answer:
            return await whole(answer, _LARGEST)

    try:
        async with asyncio.timeout(_LOOK):
            models = await usual.models(ask)
    except (OSError, UpstreamError, ValueError, msgspec.DecodeError):
        return None
    except RecursionError:  # JSON as deep as a stack
        return None
    finally:
        await upstream.close()
    return Server(usual.name, address + usual.base, models) if models else None
