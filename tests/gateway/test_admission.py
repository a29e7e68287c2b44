from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.core.budget import Short
from pointsman.core.errors import PaymentRequired
from pointsman.gateway.admission import LOCAL, Admitted
from pointsman.store.ledger import HoldRequest, Reserved
from tests.fakes.asking import DOLLAR, MODELS, Office

SOAK = os.environ.get("POINTSMAN_SOAK") == "1"
SHIPPED = (Path(__file__).parents[2] / "models.toml").read_text(encoding="utf-8")
HALF = DOLLAR // 2  # what 5,000 tokens of "dear" hold


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A house with a ledger of its own."""
    one = Office(tmp_path / "home")
    yield one
    one.close()


@pytest.fixture
def brisk(tmp_path: Path) -> Iterator[Office]:
    """One where nobody waits for holds, and connections are held for half a second."""
    one = Office(tmp_path / "home", wait=0.5, patience=0.0)
    yield one
    one.close()


class TestWaiting:
    """Holds of others shrink in seconds: they are waited for, in turn, as long as that helps."""

    async def test_what_fits_runs_at_once(self, office: Office) -> None:
        """Money is held for the attempt that was asked for."""
        await office.cap()
        found = await office.admit()
        assert isinstance(found, Admitted)
        assert (found.hold.amount, found.attempt.target, found.note) == (HALF, "dear", "")

    async def test_a_hold_in_the_way_is_waited_for(self, office: Office) -> None:
        """Nobody is asked: as soon as the other one costs less than it held, this one runs."""
        await office.cap()
        first, _second = await office.admit(), await office.admit()
        third = office.start()
        await office.in_line()
        assert office.house.approvals.open() == []
        await office.settle(first, 0)
        assert isinstance(await third, Admitted)
        await office.checked()

    async def test_a_large_one_is_not_starved_by_small_ones(self, office: Office) -> None:
        """Small ones that came later do not take what a large one waits for."""
        await office.cap()
        first, second = await office.admit(), await office.admit()
        large = office.start(tokens=10_000)
        await office.in_line()
        small = [office.start(tokens=1_000) for _ in range(5)]
        await office.settle(first, 0)
        done, _ = await asyncio.wait([large, *small], timeout=0.2)
        assert not done
        await office.settle(second, 0)
        await office.settle(await large, 0)
        assert len(await asyncio.gather(*small)) == 5

    async def test_who_shares_no_account_passes(self, office: Office) -> None:
        """A line for one agent's cap is no line for another agent."""
        await office.cap(scope="agent", name="each")
        await office.admit(), await office.admit()
        waiting = office.start()
        await office.in_line()
        assert isinstance(await office.admit(agent="other"), Admitted)
        waiting.cancel()

    async def test_what_costs_nothing_never_waits(self, office: Office) -> None:
        """Local answers go on while others wait for money."""
        await office.cap()
        await office.admit(), await office.admit()
        waiting = office.start()
        await office.in_line()
        assert isinstance(await office.admit(model="here"), Admitted)
        waiting.cancel()

    async def test_waiting_ends_where_it_cannot_help(self, office: Office) -> None:
        """What is spent does not come back: the person is asked at once."""
        await office.cap()
        await office.settle(await office.admit(), HALF)
        await office.admit()
        running = office.start(tokens=6_000)
        await office.answer("deny")
        with pytest.raises(PaymentRequired, match="It was denied"):
            await running

    async def test_a_client_that_leaves_the_line_holds_nothing(self, office: Office) -> None:
        """Cancelled while it waits, it leaves no hold and no place in the line."""
        await office.cap()
        first, _second = await office.admit(), await office.admit()
        waiting = office.start()
        await office.in_line()
        waiting.cancel()
        await asyncio.wait([waiting])
        assert office.house.line._waiting == {}
        await office.settle(first, 0)
        assert (await office.account()).held == HALF

    async def test_held_money_that_comes_back_answers_the_question(self, tmp_path: Path) -> None:
        """Asked because of holds, it runs as soon as one of them ends, and the question is withdrawn."""
        office = Office(tmp_path / "h", patience=0.0)
        await office.cap()
        first, _second = await office.admit(), await office.admit()
        running = office.start()
        asked = await office.question()
        await office.settle(first, 0)
        assert isinstance(await running, Admitted)
        assert office.house.approvals.open() == []
        await asyncio.gather(*office.house.approvals._notes)
        assert await office.audited("approval") == ["withdrawn money: dear, request"]
        assert asked.over == HALF
        office.close()


