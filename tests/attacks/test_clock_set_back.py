"""The clock of a connector is set back to a time at which an agreement or a label that is over was in force."""

from datetime import timedelta

import pytest

from medspace.app.features.duties.kinds import KINDS
from medspace.connector.duties import service
from medspace.connector.duties.conditions import ClockCondition
from medspace.connector.usage.errors import NotAdmittedError
from medspace.ledger import kinds
from tests.unit.connector.uses import HOLDER, LABEL, NOW, House, call

OVER = timedelta(days=60)  # after this the agreement of a house is over

kinds.learn(KINDS)  # as whoever loads the features does


async def revived(house, label=LABEL):
    """A use under an agreement that was over at a time that the connector has seen: the code that refuses it."""
    await house.agree(label=label)
    token = await house.start()
    house.clock._now = NOW + OVER
    await house.database.write(lambda tx: service.see(tx, house.clock.now()))  # as each look of the connector does
    house.clock._now = NOW
    try:
        await house.control.step(call(token))
    except NotAdmittedError as error:
        return error.facts["decision"]
    return ""


async def test_an_agreement_that_was_over_does_not_come_back(attack_report):
    assert await revived(House(more=[ClockCondition])) == "clock.set_back"
    attack_report("clock set back: uses under an agreement that was over", got=0, unit="uses")


async def test_without_the_condition_it_does(attack_report):
    assert await revived(House()) == ""
    attack_report("clock set back: uses under an agreement that was over", control=1, unit="uses")


async def test_neither_does_a_label(attack_report):
    ends = LABEL | {"valid_until": "2026-12-31T00:00:00Z"}
    house = House(more=[ClockCondition], until="2030-01-01T00:00:00Z")
    assert await revived(house, ends) == "clock.set_back"
    attack_report("clock set back: uses under a label that was over", got=0, unit="uses")


@pytest.mark.parametrize("by", [timedelta(), timedelta(days=10)])
async def test_what_was_not_over_goes_on_whatever_the_clock_did(by):
    house = House(more=[ClockCondition])
    await house.agree()
    token = await house.start()
    await house.database.write(lambda tx: service.see(tx, NOW + by))
    assert (await house.control.step(call(token))).id


async def test_the_owner_says_that_the_clock_had_been_wrong_and_the_log_keeps_it():
    house = House(more=[ClockCondition])
    await revived(house)
    before = await house.database.write(lambda tx: service.reset(tx, HOLDER, NOW, "actor:" + "0" * 32))
    assert before == NOW + OVER
    assert (await house.log())[-1].kind == "duty.clock"
    token = await house.start("urn:job:2")
    assert (await house.control.step(call(token, "urn:job:2"))).id
