"""The composition root: puts the gateway together, opens both doors, and takes it apart again."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import getpass
import os
import secrets
import signal
import socket
import sys
import time
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, NoReturn

from pointsman import __version__
from pointsman.core import catalog as catalog_
from pointsman.core.catalog import Catalog
from pointsman.core.errors import SetupError
from pointsman.core.events import GatewayStopping, ModelChanged, MoneyMoved
from pointsman.engines.hub_choice import parse
from pointsman.engines.supervisor import Supervisor, WorkerSpec, WorkerState
from pointsman.gateway import rules, welcome
from pointsman.gateway.admin import AdminDoor
from pointsman.gateway.commands import Commands
from pointsman.gateway.discovery import Discovery
from pointsman.gateway.door import Door
from pointsman.gateway.downloads import located
from pointsman.gateway.house import House
from pointsman.gateway.listening import listen, servers
from pointsman.store.db import choose
from pointsman.store.gateway_id import gateway_id
from pointsman.store.ledger import Ledger
from pointsman.system import instance, paths
from pointsman.system.instance import Runtime
from pointsman.system.keychain import Keychain
from pointsman.system.paths import Paths

PORT = 4477


def main(argv: list[str]) -> int:
    """Run the gateway until it is told to stop; the exit code. Raises `SetupError` where it cannot start."""
    given = _arguments(argv)
    home = paths.find()
    if given.stop:
        from pointsman.gateway import stopping

        return stopping.stop(home)
    paths.make(home)
    lock = instance.hold(home.lock)
    try:
        return _run(_serve(home, given))
    finally:
        lock.release()


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = _Parser("pointsman gateway", description="Run the gateway without a window.")
    parser.add_argument("--port", type=int, default=_port("POINTSMAN_PORT", PORT), help="the agents' door")
    parser.add_argument("--admin-port", type=int, default=_port("POINTSMAN_ADMIN_PORT", 0), help="0: any free one")
    parser.add_argument("--welcome", action="store_true", help="print the address, a fresh key and a curl line")
    parser.add_argument("--stop", action="store_true", help="end the gateway that runs")
    return parser.parse_args(argv)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """A wrong option is one sentence, like everything else that is wrong."""
        raise SetupError(f"pointsman gateway: {message}. Its options are --port, --admin-port, --welcome and --stop.")


def _port(name: str, otherwise: int) -> int:
    value = os.environ.get(name, "")
    if value and not (value.isdecimal() and int(value) < 65536):
        raise SetupError(f"{name} is {value!r}, which is not a port. Set a number from 0 to 65535.")
    return int(value) if value else otherwise


def _run(work: Any) -> int:
    """On uvloop where it exists."""
    if sys.platform == "win32":
        return asyncio.run(work)  # type: ignore[no-any-return]
    import uvloop

    return uvloop.run(work)  # type: ignore[no-any-return]


async def _serve(home: Paths, given: argparse.Namespace) -> int:
    """Everything between the lock and the exit."""
    async with contextlib.AsyncExitStack() as stack:
        doors = listen(given.port, "POINTSMAN_PORT"), listen(given.admin_port, "POINTSMAN_ADMIN_PORT")
        for sockets in doors:
            stack.callback(_close, sockets)
        house = await build(home, stack)
        runtime = _runtime(doors)
        stopped = asyncio.Event()
        commands = Commands(house, lambda: reload(house), stopped.set)
        admin = AdminDoor(house, commands, runtime.token, runtime.address)
        serving = servers(Door(house), admin)
        tasks = [asyncio.create_task(one.serve(sockets)) for one, sockets in zip(serving, doors, strict=True)]
        instance.publish(home.runtime, runtime)
        stack.callback(home.runtime.unlink, missing_ok=True)
        _on_signals(stopped)
        for task in (
            _warm(house),
            house.refresher.keep(lambda: house.catalog.prices),
            house.follow(),
            house.discovery.keep(),
        ):
            stack.callback(asyncio.create_task(task).cancel)
        house.downloads.wake()
        await welcome.say(house, runtime, fresh=given.welcome)
        stack.callback(asyncio.create_task(welcome.propose(house, fresh=given.welcome)).cancel)
        await asyncio.wait([asyncio.create_task(stopped.wait()), *tasks], return_when=asyncio.FIRST_COMPLETED)
        house.bus.publish(GatewayStopping())
        house.live.stop_agent(None)
        for one in serving:
            one.stop()
        await asyncio.wait(tasks, timeout=5)
    return 0


async def _warm(house: House) -> None:
    """With the doors open, what the first request would wait for. What lives as long as the gateway is set aside then."""
    await house.warm()
    gc.collect()
    gc.freeze()  # it is never garbage: no collection while requests are served walks through it again


async def build(home: Paths, stack: contextlib.AsyncExitStack) -> House:
    """All services, opened; the stack closes them in the other order."""
    catalog = read_catalog(home)
    gateway = gateway_id(home.home)
    db = choose(home.database, catalog.ledger.database, gateway=gateway)
    stack.callback(db.close)
    ledger = Ledger(db, local_zone(), gateway)
    house = House(home, catalog, db, ledger, Keychain(home.id))
    house.person = getpass.getuser()
    ledger.on_moved = lambda: house.bus.publish(MoneyMoved())
    left = await ledger.recover(time.time())
    if left:
        house.notices.append(
            f"{len(left)} requests were cut off when the gateway last ended; their estimate is charged."
        )
    await house.load()
    await rules.note_at_start(house)
    stack.push_async_callback(house.keeping.bodies.close)
    await house.keeping.bodies.sweep(time.time())
    _use_workers(house)
    house.discovery = Discovery(house.catalog, house.use_catalog)
    stack.push_async_callback(house.remote.close)
    stack.push_async_callback(house.supervisor.close)
    stack.push_async_callback(house.downloads.close)
    stack.push_async_callback(house.approvals.noted)
    stack.push_async_callback(house.responses.close)
    return house


def local_zone() -> tzinfo:
    """The person's time zone, with its changes over the year where the system names it."""
    from pointsman.gateway.zone import find

    return find() or datetime.now().astimezone().tzinfo  # type: ignore[return-value]