class TestActions:
    """What a cap says happens, and nothing else."""

    async def test_refuse(self, brisk: Office) -> None:
        """One sentence: the cap, what is left, what is held apart from it, and what this may cost."""
        await brisk.cap(at_limit="refuse")
        await brisk.admit()
        with pytest.raises(PaymentRequired) as refused:
            await brisk.admit(tokens=6_000)
        assert refused.value.sentence == (
            "The daily cap of $1.00 has $0.50 left ($0.50 more is held), and this request to dear may cost $0.60."
        )

    async def test_local(self, brisk: Office) -> None:
        """The request is answered on this machine."""
        await brisk.cap(at_limit="local")
        assert await brisk.admit(tokens=20_000) == LOCAL

    async def test_cheaper_takes_the_cheapest_of_the_plan(self, brisk: Office) -> None:
        """Not the next one, and the answer says why."""
        await brisk.cap(at_limit="cheaper")
        found = await brisk.admit(model="some", tokens=20_000)
        assert isinstance(found, Admitted)
        assert (found.attempt.target, found.hold.amount) == ("cheap", 20_000)
        assert found.note == "cheap instead of dear, as the cap says"

    async def test_cheaper_asks_where_nothing_cheaper_fits(self, brisk: Office) -> None:
        """A target asked for by name has no other one: the person is asked."""
        await brisk.cap(at_limit="cheaper")
        running = brisk.start(tokens=20_000, fallback=False)
        await brisk.answer("deny")
        with pytest.raises(PaymentRequired):
            await running

    async def test_shorten_forwards_what_headroom_pays_for(self, brisk: Office) -> None:
        """A smaller output limit, the sum that it can cost at most, and the sentence for the answer's reason."""
        await brisk.cap(at_limit="shorten")
        found = await brisk.admit(tokens=20_000)
        assert isinstance(found, Admitted)
        assert (found.attempt.output, found.attempt.at_most, found.hold.amount) == (10_000, DOLLAR, DOLLAR)
        assert found.note == "answer limited to 10000 tokens by the daily cap"

    async def test_what_takes_no_limit_is_not_shortened(self, brisk: Office) -> None:
        """Its bill would not know of the limit: the whole amount is asked for."""
        await brisk.cap(at_limit="shorten")
        decision = brisk.decision(tokens=20_000)
        request = replace(decision.request, unlimited=True)
        running = brisk.start(decision=replace(decision, request=request))
        assert (await brisk.answer("deny")).tokens_out == 20_000
        with pytest.raises(PaymentRequired):
            await running

    async def test_shorten_asks_below_256_tokens(self, brisk: Office) -> None:
        """An answer that is hardly one is not forced on anybody."""
        await brisk.cap(limit=25_000, at_limit="shorten")
        running = brisk.start()
        assert (await brisk.answer("deny")).tokens_out == 5_000
        with pytest.raises(PaymentRequired):
            await running

    async def test_defer_waits_in_the_background(self, brisk: Office) -> None:
        """A background request runs when money comes back, however long its connection would be held otherwise."""
        await brisk.cap(at_limit="defer")
        first, _second = await brisk.admit(), await brisk.admit()
        waiting = brisk.start(latency="background")
        await asyncio.wait([waiting], timeout=0.8)
        assert not waiting.done() and brisk.house.approvals.open() == []
        await brisk.settle(first, 0)
        assert isinstance(await waiting, Admitted)

    async def test_defer_ends_with_the_clients_time(self, brisk: Office) -> None:
        """It hears why it did not run before its own time is over."""
        await brisk.cap(at_limit="defer")
        await brisk.admit(), await brisk.admit()
        started = time.time()
        with pytest.raises(PaymentRequired, match="no money came back in time"):
            await brisk.admit(latency="background", timeout=0.5)
        assert time.time() - started < 20

    async def test_defer_asks_for_an_interactive_request(self, brisk: Office) -> None:
        """Nobody waits for midnight in front of a screen."""
        await brisk.cap(at_limit="defer")
        running = brisk.start(tokens=20_000)
        await brisk.answer("deny")
        with pytest.raises(PaymentRequired):
            await running

    async def test_defer_takes_the_providers_batch_price(self, brisk: Office) -> None:
        """Half the price fits now: the attempt names the service tier, and its rates are those it is charged at."""
        await brisk.cap(at_limit="defer")
        found = await brisk.admit(model="patient", tokens=15_000, latency="background")
        assert isinstance(found, Admitted)
        assert found.attempt.service_tier == "flex"
        assert found.attempt.rates is not None
        assert (found.attempt.rates.output, found.hold.amount) == (50 * DOLLAR, 750_016)

    async def test_what_would_be_billed_in_full_takes_no_batch_price(self, tmp_path: Path) -> None:
        """Messages name no tier for it, so half the price would hold too little."""
        dialect = '[providers.fake]\ndialect = "messages"'
        other = Office(tmp_path / "other", MODELS.replace("[providers.fake]", dialect), wait=0.0, patience=0.0)
        await other.cap(at_limit="defer")
        with pytest.raises(PaymentRequired):
            await other.admit(model="patient", tokens=15_000, latency="background", timeout=0.1)
        other.close()

    async def test_the_strictest_cap_is_obeyed(self, brisk: Office) -> None:
        """One cap would ask, another refuses: it is refused, and nobody is asked in vain."""
        await brisk.cap()
        await brisk.cap(name="monthly", window="month", limit=DOLLAR, at_limit="refuse")
        with pytest.raises(PaymentRequired, match="monthly"):
            await brisk.admit(tokens=20_000)

    async def test_a_cap_for_each_request(self, brisk: Office) -> None:
        """A request that could cost more than any one may is stopped; as many small ones as there are, run."""
        await brisk.cap(scope="request", window="once", limit=HALF, at_limit="refuse")
        for _ in range(5):
            assert isinstance(await brisk.admit(), Admitted)
        with pytest.raises(PaymentRequired):
            await brisk.admit(tokens=5_001)


