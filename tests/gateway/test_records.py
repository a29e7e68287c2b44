"""What the admin door does with the audit and with kept bodies, on a real store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pointsman.core.catalog import Catalog, Keep, Source, read
from pointsman.core.errors import BadRequest, NotFound
from pointsman.gateway import rules
from pointsman.gateway.commands import Commands
from pointsman.gateway.house import House
from pointsman.gateway.keeping import Keeping
from pointsman.gateway.records import Records
from pointsman.store.audit import Row
from pointsman.store.bodies import KeptBody
from pointsman.store.db import Database
from pointsman.store.ledger import Ledger
from pointsman.system import paths
from pointsman.system.keychain import Keychain
from pointsman.system.paths import Paths
from pointsman.wire import admin
from tests.fakes.memory_keychain import MemoryKeychain


@pytest.fixture
def house(home: Path) -> Iterator[House]:
    """A house with an empty store and a keychain in memory."""
    place = paths.make(Paths(home))
    db, backend = Database.open(place.database), MemoryKeychain()
    yield House(place, Catalog(), db, Ledger(db, UTC), Keychain(place.id, lambda: backend, {}))
    db.close()


@pytest.fixture
def keeping(house: House) -> Keeping:
    """Which bodies are kept."""
    return Keeping(house)


@pytest.fixture
def records(house: House, keeping: Keeping) -> Records:
    """The commands."""
    return Records(house, keeping)


async def do(records: Records, command: Any) -> Any:
    """What the admin door would send as JSON."""
    return json.loads(admin.encode(await records.table[type(command)](command)))


def kept(**more: Any) -> KeptBody:
    """A request of claude's with its answer."""
    given = KeptBody("req_1", "claude", "s1", 1_795_262_400.0, "public", "chat", b'{"a": 1}', b"an answer")
    return msgspec.structs.replace(given, **more)


async def test_pages_are_the_table(house: House, records: Records) -> None:
    """Every row, every field, once."""
    for number in range(5):
        await house.audit.append(Row(at=float(number), reason=f"row {number}", latency_ms=0.1))
    found: list[dict[str, Any]] = []
    while page := await do(records, admin.AuditPage(after=found[-1]["seq"] if found else 0, limit=2)):
        assert len(page) <= 2
        found += page
    assert found == [json.loads(msgspec.json.encode(row)) for row in reversed(await house.audit.newest(10))]


async def test_a_page_is_bounded_whatever_is_asked(house: House, records: Records) -> None:
    """At least one row, so that an export comes to its end."""
    await asyncio.gather(*(house.audit.append(Row(at=1.0)) for _ in range(1_001)))
    sizes = [len(await do(records, admin.AuditPage(limit=limit))) for limit in (-5, 10**9)]
    assert sizes == [1, 1_000]


async def test_verify_goes_on_where_it_ended(house: House, records: Records) -> None:
    """Until the newest row."""
    for number in range(3):
        await house.audit.append(Row(at=float(number)))
    first = await do(records, admin.AuditVerify(limit=2))
    last = await do(records, admin.AuditVerify(first["after"], first["hash"], 2))
    assert (first["after"], first["done"], last["after"], last["done"], last["problem"]) == (2, False, 3, True, None)


async def test_counters_and_egress_come_through(house: House, records: Records) -> None:
    """As the command line reads them."""
    sent = {"provider": "openai", "region": "us", "tier": "cloud", "sensitivity": "public", "bytes_sent": 9}
    await house.audit.append(Row(at=1.0, request="r", agent="claude", target="big", **sent))  # type: ignore[arg-type]
    assert (await do(records, admin.Counters()))["by_agent"][0]["answered_first"] == 1
    assert [(row["provider"], row["bytes"]) for row in await do(records, admin.Egress())] == [("openai", 9)]
    assert await do(records, admin.Egress(since=2.0)) == []


async def test_a_kept_body_is_shown(keeping: Keeping, records: Records) -> None:
    """Request and answer as text; bytes that are none are marked."""
    await keeping.bodies.keep(kept(answer=b"an \xff answer"))
    shown = await do(records, admin.ShowBody("req_1"))
    assert (shown["agent"], shown["body"], shown["answer"]) == ("claude", '{"a": 1}', "an \ufffd answer")


