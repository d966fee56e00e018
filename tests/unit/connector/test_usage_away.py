"""Steps on an asset that is not open yet: told to come again, and what was cut off waits for it."""

import asyncio

import pytest

from medspace.connector.usage.errors import AssetAwayError, NotAdmittedError
from medspace.connector.usage.model import QUESTIONS, SPENT, QuestionOutcome
from tests.unit.connector.test_usage_steps import cut_off
from tests.unit.connector.uses import ASSET, LABEL, House, call


class Opening:
    """An asset that is being opened until `open` is set, or until it is lost."""

    def __init__(self, house):
        self.open = asyncio.Event()
        self.sources = {ASSET: house.source}
        house.build(sources=self.sources)
        object.__setattr__(house.control._holder, "away", self.away)
        object.__setattr__(house.control._holder, "settled", self.settled)

    def away(self, asset):
        return None if self.open.is_set() else AssetAwayError(asset=asset, seconds=5)

    async def settled(self, asset):
        assert asset == ASSET
        await self.open.wait()


async def test_a_step_on_an_asset_that_is_away_is_neither_noted_nor_counted():
    house = House()
    await house.agree()
    token = await house.start()
    opening = Opening(house)
    with pytest.raises(AssetAwayError):
        await house.control.step(call(token))
    assert await house.kinds() == []
    assert await house.database.read(lambda tx: tx.find(SPENT)) == []
    assert house.source.opened == []
    opening.open.set()
    assert (await house.control.step(call(token))).values == {"sum": 1.5}


async def test_what_was_answered_before_is_told_again_while_the_asset_is_away():
    house = House()
    await house.agree()
    token = await house.start()
    first = await house.control.step(call(token))
    Opening(house)
    assert await house.control.step(call(token)) == first


async def test_what_was_cut_off_waits_until_its_asset_is_open():
    house, token = await cut_off(3)
    opening = Opening(house)
    await house.control.recover()
    assert await house.kinds() == ["use.admitted"]
    opening.open.set()
    assert (await house.control.step(call(token))).values == {"sum": 1.5}
    assert await house.kinds() == ["use.admitted", "use.released"]


async def test_what_was_cut_off_has_an_end_where_its_asset_cannot_be_used_any_more():
    house, _ = await cut_off(3)
    opening = Opening(house)
    await house.control.recover()
    del opening.sources[ASSET]
    opening.open.set()
    await house.settled()
    assert await house.kinds() == ["use.admitted", "use.failed"]
    (question,) = await house.database.read(lambda tx: tx.find(QUESTIONS))
    assert question.outcome is QuestionOutcome.FAILED


async def test_what_was_answered_before_is_not_told_again_once_the_label_forbids_it():
    house = House()
    await house.agree()
    token = await house.start()
    await house.control.step(call(token))
    Opening(house)
    await house.relabel(LABEL | {"kinds": ["medspace:statistics"]})
    with pytest.raises(NotAdmittedError):
        await house.control.step(call(token))
