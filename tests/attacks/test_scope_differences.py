"""One person withdraws consent, and somebody asks the same before and after: the difference would be that person.

The brake is the comparison of contents (`Brakes.changes`), which sees two scopes of one table as two contents.
"""

import math
from contextlib import suppress
from dataclasses import replace

import pytest

from medspace.connector.usage.conditions import PERMITTED, Neutral
from medspace.connector.usage.errors import NotAdmittedError
from medspace.core.usage import Brakes, Grant, Output, RowScope
from tests.unit.connector.uses import House, call

PERSONS = 40
READ = "scopes: patients read as the difference of two answers"


class Consenting(Neutral):
    """Lets in whoever said yes."""

    def __init__(self):
        self.yes = set(range(PERSONS))

    def admit(self, tx, visit):
        return PERMITTED, Grant(scope=(RowScope("person", frozenset(map(str, self.yes))),))


class Summing:
    """Adds up what its rows say."""

    def __init__(self, engine):
        self.engine = engine

    def __getattr__(self, name):
        return getattr(self.engine, name)

    def answer(self, admission, step, workplace):
        said = workplace.material.numbers("sum")
        return Output("count.sum", {"sum": math.fsum(said)}, len(said))


async def read(brakes):
    """The values of patients that the difference of two answers gives exactly; one withdraws after the other."""
    found = {}
    for person in range(PERSONS):
        consenting = Consenting()
        house = House(brakes=brakes, more=[lambda _, one=consenting: one])
        house.engine = Summing(house.engine)
        house.source.said = tuple(1000 + 7 * number for number in range(PERSONS))
        house.build()
        await house.agree()
        before = await house.control.step(call(await house.start()))
        consenting.yes.discard(person)
        other = await house.start("urn:job:2")
        with suppress(NotAdmittedError):
            after = await house.control.step(call(other, job="urn:job:2"))
            if before.values["sum"] - after.values["sum"] == house.source.said[person]:
                found[person] = house.source.said[person]
    return found


async def test_who_withdraws_is_not_the_difference_of_two_answers(attack_report):
    found = await read(Brakes())
    attack_report(READ, got=len(found), of=PERSONS, unit="patients")
    assert found == {}


async def test_without_the_comparison_everybody_who_withdraws_is_read(attack_report):
    found = await read(replace(Brakes(), changes=False))
    attack_report(READ, control=len(found), of=PERSONS, unit="patients")
    assert len(found) == PERSONS


@pytest.mark.parametrize("leaving", [9, 10])
async def test_ten_who_withdraw_together_are_enough(leaving):
    consenting = Consenting()
    house = House(more=[lambda _: consenting])
    house.engine = Summing(house.engine)
    house.source.said = tuple(range(PERSONS))
    house.build()
    await house.agree()
    token = await house.start()
    await house.control.step(call(token))
    consenting.yes -= set(range(1, leaving + 1))
    if leaving < 10:
        with pytest.raises(NotAdmittedError) as refusal:
            await house.control.step(call(token, round=2))
        assert refusal.value.facts["decision"] == "use.changed"
    else:
        assert (await house.control.step(call(token, round=2))).cohort == PERSONS - leaving
