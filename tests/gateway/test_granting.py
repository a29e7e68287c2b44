from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.core.errors import BadRequest, NotFound, PaymentRequired
from pointsman.gateway.admission import LOCAL, Admitted
from pointsman.wire.admin import Answer, RevokeGrant
from tests.fakes.asking import DOLLAR, Office

SOAK = os.environ.get("POINTSMAN_SOAK") == "1"
HALF = DOLLAR // 2


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Nobody waits for holds of others."""
    one = Office(tmp_path / "home", patience=0.0)
    yield one
    one.close()


async def spent(office: Office) -> None:
    """A cap of a dollar, of which forty cents are left."""
    await office.cap()
    await office.settle(await office.admit(tokens=6_000, text="before"), 600_000)


async def allowed(office: Office, **more: object) -> Admitted:
    """Ask for fifty cents, and let it through."""
    running = office.start()
    await office.answer("approve", **more)
    found = await running
    assert isinstance(found, Admitted)
    await office.checked()
    return found


async def stopped(office: Office, **more: object) -> None:
    """This one is asked about: nothing lets it through while its connection is held."""
    held, office.house.approvals._wait = office.house.approvals._wait, 0.0
    with pytest.raises(PaymentRequired):
        await office.admit(**more)
    office.house.approvals._wait = held


async def test_this_request_adds_what_is_missing_and_no_more(office: Office) -> None:
    """The cap is raised by ten cents while it runs; what it did not need is gone with it."""
    await spent(office)
    found = await allowed(office)
    assert (await office.account()).raised == 100_000
    await office.settle(found, 450_000)
    assert (await office.account()).limit == 1_050_000
    await stopped(office, text="another")


async def test_a_late_approval_lets_the_retry_through(office: Office) -> None:
    """The connection is over, the question lives: the same request goes through, another does not."""
    await spent(office)
    await stopped(office)
    await office.answer("approve")
    await stopped(office, text="another")
    assert isinstance(await office.admit(), Admitted)


async def test_an_allowance_is_the_retrys_where_its_client_has_gone(office: Office) -> None:
    """Allowed and gone before anything was sent, the same request finds its allowance again."""
    await spent(office)
    found = await allowed(office)
    await office.house.ledger.refund(found.hold.hold, time.time())
    assert isinstance(await office.admit(), Admitted)


async def test_this_session_only(office: Office) -> None:
    """Another request of the session goes through up to the amount; another session, agent or model does not."""
    await spent(office)
    await allowed(office, scope="session", amount=DOLLAR)
    assert isinstance(await office.admit(text="next"), Admitted)
    await stopped(office, text="next", session="other")
    await stopped(office, text="next", agent="other")
    await stopped(office, text="next", model="fair", tokens=20_000)


async def test_this_agent_and_model_for_a_time(office: Office) -> None:
    """Any session of the agent with this model, until the time is over."""
    await spent(office)
    await allowed(office, scope="agent", amount=DOLLAR, seconds=60)
    assert isinstance(await office.admit(text="next", session="other"), Admitted)
    await stopped(office, text="next", agent="other")
    [grant] = await office.answering.grants()
    assert (grant.scope, grant.bound, grant.cap) == ("agent", "tester, dear", "daily")
    assert grant.expires is not None and grant.expires <= time.time() + 60


async def test_the_cap_is_raised_for_everybody(office: Office) -> None:
    """Until its window turns, any request counts against the raised cap."""
    await spent(office)
    await allowed(office, scope="cap", amount=2 * DOLLAR)
    assert isinstance(await office.admit(text="next", agent="other"), Admitted)
    assert (await office.account()).limit == 3 * DOLLAR


async def test_always_writes_the_rule_that_was_shown(office: Office) -> None:
    """The person's file holds the very text, beside what stood there, and the request goes on under it."""
    office.paths.models_toml.write_text('preset = "balanced"   # mine\n', "utf-8")
    await office.reload()
    await spent(office)
    running = office.start()
    asked = await office.answer("approve", scope="always")
    assert isinstance(await running, Admitted)
    assert asked.allowance is not None
    assert office.paths.models_toml.read_text("utf-8") == f'preset = "balanced"   # mine\n\n{asked.allowance}'
    [rule] = await office.answering.grants()
    assert (rule.scope, rule.amount, rule.left, rule.expires) == ("always", 100_000, 0, None)
    assert (await office.audited("rule"))[-1].startswith("changed in models.toml: allowances")
    await office.checked()