def _use_workers(house: House) -> None:
    def changed(name: str, state: WorkerState) -> None:
        house.bus.publish(ModelChanged(name, state.state))

    house.use_supervisor(Supervisor(worker_specs(house.catalog, house.paths), house.paths.logs, changed))
    house.downloads.on_look = lambda: house.use_catalog(house.catalog)
    house.downloads.look()
    house.downloads.on_ready = lambda: house.supervisor.use(worker_specs(house.catalog, house.paths))
    house.downloads.unload = house.supervisor.unload


def worker_specs(catalog: Catalog, home: Paths) -> dict[str, WorkerSpec]:
    """How each local model's worker is started."""
    return {
        target.name: WorkerSpec(
            name=target.name,
            path=str(model_path(target.source or "", home)),
            engine=target.engine,
            context=target.context,
            tool_format=target.tool_format,
            lookup=target.lookup,
            slots=catalog.limits.of_target(target.name).slots,
            queue=catalog.limits.of_target(target.name).queue,
        )
        for target in catalog.targets.values()
        if target.engine
    }


def model_path(source: str, home: Paths) -> Path:
    """Where a target's model lies, a GGUF file or an MLX folder: the starter, a path, or a downloaded one."""
    if source == "starter":
        return paths.resource("starter/starter.gguf")
    if parse(source) is not None:
        return located(source, home.models) or home.models / source.partition(":")[0]
    path = Path(source).expanduser()
    return path if path.is_absolute() else home.models / path


def read_catalog(home: Paths) -> Catalog:
    """Shipped models.toml, then the person's, then the one of POINTSMAN_MODELS."""
    files = [paths.resource("models.toml"), _own_models(home)]
    if given := os.environ.get("POINTSMAN_MODELS"):
        files.append(Path(given).expanduser())
    try:
        return catalog_.read([catalog_.Source(_shown(file), file.read_text("utf-8")) for file in files])
    except OSError as error:
        raise SetupError(f"{error.filename} cannot be read ({error.strerror}). Mend it or name another file.") from None
    except UnicodeDecodeError:
        raise SetupError("models.toml is not UTF-8 text. Save it as UTF-8.") from None


def _shown(file: Path) -> str:
    return str(file).replace(str(Path.home()), "~", 1)


def _own_models(home: Paths) -> Path:
    """The person's file, made with comments only when it is not there yet."""
    if not home.models_toml.exists():
        home.models_toml.write_text(_FIRST, "utf-8")
    return home.models_toml


_FIRST = """\
# Your own models, providers, rules and prices. What stands here wins over what Pointsman ships.
# Changes take effect after 'pointsman models reload', without a restart. An example:
#
# [providers.lab]
# dialect = "chat"
# base_url = "http://127.0.0.1:8000/v1"
# key = "none"
#
# [targets.lab-model]
# tier = "private"
# provider = "lab"
# model = "qwen3-32b"
# context = 32768
# price = { input = 0.0, output = 0.0 }
"""


async def reload(house: House) -> None:
    """Read models.toml again; on a mistake the old one stays in force. Workers of unchanged models go on."""
    catalog = read_catalog(house.paths)
    house.discovery.use(catalog)
    house.downloads.look()
    house.supervisor.use(worker_specs(catalog, house.paths))


def _runtime(doors: tuple[list[socket.socket], list[socket.socket]]) -> Runtime:
    port, admin_port = (sockets[0].getsockname()[1] for sockets in doors)
    return Runtime(
        pid=os.getpid(),
        port=port,
        admin_port=admin_port,
        token=secrets.token_urlsafe(32),
        version=__version__,
        started=time.time(),
    )


def _on_signals(stopped: asyncio.Event) -> None:
    for name in ("SIGINT", "SIGTERM"):
        with contextlib.suppress(NotImplementedError):  # Windows' loops have no signal handlers
            asyncio.get_running_loop().add_signal_handler(getattr(signal, name), stopped.set)


def _close(sockets: list[socket.socket]) -> None:
    for one in sockets:
        one.close()
