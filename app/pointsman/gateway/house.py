"""The services that the doors and the pipeline share, put together once by the composition root."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import structs

from pointsman.core.catalog import Catalog, Provider, Target
from pointsman.core.errors import Unavailable
from pointsman.core.pricing import Rates
from pointsman.core.routing import Circumstances
from pointsman.engines.steward import Steward
from pointsman.engines.supervisor import Supervisor
from pointsman.gateway.approvals import Approvals
from pointsman.gateway.bus import Bus
from pointsman.gateway.discovery import Discovery
from pointsman.gateway.downloads import Downloads
from pointsman.gateway.guarding import Watch
from pointsman.gateway.health import Health
from pointsman.gateway.keeping import Keeping
from pointsman.gateway.kept_responses import KeptResponses
from pointsman.gateway.line import Line
from pointsman.gateway.local import Local
from pointsman.gateway.refreshing import Refresher
from pointsman.gateway.remote import Remote
from pointsman.gateway.run import Live
from pointsman.sense.verdicts import Verdicts
from pointsman.store.audit import Audit
from pointsman.store.db import Away, Database
from pointsman.store.ledger import Ledger
from pointsman.store.prices import PriceBook
from pointsman.store.settings import Agents, Pauses, Taints
from pointsman.system.keychain import Keychain, KeychainProblem, Secret
from pointsman.system.paths import Paths
from pointsman.system.power import PowerSource

_SESSIONS = 5_000
_FOLLOW = 3.0  # seconds until a pause or a removed key on another machine counts here
_KEYS_FRESH = 10.0  # seconds: a person who unlocks the keychain is believed soon
_PRICES_FRESH = 60.0  # seconds a target's rates are kept: dated prices change at most daily


class House:
    """One gateway's services. Nothing here decides."""

    def __init__(self, paths: Paths, catalog: Catalog, db: Database, ledger: Ledger, keychain: Keychain) -> None:
        self.paths = paths
        self.catalog = catalog
        self.db = db
        self.ledger = ledger
        self.keychain = keychain
        self.audit = Audit(db)
        self.agents = Directory(Agents(db))
        self.pauses = PauseBook(Pauses(db))
        self.taints = TaintBook(Taints(db))
        self.bus = Bus()
        self.health = Health()
        self.live = Live()
        self.verdicts = Verdicts()
        self.sessions = Sessions()
        self.approvals = Approvals(self.bus)
        self.watch = Watch(self)
        self.keeping = Keeping(self)
        self.responses = KeptResponses(self)
        self.line = Line(self.bus)
        self.downloads = Downloads(paths.models, lambda: self.catalog, self.bus)
        self.secrets = KeychainSecrets(self)
        self.keyless = Keyless(keychain)
        self.remote = Remote(self.secrets)
        self.supervisor: Supervisor
        self.local: Local
        self.discovery: Discovery
        self.person = ""
        self.notices: list[str] = []
        self.steward = Steward(PowerSource())
        self.proposal: str | None = None
        self.consents: dict[str, float] = {}
        self.prices = PriceBook(paths.home / "prices.json")
        self._rates: dict[str, tuple[float, Rates | None]] = {}
        self._lasting = _Lasting(catalog, self.keyless.reasons, self.downloads.absent)
        self.refresher = Refresher(self.prices, paths.home / "prices.json", self.notices, self._rates.clear)

    def use_supervisor(self, supervisor: Supervisor) -> None:
        """Local models are served by this one."""
        self.supervisor = supervisor
        supervisor.ask(self.steward)
        self.local = Local(supervisor)

    async def load(self) -> None:
        """Read what the store keeps for the hot path."""
        await self.agents.load()
        await self.pauses.load()
        await self.taints.load()
        await self.keeping.load()

    async def follow(self) -> None:
        """Where several machines share a ledger, hear within seconds what was changed on the others."""
        while self.db.shared:
            await asyncio.sleep(_FOLLOW)
            with contextlib.suppress(Away):
                await self.load()

    def circumstances(self) -> Circumstances:
        """What planning needs to know of the world now."""
        now = time.time()
        self.keyless.refresh(self.catalog, now)
        down, passing = self._lasting_reasons(), self.health.down(now)
        return Circumstances(rates=_RatesOf(self, now), down={**down, **passing} if passing else down, passing=passing)

    def _lasting_reasons(self) -> Mapping[str, str]:
        """Targets without a key or without their model; put together again whenever one of the three is another."""
        catalog, reasons, absent = self.catalog, self.keyless.reasons, self.downloads.absent
        known = self._lasting
        if known.catalog is not catalog or known.reasons is not reasons or known.absent is not absent:
            known = self._lasting = _Lasting(catalog, reasons, absent)
        return known.down

    def rates(self, target: Target, now: float) -> Rates | None:
        """The target's price, None where nobody knows it."""
        kept = self._rates.get(target.name)
        if kept is None or now - kept[0] > _PRICES_FRESH:
            provider = self.catalog.providers.get(target.provider or "")
            kept = self._rates[target.name] = (now, self.prices.rates(provider, target, now))
        return kept[1]

    def keys_changed(self) -> None:
        """A key was kept or removed: what was known of keys is not true any more."""
        self.keyless.stale()
        self.secrets.forget()

    def use_catalog(self, catalog: Catalog) -> None:
        """A new models.toml is in force from the next request on."""
        self.catalog = structs.replace(catalog, absent=frozenset(self.downloads.absent))
        self.steward.use(catalog.engines)
        self._rates.clear()
        self.keyless.stale()

    async def warm(self) -> None:
        """What the first request would wait for: the list of prices, and what the keychain holds."""
        now = time.time()
        await self.keyless.read(self.catalog)
        await asyncio.to_thread(lambda: [self.rates(target, now) for target in self.catalog.targets.values()])