async def test_always_by_another_amount(office: Office) -> None:
    """The person may write more into the rule; it reaches for as much, in each window, and for this model alone."""
    await spent(office)
    await allowed(office, scope="always", amount=DOLLAR)
    assert "over = 1.0\n" in office.paths.models_toml.read_text("utf-8")
    assert isinstance(await office.admit(text="next", session="other"), Admitted)
    await stopped(office, text="third")
    await stopped(office, text="fourth", agent="other")


async def test_a_rule_lends_only_under_its_cap(office: Office) -> None:
    """Another cap that is short is asked about, whatever the rule lends under the first."""
    await spent(office)
    await allowed(office, scope="always", amount=5 * DOLLAR)
    await office.cap(name="monthly", window="month", limit=HALF)
    running = office.start(text="next")
    asked = await office.answer("deny")
    assert asked.cap is not None and asked.cap.name == "monthly"
    with pytest.raises(PaymentRequired):
        await running


async def test_a_rule_that_no_longer_reaches_is_made_larger(office: Office) -> None:
    """Always again: what is missing comes on top, in the same rule."""
    await spent(office)
    await allowed(office, scope="always")
    running = office.start(text="next")
    asked = await office.answer("approve", scope="always")
    assert isinstance(await running, Admitted)
    assert asked.allowance is not None and "over = 0.6\n" in asked.allowance
    assert office.paths.models_toml.read_text("utf-8").count("[[allowances]]") == 1


async def test_a_file_that_cannot_take_the_rule_is_left_as_it_is(office: Office) -> None:
    """One sentence, the question stays open, and nothing is allowed."""
    await spent(office)
    office.paths.models_toml.write_text("allowances = 3\n", "utf-8")
    running = office.start()
    with pytest.raises(BadRequest):
        await office.answer("approve", scope="always")
    assert office.paths.models_toml.read_text("utf-8") == "allowances = 3\n"
    assert len(office.house.approvals.open()) == 1
    running.cancel()


async def test_a_mistake_elsewhere_in_the_file_puts_it_back(office: Office) -> None:
    """A file that would be refused whole is not left behind with half an answer in it."""
    await spent(office)
    office.paths.models_toml.write_text('preset = "wrong"\n', "utf-8")
    running = office.start()
    with pytest.raises(BadRequest, match="preset"):
        await office.answer("approve", scope="always")
    assert office.paths.models_toml.read_text("utf-8") == 'preset = "wrong"\n'
    running.cancel()


async def test_a_grant_can_be_taken_back(office: Office) -> None:
    """What is not spent yet lets nothing through any more, and a row says so."""
    await spent(office)
    await allowed(office, scope="session", amount=5 * DOLLAR)
    [grant] = await office.answering.grants()
    await office.answering.table[RevokeGrant](RevokeGrant(grant.id))
    assert await office.answering.grants() == []
    await stopped(office, text="next")
    assert (await office.audited("grant"))[-1] == "revoked session:tester/s/dear"
    with pytest.raises(NotFound):
        await office.answering.table[RevokeGrant](RevokeGrant(grant.id))


async def test_a_raised_cap_is_listed_and_can_be_taken_back(office: Office) -> None:
    """Which cap, for whom, by how much and until when; after that its limit is the old one, and a row says so."""
    await spent(office)
    await allowed(office, scope="cap", amount=5 * DOLLAR)
    [raised] = await office.answering.grants()
    assert (raised.scope, raised.bound, raised.cap, raised.amount) == ("cap", "everybody", "daily", 5 * DOLLAR)
    [account] = await office.house.ledger.accounts(time.time())
    assert (raised.left, raised.expires) == (account.left, account.window.ends)
    await office.answering.table[RevokeGrant](RevokeGrant(raised.id))
    assert await office.answering.grants() == []
    [after] = await office.house.ledger.accounts(time.time())
    assert after.limit == max(after.spent, account.limit - 5 * DOLLAR)
    assert (await office.audited("grant"))[-1].startswith("took back the raise of a cap in ")


async def test_a_rule_can_be_taken_back(office: Office) -> None:
    """It leaves the file; said anew, it reaches as far as it would have."""
    await spent(office)
    await allowed(office, scope="always", amount=5 * DOLLAR)
    [rule] = await office.answering.grants()
    await office.answering.table[RevokeGrant](RevokeGrant(rule.id))
    assert "allowances" not in office.paths.models_toml.read_text("utf-8")
    await stopped(office, text="next")


async def test_a_soft_mark_is_passed_for_a_session(office: Office) -> None:
    """Nothing is added to the cap, and nobody asks again in this session."""
    await office.cap(limit=10 * DOLLAR, soft_percent=1, at_soft="ask")
    running = office.start()
    assert (await office.answer("approve", scope="session", amount=0)).kind == "soft"
    assert isinstance(await running, Admitted)
    assert isinstance(await office.admit(text="next"), Admitted)
    assert (await office.account()).raised == 0


