"""Usage control at its edges: what seldom happens, and must happen as it says."""

import asyncio
from dataclasses import replace

import pytest

from medspace.adapters.memory import ManualClock
from medspace.connector.model import AGREEMENTS
from medspace.connector.usage import notebook
from medspace.connector.usage.calls import Holder
from medspace.connector.usage.errors import StepError, WithheldError
from medspace.connector.usage.model import KEPT
from medspace.connector.usage.service import DAY
from medspace.connector.usage.spent import exhausted, spent
from medspace.core.errors import InvalidInputError, WaitingError
from medspace.core.text import Text
from tests.unit.connector.test_usage_parts import bring, upper
from tests.unit.connector.uses import NOW, USER, House, admitted_house, call


class Resting(ManualClock):
    """A clock that tells when somebody begins to wait."""

    def __init__(self, start):
        super().__init__(start)
        self.waited_for = asyncio.Event()

    async def sleep(self, seconds):
        self.waited_for.set()
        await super().sleep(seconds)


async def kept(house):
    return await house.database.read(lambda tx: [one.id for one in tx.find(KEPT)])


async def test_what_was_kept_for_its_time_is_forgotten_within_a_day():
    house = House(count=5)
    house.clock = clock = Resting(NOW)
    house.build()
    await house.agree()
    token = await house.start()
    await house.control.step(call(token))
    assert len(await kept(house)) == 1
    working = asyncio.create_task(house.control.work())
    await clock.waited_for.wait()
    clock.waited_for.clear()
    clock.advance(366 * DAY)
    await clock.waited_for.wait()
    working.cancel()
    assert await kept(house) == []


async def test_however_much_is_to_be_forgotten_it_is_all_forgotten(monkeypatch):
    monkeypatch.setattr(notebook, "PAGE", 1)
    house, token = await admitted_house()
    for number in (1, 2, 3):
        await house.control.step(call(token, round=number))
    assert len(await house.control.notebook.exported(house.database)) == 3
    house.clock.advance(800 * DAY)
    await house.control.tidy()
    assert await kept(house) == []
    assert await house.control.notebook.exported(house.database) == []


async def test_an_asset_whose_content_is_away_is_waited_for_and_nothing_is_noted():
    house, token = await admitted_house()
    away = [WaitingError(whom="the server of the table")]
    before = house.control._holder
    house.control._holder = Holder(
        before.did, before.sources, before.questions, before.notebook, before.tell, before.end, lambda _: away[0]
    )
    with pytest.raises(WaitingError):
        await house.control.step(call(token))
    assert await house.log() == []
    away[0] = None
    assert await house.control.step(call(token))


async def test_a_step_that_the_engine_does_not_know_and_a_task_that_it_cannot_run_are_told_and_not_noted():
    house, token = await admitted_house()
    with pytest.raises(StepError, match="sum, mean"):
        await house.control.step(call(token, name="median"))

    def check(task):
        raise InvalidInputError(reason=Text("it asks for the moon"))

    house.engine.check = check
    with pytest.raises(StepError, match="the moon"):
        await house.control.step(call(token))
    assert await house.log() == []


async def test_parts_of_an_answer_that_a_use_has_already_are_given_again():
    house, token = await admitted_house()
    upper(house)
    part = bring(house, b"content")
    first = await house.control.step(call(token, parts=(part,)))
    again = await house.control.step(call(token, round=2, parts=(part,)))
    assert (again.parts, again.values) == (first.parts, first.values)
    doors = house.control.parts
    assert await doors.released(USER, "urn:job:1", token, first.parts[0].digest) == first.parts[0]
    assert await doors.released(USER, "urn:job:1", token, "0" * 64) is None


async def test_a_use_that_has_the_parts_of_a_known_answer_needs_no_other_copy():
    house, token = await admitted_house(count=5)
    upper(house)
    first = await house.control.step(call(token, parts=(bring(house, b"content"),)))
    other = await house.start("urn:job:2")
    asked = bring(house, b"content", job="urn:job:2")
    bring(house, b"CONTENT", job="urn:job:2")
    again = await house.control.step(call(other, job="urn:job:2", parts=(asked,)))
    assert (again.values, len(house.engine.asked)) == (first.values, 1)
    assert [part.digest for part in again.parts] == [part.digest for part in first.parts]


async def test_each_of_several_parts_of_an_answer_is_found():
    house, token = await admitted_house()

    def answer(admission, step, workplace):
        made = []
        for content in (b"one", b"two"):
            with workplace.blobs.create("text/plain") as being:
                being.write(content)
            made.append(being.part)
        return replace(house.engine.output, parts=tuple(made))

    few, house.engine.output = house.engine.output, replace(house.engine.output, cohort=1)
    house.engine.answer = lambda *_: house.engine.output
    with pytest.raises(WithheldError):
        await house.control.step(call(token))  # what was kept back has no parts to fetch
    house.engine.answer, house.engine.output = answer, few
    release = await house.control.step(call(token, round=2))
    found = [await house.control.parts.released(USER, "urn:job:1", token, part.digest) for part in release.parts]
    assert found == list(release.parts)
    assert len(found) == 2
    assert await house.control.parts.released(USER, "urn:job:1", token, "0" * 64) is None


async def test_what_waits_for_a_person_is_dropped_with_its_end_also_where_it_is_not_there_any_more():
    house, token = await admitted_house()
    house.engine.output = replace(house.engine.output, hold=True)
    with pytest.raises(WaitingError):
        await house.control.step(call(token))
    (held,) = await kept(house)
    await house.database.write(lambda tx: tx.delete(KEPT, tx.get(KEPT, held)))
    house.clock.advance(40 * DAY)
    await house.control.tidy()
    assert (await house.kinds())[-1] == "use.withheld"


@pytest.mark.parametrize(("count", "uses", "over"), [(1, 0, False), (1, 1, True), (2, 1, False), (None, 9, False)])
async def test_an_agreement_is_spent_once_every_use_of_it_was_made(count, uses, over):
    house = House(**({} if count is None else {"count": count}))
    name = await house.agree()
    for number in range(1, uses + 1):
        await house.start(f"urn:job:{number}")
        await house.change(f"urn:job:{number}", number=number)
    agreement = await house.database.read(lambda tx: tx.get(AGREEMENTS, name))
    assert await house.database.read(lambda tx: spent(tx, agreement, house.clock.now())) is over
    assert exhausted(agreement, uses, house.clock.now()) is over