async def test_a_long_answer_with_nine_of_ten_dollars_left_runs(tmp_path: Path) -> None:
    """128k tokens of output at the shipped prices: nobody is asked, wherever the most it can cost is there."""
    spent = '[targets.spent]\ntier = "cloud"\nprovider = "openai"\nprice = { input = 0, output = 10.0 }\n'
    office = Office(tmp_path / "h", SHIPPED + spent)
    await office.cap(limit=10 * DOLLAR)
    ran = []
    await office.house.keyless.read(office.house.catalog)
    office.house.keyless.reasons = {}
    office.house.keyless._read_at = time.time() + 1_000
    await office.settle(await office.admit(model="spent", tokens=100_000), DOLLAR)
    for target in office.house.catalog.by_tier("cloud"):
        decision = office.decision(target.name, tokens=128_000)
        attempt = next(iter(decision.plan.attempts), None)
        if attempt and attempt.target == target.name and attempt.at_most and attempt.at_most <= 9 * DOLLAR:
            found = await office.admit(decision)
            assert isinstance(found, Admitted)
            assert found.attempt.output >= min(128_000, target.max_output or 128_000)
            await office.settle(found, 0)
            ran.append(target.name)
    assert len(ran) >= 3, ran
    office.close()


async def test_twenty_long_ones_at_once_all_finish(tmp_path: Path) -> None:
    """Each may cost $1.28, $9 are there, each costs a cent: none is refused and nobody is asked."""
    models = MODELS + '[targets.real]\ntier = "cloud"\nprovider = "plain"\nprice = { input = 1.25, output = 10.0 }\n'
    office = Office(tmp_path / "h", models)
    await office.cap(limit=10 * DOLLAR)
    await office.settle(await office.admit(model="real", tokens=100_000), DOLLAR)
    costs = []

    async def agent(at: int) -> None:
        found = await office.admit(model="real", tokens=128_000, text=f"work {at}")
        await office.checked()
        await asyncio.sleep(0.01)
        costs.append(found)
        await office.settle(found, 10_000)

    await asyncio.gather(*(agent(at) for at in range(20)))
    assert len(costs) == 20
    assert office.house.approvals.open() == [] and await office.audited("approval") == []
    assert (await office.account()).spent == DOLLAR + 20 * 10_000
    office.close()


@settings(max_examples=200 if SOAK else 10)
@given(
    sizes=st.lists(st.integers(1, 10_000), min_size=2, max_size=20),
    leaves=st.sets(st.integers(0, 19), max_size=5),
)
def test_everybody_gets_a_turn(tmp_path_factory: pytest.TempPathFactory, sizes: list[int], leaves: set[int]) -> None:
    """Whoever fits the cap by itself runs, in whatever order and company, and no cap is ever passed."""

    async def whole() -> None:
        office = Office(tmp_path_factory.mktemp("turn") / "h")
        await office.cap()

        ends: list[asyncio.Task[None]] = []

        async def agent(at: int, size: int) -> None:
            found = await office.admit(tokens=size, text=str(at))
            ends.append(asyncio.create_task(office.settle(found, 0)))
            await office.checked()

        tasks = [asyncio.create_task(agent(at, size)) for at, size in enumerate(sizes)]
        for at in sorted(leaves & set(range(len(sizes)))):
            await asyncio.sleep(0)
            tasks[at].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        wrong = [one for one in done if one is not None and not isinstance(one, asyncio.CancelledError)]
        await asyncio.gather(*ends)
        await office.house.db.write(lambda _: None)  # what a client that left gives back is written in its turn
        account = await office.account()
        office.close()
        assert (wrong, account.held) == ([], 0)
        assert len(ends) >= len(sizes) - len(leaves)

    asyncio.run(whole())


async def test_only_what_does_not_fit_asks_for_grants(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """To whom a grant may be bound is worked out where a cap stands in the way, and for nobody else."""
    ledger, asked = office.house.ledger, list[int]()
    reserve = ledger.reserve

    async def noted(hold: HoldRequest, now: float) -> Reserved | tuple[Short, ...]:
        asked.append(len(hold.bindings))
        return await reserve(hold, now)

    monkeypatch.setattr(ledger, "reserve", noted)
    await office.admit()
    assert asked == [0]
    await office.cap(at_limit="refuse")
    with pytest.raises(PaymentRequired):
        await office.admit(tokens=10_001)
    assert asked[1:] == [0, 3]
