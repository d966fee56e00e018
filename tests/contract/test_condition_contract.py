"""What every condition does: one class, run on all conditions of the product and on a budget beside them."""

from dataclasses import dataclass

import pytest

from medspace.app.compose.parts import ALL_CONDITIONS
from medspace.connector.model import AGREEMENTS
from medspace.connector.usage.conditions import Leaving, Neutral, Wish
from medspace.connector.usage.model import COLLECTIONS
from medspace.core.decision import Decision
from medspace.core.usage import Grant
from medspace.policy.actions import DUTIES
from tests.e2e.house.budget import ACCOUNTS, BudgetCondition
from tests.unit.connector.uses import ASSET, KIND, USER, House, call, transfer_of


@dataclass
class Watching(Neutral):
    """Keeps what conditions are shown."""

    wish: Wish = None
    asking: object = None
    leaving: Leaving = None

    def examine(self, tx, wish):
        self.wish = wish
        return super().examine(tx, wish)

    def judge(self, tx, asking):
        self.asking = asking
        return super().judge(tx, asking)

    def released(self, tx, leaving):
        self.leaving = leaving
        return super().released(tx, leaving)


async def watched():
    """A house whose transfer was examined and whose step was answered, and what its conditions were shown."""
    seen = Watching()
    house = House(more=[BudgetCondition, lambda _: seen])
    await house.agree()
    token = await house.start()
    transfer = transfer_of("urn:job:9", "urn:agreement:1", KIND)
    await house.database.read(lambda tx: house.strategy.examine(tx, tx.get(AGREEMENTS, "urn:agreement:1"), transfer))
    await house.control.step(call(token))
    return house, seen


MAKERS = {make.__name__: make for make in (*ALL_CONDITIONS, BudgetCondition)} | {"neutral": lambda _: Neutral()}


@pytest.fixture(params=MAKERS.values(), ids=MAKERS.keys())
def make(request):
    return request.param


class TestConditions:
    async def test_it_decides_without_writing(self, make):
        house, seen = await watched()
        condition = make(house.grounds)

        def look(tx):
            decisions = [condition.examine(tx, seen.wish), condition.judge(tx, seen.asking)]
            admitted, grant = condition.admit(tx, seen.asking.visit)
            assert isinstance(grant, Grant)
            decisions += [admitted, condition.released(tx, seen.leaving)]
            assert all(isinstance(decision, Decision) for decision in decisions)
            assert condition.violated(tx, seen.leaving.agreement, USER) == frozenset()

        await house.database.read(look)  # a transaction that refuses to write

    async def test_what_it_spends_is_undone_with_its_transaction(self, make):
        house, seen = await watched()
        condition = make(house.grounds)

        def kept(tx):
            return [tx.find(collection) for collection in (*COLLECTIONS, ACCOUNTS)]

        def fail(tx):
            condition.spend(tx, seen.asking)
            raise KeyError(ASSET)

        before = await house.database.read(kept)
        with pytest.raises(KeyError):
            await house.database.write(fail)
        assert await house.database.read(kept) == before

    async def test_the_duties_that_it_keeps_have_words(self, make):
        assert make(House().grounds).duties <= set(DUTIES)