async def test_an_agent_that_is_switched_off_is_not_kept(house: House, keeping: Keeping, records: Records) -> None:
    """From now on, and it is a row with before and after."""
    await house.agents.table.add("claude", "hash", "hint", 0.0)
    await do(records, admin.KeepBodies("claude", False))
    await keeping.bodies.keep(kept())
    with pytest.raises(NotFound):
        await do(records, admin.ShowBody("req_1"))
    [row] = await house.audit.newest(1)
    assert (row.kind, row.agent, json.loads(row.detail)) == ("agent", "claude", {"before": True, "after": False})
    await do(records, admin.KeepBodies("claude", True))
    await keeping.bodies.keep(kept())
    assert (await do(records, admin.ShowBody("req_1")))["agent"] == "claude"


async def test_the_switch_holds_after_a_restart(house: House, records: Records) -> None:
    """It is in the store."""
    await house.agents.table.add("claude", "hash", "hint", 0.0)
    await do(records, admin.KeepBodies("claude", False))
    later = Keeping(house)
    await later.load()
    await later.bodies.keep(kept())
    with pytest.raises(NotFound):
        await later.bodies.read("req_1")


async def test_an_agent_that_is_not_there_cannot_be_switched(records: Records) -> None:
    """A wrong name is said."""
    with pytest.raises(NotFound, match="No agent is called 'x'"):
        await do(records, admin.KeepBodies("x", False))


@pytest.mark.parametrize("more", [{"sensitivity": "personal"}, {"session": "tainted"}])
async def test_personal_sessions_are_kept_only_if_chosen(house: House, keeping: Keeping, more: dict[str, str]) -> None:
    """By the ruling, or by what the session held before; models.toml may choose otherwise."""
    await house.taints.add("tainted", {"secret_key"}, 0.0)
    await keeping.bodies.keep(kept(**more))
    with pytest.raises(NotFound):
        await keeping.bodies.read("req_1")
    house.use_catalog(Catalog(keep=Keep(personal=True)))
    await keeping.bodies.keep(kept(**more))
    assert (await keeping.bodies.read("req_1")).body == b'{"a": 1}'


async def test_forgetting_leaves_rows_and_is_one(house: House, keeping: Keeping, records: Records) -> None:
    """What was kept is gone; that it was forgotten is written."""
    await house.audit.append(Row(at=1.0, request="req_1", agent="claude"))
    await keeping.bodies.keep(kept())
    assert await do(records, admin.ForgetBodies(agent="claude")) == {"removed": 1}
    row, request = await house.audit.newest(2)
    assert (row.kind, json.loads(row.detail)) == ("body", {"before": None, "agent": "claude", "removed": 1})
    assert request.request == "req_1"


async def test_forgetting_everything_must_be_said(records: Records) -> None:
    """Neither date nor agent is a mistake, not a wish."""
    with pytest.raises(BadRequest, match="Say what to forget"):
        await do(records, admin.ForgetBodies())


class TestRules:
    """Rows of kind "rule"."""

    async def test_a_change_is_a_row(self, house: House) -> None:
        """With what was and what is."""

        async def reload() -> None:
            house.use_catalog(read([Source("m.toml", "[keep]\ndays = 3")]))

        await rules.noted(house, reload)()
        row = await house.audit.latest("rule")
        assert row is not None
        change = json.loads(row.detail)["changes"]["keep"]
        assert (change["before"]["days"], change["after"]["days"]) == (30, 3)
        assert row.reason == "changed in models.toml: keep, tiers.cloud, tiers.local, tiers.private"

    async def test_no_change_is_no_row(self, house: House) -> None:
        """Reading the same file again is nothing."""
        await rules.note(house, house.catalog)
        assert await house.audit.latest("rule") is None

    async def test_a_change_while_no_gateway_ran_is_a_row_at_start(self, house: House) -> None:
        """Once; a start without a change is none."""
        for _ in range(2):
            await rules.note_at_start(house)
        house.use_catalog(Catalog(keep=Keep(days=3)))
        for _ in range(2):
            await rules.note_at_start(house)
        reasons = [row.reason for row in await house.audit.newest(10)]
        assert reasons == ["models.toml is another than before", "models.toml is in force"]

    async def test_a_reload_counts_as_seen(self, house: House) -> None:
        """The next start does not tell it again."""
        await rules.note_at_start(house)
        before = house.catalog
        house.use_catalog(Catalog(keep=Keep(days=3)))
        await rules.note(house, before)
        await rules.note_at_start(house)
        assert len(await house.audit.newest(10)) == 2


