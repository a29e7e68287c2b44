"""Which requests are kept with their answers, by what the person says in models.toml and of each agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pointsman.core import keeping
from pointsman.store.bodies import Bodies, KeptBody, Terms

if TYPE_CHECKING:
    from pointsman.gateway.house import House


class Keeping:
    """The kept bodies of a house. Agents whose bodies are not kept are remembered, for this is asked on each request."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._off: set[str] = set()
        terms = Terms(key=house.keychain.seal_key, keep=lambda: house.catalog.keep, allowed=self._allowed)
        self.bodies = Bodies(house.paths.bodies, terms)

    async def load(self) -> None:
        """Read the agents' switches again, at start and after each change."""
        self._off = {agent.name for agent in await self._house.agents.table.all() if not agent.keep}

    def on(self, agent: str) -> bool:
        """Whether the person lets this agent's bodies be kept."""
        return agent not in self._off

    def _allowed(self, kept: KeptBody) -> bool:
        tainted = bool(self._house.taints.of(kept.session))
        return keeping.allowed(self._house.catalog.keep, kept.sensitivity, tainted=tainted, agent=self.on(kept.agent))
