"""Two contents that few persons tell apart: the second is asked nothing, however the first one answered, or when.

The brake is `Brakes.changes`; with it off by the test's wiring the difference is answered.
"""

import pytest

from medspace.connector.usage.contents import MOST_VERSIONS
from medspace.connector.usage.errors import NotAdmittedError
from medspace.core.usage import Brakes, Output
from tests.unit.connector.test_usage_steps import DAY, held_house, one
from tests.unit.connector.uses import admitted_house, call

NEARLY = (*range(49), 77)  # the fifty persons of the house, one of whom says something else
OFF = Brakes(changes=False)


async def asked_of_nearly_the_same(house, token, job="urn:job:1", number=2):
    """Whether rows are asked anything new that one person tells from those that were asked before."""
    house.source.said = NEARLY
    house.build()
    try:
        await house.control.step(call(token, job=job, round=number))
    except NotAdmittedError as refused:
        return refused.facts["decision"] != "use.changed"
    return True


@pytest.mark.parametrize(("brakes", "answered"), [(Brakes(), False), (OFF, True)])
async def test_rows_whose_answer_waits_for_a_person_count_as_asked(brakes, answered):
    """Once it leaves, it would be the other half of the difference."""
    house, _, _ = await held_house(brakes=brakes)
    house.engine.output = Output("count.sum", {"sum": 2.5}, 49)
    other = await house.start("urn:job:2")
    assert await asked_of_nearly_the_same(house, other, "urn:job:2") is answered
    assert await house.control.checking.decide(await one(house), approve=True)


@pytest.mark.parametrize(("brakes", "answered"), [(Brakes(), False), (OFF, True)])
async def test_rows_that_answered_this_year_are_not_forgotten_for_others_that_did(brakes, answered):
    """A table that is renewed each week, or a scope for each purpose, is soon more contents than eight."""
    house, token = await admitted_house(brakes=brakes)
    await house.control.step(call(token, round=1))
    for number in range(2, MOST_VERSIONS + 3):
        house.source.said = tuple(range(number * 100, number * 100 + 50))
        house.build()
        house.clock.advance(DAY)
        await house.control.step(call(token, round=number))
    assert await asked_of_nearly_the_same(house, token, number=MOST_VERSIONS + 3) is answered
