"""A new period of a privacy budget: whose word it takes."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from medspace.app.features.budget.service import BudgetClockError, BudgetEarlyError, Budgets, BudgetUnvouchedError
from medspace.app.node.clocks import Comparison
from medspace.connector.usage.model import PERIODS, PeriodTotal
from medspace.core.clock import instant
from medspace.core.errors import WaitingError
from tests.unit.connector.budgeted import Budgeted, limits
from tests.unit.connector.uses import ASSET, HOLDER

AUTHORITY = "did:web:authority.example"
DAY = 24 * 3600


class Book:
    """The list that was signed `at`; it cannot be had anew."""

    def __init__(self, at=None):
        members = (SimpleNamespace(did="did:web:other.example"), SimpleNamespace(did=HOLDER))
        self.current = None if at is None else SimpleNamespace(issued=at, members=members)

    async def refresh(self):
        raise WaitingError(whom=AUTHORITY)


class Others:
    """Clocks of others, by how many seconds ours is ahead."""

    def __init__(self, *ahead):
        self.ahead, self.asked = ahead, None

    async def __call__(self, dids):
        self.asked = list(dids)
        return [Comparison(f"did:web:{at}.example", ahead) for at, ahead in enumerate(self.ahead)]


async def ended(book=None, others=None, authority=AUTHORITY):
    house = Budgeted()
    await house.set(limits())
    house.clock.advance(366 * DAY)
    return house, Budgets(house.database, house.local, book or Book(), authority, others or Others())


async def test_before_its_end_nobody_renews_it():
    house = Budgeted()
    await house.set(limits())
    budgets = Budgets(house.database, house.local, Book(), AUTHORITY, Others())
    with pytest.raises(BudgetEarlyError):
        await budgets.renew(ASSET, anyway=True)
    assert await budgets.known("nothing") is None
    assert (await budgets.known(ASSET))["dataset"] == (await budgets.page())[0][0]["dataset"] == ASSET


async def test_a_list_from_after_the_end_is_enough_and_stands_in_the_log():
    house, budgets = await ended()
    signed = house.clock.now() - timedelta(hours=3)
    budgets = Budgets(house.database, house.local, Book(signed), AUTHORITY, Others(400 * DAY))
    renewed = await budgets.renew(ASSET, anyway=False)
    assert instant(renewed["since"]) == house.clock.now()
    assert instant((await house.log())[-1].facts["vouched"]) == signed


async def test_a_list_that_is_dated_ahead_is_where_the_next_period_begins():
    house, _ = await ended()
    signed = house.clock.now() + timedelta(minutes=1)
    budgets = Budgets(house.database, house.local, Book(signed), AUTHORITY, Others())
    assert instant((await budgets.renew(ASSET, anyway=False))["since"]) == signed


@pytest.mark.parametrize("anyway", [True, False])
async def test_clocks_that_say_that_it_still_runs_are_believed(anyway):
    house, _ = await ended()
    book, others = Book(house.clock.now() - timedelta(days=300)), Others(300 * DAY, None)
    budgets = Budgets(house.database, house.local, book, AUTHORITY, others)
    with pytest.raises(BudgetClockError):
        await budgets.renew(ASSET, anyway=anyway)
    assert others.asked == [AUTHORITY, "did:web:other.example"]


@pytest.mark.parametrize(
    ("book", "authority", "others"),
    [
        (Book(), AUTHORITY, Others()),
        (Book(), AUTHORITY, Others(None)),
        (Book(), AUTHORITY, Others(5, 400 * DAY)),  # nobody has signed what a clock says
        (Book(instant("2026-01-01T00:00:00Z")), AUTHORITY, Others()),
        (Book(instant("2099-01-01T00:00:00Z")), HOLDER, Others()),  # nobody vouches for oneself
    ],
)
async def test_where_nobody_vouches_for_the_time_it_takes_a_person(book, authority, others):
    house, budgets = await ended(book, others, authority)
    with pytest.raises(BudgetUnvouchedError):
        await budgets.renew(ASSET, anyway=False)
    await budgets.renew(ASSET, anyway=True)
    assert "vouched" not in (await house.log())[-1].facts


async def test_of_two_who_renew_at_once_the_second_is_too_early():
    house, _ = await ended()

    async def other(_dids):
        await Budgets(house.database, house.local, Book(), AUTHORITY, Others()).renew(ASSET, anyway=True)
        return []

    with pytest.raises(BudgetEarlyError):
        await Budgets(house.database, house.local, Book(), AUTHORITY, other).renew(ASSET, anyway=True)
    assert (await house.kinds()).count("budget.renewed") == 1


async def test_a_dataset_whose_budget_was_taken_back_still_shows_who_took_from_it():
    house = Budgeted()
    await house.set(limits())
    await house.agree()
    await house.ask(await house.start(), (10,))
    await house.set(None)
    budgets = Budgets(house.database, house.local, Book(), AUTHORITY, Others())
    found = await budgets.of(ASSET, None, 1)
    assert (found["state"], found["exact"], len(found["debits"]), bool(found["next"])) == ("dropped", True, 1, True)


async def test_totals_of_periods_that_are_over_are_shown_and_nothing_sealed_without_the_secret():
    house, budgets = await ended()
    assert (await budgets.of(ASSET, None, 9))["earlier"] == []
    total = PeriodTotal(f"{ASSET} 1", ASSET, "1", 4, 100, 30)
    await house.database.write(lambda tx: tx.insert(PERIODS, total))
    found = await budgets.of(ASSET, None, 9)
    assert [(one["uses"], one["rho"]["taken"]) for one in found["earlier"]] == [(4, "100")]
    assert (found["clipped"], (await budgets.page())[0][0]["clipped"]) == ([], [])
