"""An asset gets other rows while the connector runs: uses go on with theirs, and the rule about few changes holds."""

from dataclasses import replace

import pytest

from medspace.connector.model import TRANSFERS, TransferState
from medspace.connector.usage.editions import Editions
from medspace.core.usage import Brakes
from tests.unit.connector.masking import MaskedHouse
from tests.unit.connector.uses import ASSET, KIND, Source, transfer_of


def rows(changed):
    """Of fifty persons, so many others than before."""
    made = Source()
    made.said = tuple(number + 100 * (number < changed) for number in range(50))
    return made


async def begun(changed, **brakes):
    """A house with a use that has added up its rows, before others take their place."""
    house = MaskedHouse(brakes=Brakes(**brakes))
    live = {ASSET: house.source}
    house.build(sources=live)
    use = await house.use(1)
    await keep(house, use.job)
    assert (await use.ask("contribute")).values["sum"] == 1225.0
    live[ASSET] = rows(changed)
    return house, live, use


async def keep(house, job, state=TransferState.STARTED):
    made = replace(transfer_of(job, "urn:agreement:1", KIND), state=state, peer_pid=f"urn:peer:{job}")

    def work(tx):
        old = tx.get(TRANSFERS, job)
        if old is None:
            tx.insert(TRANSFERS, made)
        else:
            tx.replace(TRANSFERS, old, replace(old, state=state))

    await house.database.write(work)


async def test_a_use_goes_on_with_the_rows_that_it_began_with_and_others_begin_with_the_new_ones():
    house, _, use = await begun(40)
    other = await house.use(2)
    await keep(house, other.job)
    assert (await other.ask("contribute")).values["sum"] == 1225.0 + 40 * 100
    assert (await use.ask("contribute", number=2)).values["sum"] == 1225.0
    assert await use.ask("open")
    assert house.ended == []


@pytest.mark.parametrize(("changed", "on", "answered"), [(3, True, False), (3, False, True), (10, True, True)])
async def test_few_changed_persons_answer_nothing_new_without_a_restart_too(changed, on, answered):
    house, _, _ = await begun(changed, changes=on)
    other = await house.use(2)
    if answered:
        assert (await other.ask("contribute")).values["sum"] == 1225.0 + changed * 100
    else:
        assert await other.refused("contribute") == "use.changed"


async def test_rows_are_let_go_of_once_their_uses_are_over():
    house, live, use = await begun(40)
    editions = house.control._working._editions
    before = editions.of(ASSET, use.job)
    assert editions.replaced() == [use.job]
    await keep(house, use.job, TransferState.COMPLETED)
    other = await house.use(2)
    await keep(house, other.job)
    await other.ask("contribute")
    assert editions.replaced() == []
    assert not editions.holds(before)
    assert editions.holds(live[ASSET])
    live[ASSET] = rows(20)
    third = await house.use(3)
    await keep(house, third.job)
    await third.ask("contribute")
    known = [source for source, _ in house.control._working._contents._known.values()]
    assert before not in known
    assert live[ASSET] in known


async def test_an_asset_that_is_held_no_more_is_closed_to_uses_that_began_too():
    one, other = Source(), Source()
    live = {"a": one}
    editions = Editions(live)
    editions.begin("a", "urn:use", one)
    live["a"] = other
    assert (editions.of("a", "urn:use"), editions.of("a", "urn:later")) == (one, other)
    del live["a"]
    assert editions.of("a", "urn:use") is None
