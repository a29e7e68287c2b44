"""What a person set and what sessions carry: agents and their keys, pauses, taints."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import Connection, delete, insert, select, update

from pointsman.core.errors import BadRequest
from pointsman.store.columns import table
from pointsman.store.db import Database

EVERYBODY = "*"
"""In place of an agent's name: all of them."""

_AGENTS = table("agents")
_PAUSES = table("pauses")
_TAINTS = table("taints")


class Agent(Struct, frozen=True, kw_only=True):
    """A program with a key of its own, kept as its hash and its last four characters; `keep` 1: its bodies are kept."""

    name: str
    key_sha256: str
    key_hint: str
    added: float
    keep: int = 1


class Agents:
    """Who may use the agent door."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def all(self) -> list[Agent]:
        """Every agent, by name."""
        return await self._db.read(_agents)

    async def add(self, name: str, sha256: str, hint: str, now: float) -> None:
        """A new agent. `BadRequest` when its name or its key is another's."""
        agent = Agent(name=name, key_sha256=sha256, key_hint=hint, added=now)
        await self._db.write(lambda connection: _add(connection, agent))

    async def replace_key(self, name: str, sha256: str, hint: str) -> bool:
        """Another key for an agent; the old one stops working. False when there is no such agent."""
        return await self._db.write(lambda connection: _replace(connection, name, sha256, hint))

    async def keep(self, name: str, on: bool) -> bool:
        """Whether its requests and answers are kept from now on. False when there is no such agent."""
        change = update(_AGENTS).where(_AGENTS.c.name == name).values(keep=int(on))
        return await self._db.write(lambda connection: connection.execute(change).rowcount == 1)

    async def remove(self, name: str) -> bool:
        """The agent's key stops working, and its pause is forgotten. False when there is no such agent."""
        return await self._db.write(lambda connection: _remove(connection, name))


class Pauses:
    """Which agents are stopped, and until when; None is until resumed."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def all(self) -> dict[str, float | None]:
        """Agent, or "*" for all of them, to the end of its pause."""
        rows = await self._db.read(lambda connection: connection.execute(select(_PAUSES)).all())
        return {row.agent: row.until for row in rows}

    async def set(self, agent: str, until: float | None) -> None:
        """Stop an agent, or with "*" all of them; the newest word counts."""
        await self._db.write(lambda connection: _pause(connection, agent, until))

    async def clear(self, agent: str) -> None:
        """Let an agent go on; "*" ends every pause."""
        gone = delete(_PAUSES) if agent == EVERYBODY else delete(_PAUSES).where(_PAUSES.c.agent == agent)
        await self._db.write(lambda connection: connection.execute(gone).close())


class Taints:
    """Sessions in which something sensitive was seen. Time does not wash it off."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def all(self) -> dict[str, str]:
        """Session to the kinds that were seen, separated by commas."""
        rows = await self._db.read(lambda connection: connection.execute(select(_TAINTS)).all())
        return {session: kinds for session, kinds, _ in rows}

    async def add(self, session: str, kinds: str, now: float) -> None:
        """Add to the kinds that were seen in a session."""
        await self._db.ensure(lambda connection: _taint(connection, session, kinds, now))


def _agents(connection: Connection) -> list[Agent]:
    rows = connection.execute(select(_AGENTS).order_by(_AGENTS.c.name)).mappings()
    return [Agent(**row) for row in rows]


def _add(connection: Connection, agent: Agent) -> None:
    if any(other.name == agent.name for other in _agents(connection)):
        raise BadRequest(f'There is an agent called "{agent.name}" already: choose another name, or rotate its key.')
    _refuse_taken(connection, agent.name, agent.key_sha256)
    connection.execute(insert(_AGENTS), asdict(agent))


def _replace(connection: Connection, name: str, sha256: str, hint: str) -> bool:
    _refuse_taken(connection, name, sha256)
    change = update(_AGENTS).where(_AGENTS.c.name == name).values(key_sha256=sha256, key_hint=hint)
    return connection.execute(change).rowcount == 1


def _refuse_taken(connection: Connection, name: str, sha256: str) -> None:
    for other in _agents(connection):
        if other.key_sha256 == sha256 and other.name != name:
            raise BadRequest(f'The key given for "{name}" is the key of "{other.name}": each agent needs its own.')


def _remove(connection: Connection, name: str) -> bool:
    connection.execute(delete(_PAUSES).where(_PAUSES.c.agent == name))
    return connection.execute(delete(_AGENTS).where(_AGENTS.c.name == name)).rowcount == 1


def _pause(connection: Connection, agent: str, until: float | None) -> None:
    connection.execute(delete(_PAUSES).where(_PAUSES.c.agent == agent))
    connection.execute(insert(_PAUSES), {"agent": agent, "until": until})


def _taint(connection: Connection, session: str, kinds: str, now: float) -> None:
    known = connection.execute(select(_TAINTS.c.kinds).where(_TAINTS.c.session == session)).scalar_one_or_none()
    seen = {kind.strip() for kind in f"{known or ''},{kinds}".split(",")} - {""}
    row = {"session": session, "kinds": ",".join(sorted(seen)), "at": now}
    connection.execute(delete(_TAINTS).where(_TAINTS.c.session == session))
    connection.execute(insert(_TAINTS), row)
