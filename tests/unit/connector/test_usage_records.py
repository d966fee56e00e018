"""What a holder keeps of a release for an auditor: sealed, its digest in the log, gone with the questions."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from medspace.connector.usage import notebook, telling
from medspace.connector.usage.errors import RecordsMissingError, StepHeldError, UseFailedError, WithheldError
from medspace.connector.usage.model import COLLECTIONS, RECORDS
from medspace.core import limits
from medspace.core.clock import stamp
from medspace.core.hashing import digest_bytes
from medspace.core.usage import HolderNote, HolderNoteKind, Output
from tests.unit.connector.uses import ASSET, NOW, TASK, House, call

RECORD = b'{"total": ["the sums over all sites"]}'
RUN = "urn:run:by-hand"


async def house_with(output=None):
    house = House()
    house.engine.output = output or Output("count.sum", {"sum": 1.5}, 50, record=RECORD)
    await house.agree()
    return house, await house.start()


async def recorded(house, run=RUN):
    return await house.database.read(lambda tx: house.notebook.recorded(tx, run))


async def test_a_record_is_kept_with_the_release_and_its_digest_is_in_the_log():
    house, token = await house_with()
    await house.control.step(call(token, round=1))
    released = (await house.log())[-1]
    assert released.kind == "use.released"
    assert released.facts["record"] == digest_bytes(RECORD)
    task, shown = await recorded(house)
    entry = (await house.database.read(lambda tx: tx.find(RECORDS)))[0].entry
    assert task == TASK
    assert shown == [{"entry": entry, "record": RECORD.decode()}]


async def test_no_copy_of_the_database_shows_a_record():
    house, token = await house_with()
    released = await house.control.step(call(token, round=1))
    kept = repr(await house.database.read(lambda tx: [tx.find(one) for one in COLLECTIONS]))
    assert "the sums over all sites" not in kept
    assert "record" not in released.values


async def test_a_release_without_a_record_leaves_none():
    house, token = await house_with(Output("count.sum", {"sum": 1.5}, 50))
    await house.control.step(call(token, round=1))
    assert "record" not in (await house.log())[-1].facts
    with pytest.raises(RecordsMissingError):
        await recorded(house)


async def test_records_are_those_of_one_run_in_the_order_of_the_log(monkeypatch):
    monkeypatch.setattr(notebook, "PAGE", 2)
    house, token = await house_with()
    for number in (1, 2, 3):
        house.engine.output = replace(house.engine.output, record=b'{"round": %d}' % number)
        await house.control.step(call(token, round=number))
    _, shown = await recorded(house)
    assert [one["record"] for one in shown] == ['{"round": 1}', '{"round": 2}', '{"round": 3}']
    assert [one["entry"] for one in shown] == sorted(one["entry"] for one in shown)
    for other in ("urn:run:other", ""):
        with pytest.raises(RecordsMissingError):
            await recorded(house, other)


async def test_what_does_not_leave_is_not_recorded():
    house, token = await house_with(Output("count.sum", {"sum": 1.5}, 1, record=RECORD))
    with suppress(WithheldError):
        await house.control.step(call(token, round=1))
    assert not await house.database.read(lambda tx: tx.find(RECORDS))


async def test_a_record_that_is_too_large_is_no_output():
    house, token = await house_with(Output("count.sum", {"sum": 1.5}, 50, record=bytes(limits.RECORD + 1)))
    with pytest.raises(UseFailedError):
        await house.control.step(call(token, round=1))
    house.engine.output = replace(house.engine.output, record=bytes(limits.RECORD))
    await house.control.step(call(token, round=2))


async def test_what_waits_for_a_person_is_recorded_when_it_leaves():
    house, token = await house_with(Output("count.sum", {"sum": 1.5}, 50, hold=True, record=RECORD))
    with pytest.raises(StepHeldError):
        await house.control.step(call(token, round=1))
    assert not await house.database.read(lambda tx: tx.find(RECORDS))
    (waiting,) = await house.database.read(house.notebook.waiting)
    await house.control.checking.decide(waiting.id, approve=True)
    assert (await recorded(house))[1][0]["record"] == RECORD.decode()


async def test_records_are_forgotten_with_the_questions():
    house, token = await house_with()
    await house.control.step(call(token, round=1))
    kept = house.notebook.retention
    for late, left in ((kept - timedelta(days=1), 1), (kept, 0)):
        await house.database.write(lambda tx: house.notebook.forget(tx, NOW + late))  # noqa: B023 - waited for
        records = await house.database.read(lambda tx: tx.find(RECORDS))
        assert len(records) == left
        assert all(record.time == stamp(NOW) for record in records)


NOTES = (HolderNote(HolderNoteKind.SHORTENED, 3, 50),)


async def told(house):
    return await house.database.read(lambda tx: telling.newest(tx, house.notebook.sealer, ASSET, 9))


async def test_what_the_holder_is_told_waits_with_the_output_and_is_forgotten_with_the_questions():
    house, token = await house_with(Output("count.sum", {"sum": 1.5}, 50, hold=True, notes=NOTES))
    with pytest.raises(StepHeldError):
        await house.control.step(call(token, round=1))
    assert await told(house) == []
    (waiting,) = await house.database.read(house.notebook.waiting)
    await house.control.checking.decide(waiting.id, approve=True)
    (one,) = await told(house)
    assert (one.use, one.said.step, one.said.notes) == ("urn:job:1", "sum", NOTES)
    kept = house.notebook.retention
    for late, left in ((kept - timedelta(days=1), 1), (kept, 0)):
        await house.database.write(lambda tx: house.notebook.forget(tx, NOW + late))  # noqa: B023 - waited for
        assert len(await told(house)) == left