class TestChanges:
    """Every change that a person makes is a row, with what was and what is, and without secrets."""

    @pytest.fixture
    def commands(self, house: House) -> Commands:
        """The admin door's commands, on a catalog with one provider."""
        house.use_catalog(read([Source("m.toml", '[providers.acme]\nbase_url = "https://acme.example/v1"')]))

        async def reload() -> None:
            house.use_catalog(Catalog())

        return Commands(house, reload, lambda: None)

    async def test_a_cap_is_told_before_and_after(self, house: House, commands: Commands) -> None:
        """Made, changed, removed."""
        for command in (
            admin.SetCap(name="daily", limit=5),
            admin.SetCap(name="daily", limit=6),
            admin.RemoveCap("daily"),
        ):
            await commands.do(command)
        details = [json.loads(row.detail) for row in reversed(await house.audit.newest(3))]
        limits = [tuple((one[side] or {}).get("limit") for side in ("before", "after")) for one in details]
        assert limits == [(None, 5), (5, 6), (6, None)]

    async def test_a_pause_is_told_before_and_after(self, house: House, commands: Commands) -> None:
        """Who was paused until when."""
        await commands.do(admin.AddAgent("claude"))
        await commands.do(admin.Pause("claude", 99.0))
        await commands.do(admin.Resume("claude"))
        details = [json.loads(row.detail) for row in reversed(await house.audit.newest(2))]
        assert details == [{"before": {}, "after": {"claude": 99.0}}, {"before": {"claude": 99.0}, "after": {}}]

    async def test_only_agents_that_there_are_can_be_paused(self, commands: Commands) -> None:
        """A name typed wrong pauses nobody, and says so."""
        for command in (admin.Pause("ghost"), admin.Resume("ghost")):
            with pytest.raises(NotFound):
                await commands.do(command)

    async def test_a_cap_changes_in_what_is_said_alone(self, house: House, commands: Commands) -> None:
        """The limit anew; scope, match and actions as they were."""
        await commands.do(admin.SetCap(name="bob", limit=5, scope="agent", match="bob", at_limit="refuse"))
        await commands.do(admin.SetCap(name="bob", limit=6))
        [cap] = await house.ledger.caps()
        assert (cap.limit, cap.scope, cap.match, cap.at_limit, cap.window) == (6, "agent", "bob", "refuse", "day")

    async def test_a_cap_on_each_request_has_one_window(self, house: House, commands: Commands) -> None:
        """Its window is `once`, unsaid."""
        await commands.do(admin.SetCap(name="each", limit=5, scope="request"))
        assert [cap.window for cap in await house.ledger.caps()] == ["once"]

    async def test_caps_that_nothing_used_yet_are_listed(self, commands: Commands) -> None:
        """Whatever their scope and window."""
        await commands.do(admin.SetCap(name="a", limit=5, scope="session", window="session"))
        await commands.do(admin.SetCap(name="b", limit=5, scope="request"))
        await commands.do(admin.SetCap(name="c", limit=5))
        listed = await commands.do(admin.Listing("caps"))
        assert [(cap.name, cap.left) for cap in listed] == [("a", 5), ("b", 5), ("c", 5)]

    async def test_rows_hold_no_keys(self, house: House, commands: Commands) -> None:
        """Neither an agent's nor a provider's, in no field."""
        made = [await commands.do(admin.AddAgent("claude")), await commands.do(admin.RotateAgent("claude"))]
        await commands.do(admin.SetKey("acme", "sk-very-secret"))
        await commands.do(admin.RemoveKey("acme"))
        await commands.do(admin.RemoveAgent("claude"))
        rows = await house.audit.newest(10)
        assert [row.kind for row in rows] == ["agent", "key", "key", "agent", "agent"]
        written = msgspec.json.encode(rows).decode()
        assert not any(secret in written for secret in ("sk-very-secret", *(one["key"] for one in made)))

    async def test_a_reload_is_a_row_of_what_changed(self, house: House, commands: Commands) -> None:
        """Entry by entry; a second one without a change is none."""
        for _ in range(2):
            await commands.do(admin.Reload())
        rows = await house.audit.newest(10)
        assert [row.kind for row in rows] == ["rule"]
        assert json.loads(rows[0].detail)["changes"]["providers.acme"]["after"] is None

    async def test_show_tells_the_request_and_what_was_tried_before(self, house: House, commands: Commands) -> None:
        """The row of the request, with its earlier attempts."""
        await house.audit.append(Row(at=1.0, request="r1", kind="attempt", attempt=1, target="big"))
        await house.audit.append(Row(at=1.0, request="r1", attempt=2, target="small"))
        shown = await commands.do(admin.AuditShow("r1"))
        assert (shown["target"], [row.target for row in shown["earlier"]]) == ("small", ["big"])