async def test_a_price_is_kept_and_the_request_goes_on_at_it(office: Office) -> None:
    """The file gets the price with its date, and the hold is computed from it."""
    await office.cap()
    running = office.start(model="unpriced")
    asked = await office.answer("approve", price=(0, 20 * DOLLAR))
    found = await running
    assert isinstance(found, Admitted)
    assert (asked.kind, asked.at_most) == ("price", None)
    assert (found.hold.amount, found.attempt.ask) == (100_000, None)
    assert "price = {input = 0.0, output = 20.0, dated = " in office.paths.models_toml.read_text("utf-8")
    assert await office.audited("price") == ["unpriced costs $0.00 in and $20.00 out for a million tokens"]
    assert isinstance(await office.admit(model="unpriced", text="next"), Admitted)


@pytest.mark.parametrize("more", [{}, {"price": (-1, 5)}, {"price": (1, 5), "scope": "session"}])
async def test_without_a_price_nothing_runs(office: Office, more: dict[str, object]) -> None:
    """An approval that does not say what it costs is refused in words, and the request is never free."""
    running = office.start(model="unpriced")
    with pytest.raises(BadRequest):
        await office.answer("approve", **more)
    await office.answer("deny")
    with pytest.raises(PaymentRequired, match="Nobody knows what unpriced costs"):
        await running


async def test_another_model_instead_of_an_unknown_price(office: Office) -> None:
    """The local model answers."""
    running = office.start(model="unpriced")
    await office.answer("local")
    assert await running == LOCAL


async def test_every_answer_is_a_row(office: Office) -> None:
    """Approved, denied, local: who, what, how far; and each grant, and each raise."""
    await spent(office)
    await allowed(office)
    for verdict in ("deny", "local"):
        running = office.start(text=verdict)
        await office.answer(verdict)
        await asyncio.wait([running])
        running.exception()
    assert await office.audited("approval") == [
        "approved money: dear, request",
        "denied money: dear, request",
        "local money: dear, request",
    ]
    assert await office.audited("grant") == ["request: $0.10 over the daily cap for dear"]
    raising = office.start(text="more")
    await office.answer("approve", scope="cap", amount=DOLLAR)
    await raising
    assert await office.audited("cap") == ["raised the daily cap by $1.00 in its present window"]


async def test_an_approved_request_still_waits_for_holds_that_came_meanwhile(office: Office) -> None:
    """Approved by what was missing then; a hold made since is waited for, and nobody is asked twice."""
    await spent(office)
    running = office.start()
    asked = await office.question()
    other = await office.admit(text="small", tokens=1_000)
    office.house.line.patience = 20.0
    await office.answering.table[Answer](Answer(question=asked.id, verdict="approve"))
    await office.settle(other, 0)
    assert isinstance(await running, Admitted)
    assert await office.audited("approval") == ["approved money: dear, request"]


who = st.fixed_dictionaries(
    {
        "agent": st.sampled_from(["a", "a b", "b"]),
        "session": st.sampled_from(["s", "s/dear", "t"]),
        "model": st.sampled_from(["dear", "fair"]),
        "text": st.sampled_from(["one", "two"]),
    }
)


@settings(max_examples=150 if SOAK else 8)
@given(asks=who, wants=who, scope=st.sampled_from(["request", "session", "agent", "always"]))
def test_a_grant_is_spent_by_nobody_else(
    tmp_path_factory: pytest.TempPathFactory, asks: dict[str, str], wants: dict[str, str], scope: str
) -> None:
    """It lets through exactly whom the person allowed, and nobody beyond the amount."""

    async def whole() -> None:
        office = Office(tmp_path_factory.mktemp("grant") / "h", wait=0.0, patience=0.0)
        await office.cap(limit=0)
        with pytest.raises(PaymentRequired):
            await office.admit(**asks, tokens=1_000)
        amount = 100_000 if asks["model"] == "dear" else 50_000
        await office.answer("approve", scope=scope, amount=None if scope == "request" else amount)
        same = {
            "request": asks == wants,
            "session": all(asks[part] == wants[part] for part in ("agent", "session", "model")),
            "agent": all(asks[part] == wants[part] for part in ("agent", "model")),
            "always": all(asks[part] == wants[part] for part in ("agent", "model")),
        }[scope]
        try:
            found = await office.admit(**wants, tokens=1_000)
        except PaymentRequired:
            found = None
        assert (found is not None) == same
        if found is not None:
            with pytest.raises(PaymentRequired):  # what it holds is not there for a second one
                await office.admit(**wants, tokens=1_000)
        await office.checked()
        office.close()

    asyncio.run(whole())