class _Lasting:
    """What keeps targets from answering until the person does something, of these three, which are never changed."""

    def __init__(self, catalog: Catalog, reasons: dict[str, str], absent: dict[str, str]) -> None:
        self.catalog = catalog
        self.reasons = reasons
        self.absent = absent
        keyless = {name: reasons[one.provider] for name, one in catalog.targets.items() if one.provider in reasons}
        self.down = {**keyless, **absent}


class _RatesOf(Mapping[str, Rates | None]):
    """Rates by target's name, looked up only for targets that a plan asks for."""

    def __init__(self, house: House, now: float) -> None:
        self._house = house
        self._now = now

    def __getitem__(self, name: str) -> Rates | None:
        return self._house.rates(self._house.catalog.targets[name], self._now)

    def get(self, name: str, default: Any = None) -> Any:
        """The same; `default` where no target has this name."""
        target = self._house.catalog.targets.get(name)
        return default if target is None else self._house.rates(target, self._now)

    def __iter__(self) -> Iterator[str]:
        return iter(self._house.catalog.targets)

    def __len__(self) -> int:
        return len(self._house.catalog.targets)


class KeychainSecrets:
    """Provider keys from environment and keychain, read in a thread: a keychain may ask the person first.

    One that was read is used for a few seconds more: a keychain takes longer than everything else that is decided.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._read: dict[str, tuple[Provider, Secret]] = {}
        self._changes = 0

    def forget(self) -> None:
        """Keys have changed."""
        self._changes += 1
        self._read.clear()

    async def key(self, provider: str) -> str | None:
        """The provider's key, None where it needs none."""
        known = self._house.catalog.providers[provider]
        if known.key == "none":
            return None
        read = self._read.get(provider)
        return (read[1] if read is not None and read[0] is known else await self._asked(provider, known)).reveal()

    async def _asked(self, provider: str, known: Provider) -> Secret:
        """From the keychain; remembered, unless keys have changed meanwhile."""
        changes = self._changes
        try:
            secret = await asyncio.to_thread(self._house.keychain.provider_key, provider, known.key_env)
        except KeychainProblem as problem:
            self._read.pop(provider, None)
            raise Unavailable(problem.sentence) from None
        if changes == self._changes:
            self._read[provider] = known, secret
            asyncio.get_running_loop().call_later(_KEYS_FRESH, self._read.pop, provider, None)
        return secret


