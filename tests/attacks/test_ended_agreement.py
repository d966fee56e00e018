"""A user goes on under an agreement that its holder has ended: by hurry, by repetition, by many uses at once."""

import asyncio

import pytest

from medspace.app.compose.conditions import CONDITIONS
from medspace.connector.local import Local
from medspace.connector.usage import ended
from medspace.connector.usage.conditions.ended import EndedCondition
from medspace.core.errors import MedspaceError
from tests.unit.connector import uses
from tests.unit.connector.uses import HOLDER, House, call

AGREEMENT = "urn:agreement:1"
USES, STEPS = 4, 6


async def raced(house):
    """Many uses ask step after step while the agreement is ended: how many steps were admitted behind its end."""
    await house.agree()
    tokens = {f"urn:job:{number}": await house.start(f"urn:job:{number}") for number in range(USES)}
    local = Local(HOLDER, "https://clinic.example/dsp", house.clock, house.randomness)
    begun = asyncio.Event()

    async def ask(job, token):
        for number in range(1, STEPS + 1):
            try:
                await house.control.step(call(token, job, round=number))
            except MedspaceError:
                await asyncio.sleep(0)
            begun.set()

    async def end():
        await begun.wait()
        await house.database.write(lambda tx: ended.end(tx, local, AGREEMENT))

    await asyncio.gather(end(), *(ask(job, token) for job, token in tokens.items()))
    kinds = await house.kinds()
    behind = kinds[kinds.index("agreement.ended") :]
    return behind.count("use.admitted"), behind.count("use.released")


async def test_no_step_is_admitted_behind_the_end_of_its_agreement(attack_report):
    admitted, released = await raced(House())
    assert (admitted, released) == (0, 0)
    attack_report("ended agreement: steps admitted behind its end", got=admitted, unit="steps")


async def test_without_the_condition_they_are(monkeypatch, attack_report):
    assert isinstance(CONDITIONS[0](House().grounds), EndedCondition)
    monkeypatch.setattr(uses, "CONDITIONS", CONDITIONS[1:])
    admitted, _ = await raced(House())
    assert admitted > 0
    attack_report("ended agreement: steps admitted behind its end", control=admitted, unit="steps")


@pytest.mark.parametrize("asks", [1, 3])
async def test_an_answer_that_was_given_is_not_given_again(asks):
    house = House()
    await house.agree()
    token = await house.start()
    local = Local(HOLDER, "https://clinic.example/dsp", house.clock, house.randomness)
    assert await house.control.step(call(token))
    await house.database.write(lambda tx: ended.end(tx, local, AGREEMENT))
    for _ in range(asks):
        with pytest.raises(MedspaceError):
            await house.control.step(call(token))