class Sessions:
    """When each session was first seen, for as long as it is among the latest."""

    def __init__(self) -> None:
        self._since: OrderedDict[str, float] = OrderedDict()

    def see(self, session: str, now: float) -> None:
        """A request of this session came."""
        self._since.setdefault(session, now)
        self._since.move_to_end(session)
        if len(self._since) > _SESSIONS:
            self._since.popitem(last=False)

    def since(self, session: str) -> float:
        """Its first request's time."""
        return self._since.get(session, time.time())


class Keyless:
    """Providers that have no key now, with the reason; looked up again every few seconds while requests come."""

    def __init__(self, keychain: Keychain) -> None:
        self.reasons: dict[str, str] = {}
        self._keychain = keychain
        self._read_at = 0.0
        self._reading: asyncio.Task[None] | None = None

    def stale(self) -> None:
        """Keys or providers have changed: look again at the next request."""
        self._read_at = 0.0

    def refresh(self, catalog: Catalog, now: float) -> None:
        """Look again in the background, if it is time; a keychain may wait for a person."""
        if now - self._read_at > _KEYS_FRESH and (self._reading is None or self._reading.done()):
            self._read_at = now
            self._reading = asyncio.create_task(self.read(catalog))

    async def read(self, catalog: Catalog) -> None:
        """Which providers have no key."""
        self._read_at = time.time()
        self.reasons = await asyncio.to_thread(self._missing, catalog)

    def _missing(self, catalog: Catalog) -> dict[str, str]:
        reasons = {}
        for name, provider in catalog.providers.items():
            if provider.key != "none":
                try:
                    self._keychain.provider_key(name, provider.key_env)
                except KeychainProblem as problem:
                    reasons[name] = problem.sentence.rstrip(".")
        return reasons


class Directory:
    """Agents by the digest of their key, kept in memory; the store is the truth."""

    def __init__(self, table: Agents) -> None:
        self.table = table
        self._by_digest: dict[str, str] = {}

    async def load(self) -> None:
        """Read the table again, after each change."""
        self._by_digest = {row.key_sha256: row.name for row in await self.table.all()}

    def names(self) -> set[str]:
        """All agents that have a key."""
        return set(self._by_digest.values())

    def name(self, digest: str) -> str | None:
        """Whose key this is."""
        return self._by_digest.get(digest)


class PauseBook:
    """Who is paused until when: one agent by name, all by `*`."""

    def __init__(self, table: Pauses) -> None:
        self.table = table
        self.until: dict[str, float | None] = {}

    async def load(self) -> None:
        """Read the table again, after each change."""
        self.until = dict(await self.table.all())

    def paused(self, agent: str, now: float) -> bool:
        """Whether this very agent (or `*`, all) is paused."""
        if agent not in self.until:
            return False
        until = self.until[agent]
        return until is None or now < until


class TaintBook:
    """Kinds of private data that a session has held, for as long as the session is known."""

    def __init__(self, table: Taints) -> None:
        self.table = table
        self._kinds: dict[str, str] = {}

    async def load(self) -> None:
        """Read the table, at start."""
        self._kinds = await self.table.all()

    def of(self, session: str) -> list[str]:
        """Kinds found earlier in this session."""
        known = self._kinds.get(session)
        return [] if known is None else known.split(",")

    async def add(self, session: str, kinds: set[str], now: float) -> None:
        """Keep what was found now, if it is new."""
        known = set(self.of(session))
        if not kinds <= known:
            self._kinds[session] = ",".join(sorted(kinds | known))
            await self.table.add(session, self._kinds[session], now)
