"""What a use remembers: written with what is released, sealed under its own key, and gone after its end."""

import asyncio
import base64
from dataclasses import replace

import pytest

from medspace.adapters.memory import MemoryDatabase
from medspace.connector.model import INTENTS, Intent, ProcessKind
from medspace.connector.ports import TransferEvent
from medspace.connector.usage.errors import JobClosedError, StepHeldError, UseMemoryError, WithheldError
from medspace.connector.usage.memory import AGAIN, MOST_MEMORY
from medspace.connector.usage.model import COLLECTIONS, KEPT, MEMORIES
from medspace.core.engine import OutputForm, StepLimits
from medspace.core.errors import StorageFullError
from medspace.core.usage import Output
from tests.unit.connector.uses import House, call

JOB = "urn:job:1"
SECRET = b"the masking secret of this use"


class Remembering:
    """An engine that counts in its memory how often it was asked."""

    def __init__(self, engine):
        self.engine, self.seen = engine, []
        self.memory = lambda before: (before or SECRET) + b"."

    def __getattr__(self, name):
        return getattr(self.engine, name)

    def answer(self, admission, step, workplace):
        self.seen.append(workplace.memory)
        return replace(self.engine.answer(admission, step, workplace), memory=self.memory(workplace.memory))


async def remembering(database=None, **limits):
    house = House(database)
    house.engine.limits = StepLimits(**limits)
    house.engine = Remembering(house.engine)
    house.build()
    await house.agree()
    return house, await house.start()


async def kept(house):
    return repr(await house.database.read(lambda tx: [tx.find(one) for one in COLLECTIONS]))


async def memory(house, job=JOB):
    return await house.database.read(lambda tx: tx.get(MEMORIES, job))


async def forgotten(house, *, gone=True):
    """What goes on in the background has done what was due; where nothing is, it had its time to do so."""
    work = asyncio.ensure_future(house.control._memories.work())
    async with asyncio.timeout(60):
        turns = 0
        while (list(house.keys.uses()) or house.control._memories._kept) and (gone or turns < 200):
            turns += 1
            await asyncio.to_thread(lambda: None)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


async def test_what_a_step_leaves_behind_is_there_for_the_next_also_after_a_restart():
    house, token = await remembering()
    await house.control.step(call(token, round=1))
    house.build()
    await house.control.recover()
    await house.control.step(call(token, round=2))
    assert house.engine.seen == [None, SECRET + b"."]


async def test_an_engine_that_says_nothing_leaves_the_memory_as_it_is():
    house, token = await remembering()
    await house.control.step(call(token, round=1))
    house.engine.memory = lambda _: None
    await house.control.step(call(token, round=2))
    await house.control.step(call(token, round=3))
    assert house.engine.seen[1:] == [SECRET + b"."] * 2


async def test_each_use_has_a_memory_of_its_own():
    house, token = await remembering()
    other = await house.start("urn:job:2")
    await house.control.step(call(token, round=1))
    await house.control.step(call(other, job="urn:job:2", round=2))
    assert house.engine.seen == [None, None]
    assert (await memory(house)).sealed != (await memory(house, "urn:job:2")).sealed


async def test_the_database_alone_opens_nothing():
    house, token = await remembering()
    await house.control.step(call(token, round=1))
    for name in (SECRET.decode(), base64.b64encode(SECRET[:30]).decode()):
        assert name not in await kept(house)
    house.keys.forget(JOB)
    house.build()
    with pytest.raises(UseMemoryError):
        await house.control.step(call(token, round=2))
    assert (await house.log())[-1].facts["code"] == "use.memory"
    house.keys.make(JOB)  # another key opens nothing either
    with pytest.raises(UseMemoryError):
        await house.control.step(call(token, round=3))


async def test_what_does_not_leave_is_not_remembered():
    house, token = await remembering()
    good = house.engine.output
    house.engine.engine.output = replace(good, cohort=3)
    with pytest.raises(WithheldError):
        await house.control.step(call(token, round=1))
    assert await memory(house) is None
    house.engine.engine.output = good
    await house.control.step(call(token, round=2))
    assert house.engine.seen == [None, None]


class Full(MemoryDatabase):
    left = 1000

    async def write(self, work):
        self.left -= 1
        if self.left < 0:
            raise StorageFullError(reason="no room")
        return await super().write(work)


async def test_the_memory_is_written_with_the_release_or_not_at_all():
    house, token = await remembering(Full())
    house.engine.engine.before = lambda: setattr(house.database, "left", 0)
    with pytest.raises(StorageFullError):
        await house.control.step(call(token, round=1))
    house.database.left = 1000
    house.engine.engine.before = lambda: None
    assert await memory(house) is None
    assert "use.released" not in await house.kinds()


async def test_a_memory_that_is_too_large_is_not_kept():
    house, token = await remembering()
    house.engine.memory = lambda _: bytes(MOST_MEMORY + 1)
    with pytest.raises(UseMemoryError):
        await house.control.step(call(token, round=1))
    assert (await house.kinds())[-1] == "use.failed"
    house.engine.memory = lambda _: bytes(MOST_MEMORY)
    await house.control.step(call(token, round=2))


# --- answers of their own --------------------------------------------------------------------------------------


async def test_a_use_that_remembers_gets_no_answer_of_another_and_gives_none():
    house, token = await remembering()
    other = await house.start("urn:job:2")
    await house.control.step(call(token))
    house.engine.engine.output = replace(house.engine.output, values={"sum": 2.5})
    assert (await house.control.step(call(other, job="urn:job:2"))).values == {"sum": 2.5}
    assert (await house.control.step(call(token))).values == {"sum": 1.5}  # its own, that it asked for again


async def test_an_answer_of_a_use_without_memory_is_not_given_to_one_with():
    house, token = await remembering()
    other = await house.start("urn:job:2")
    house.engine.memory = lambda _: None
    await house.control.step(call(token, round=2))
    house.engine.memory = lambda _: SECRET
    await house.control.step(call(other, job="urn:job:2", round=1))
    house.engine.engine.output = replace(house.engine.output, values={"sum": 2.5})
    assert (await house.control.step(call(other, job="urn:job:2", round=2))).values == {"sum": 2.5}


# --- an output that waits for a person -------------------------------------------------------------------------


async def held(house, token):
    house.engine.engine.output = replace(house.engine.output, hold=True)
    with pytest.raises(StepHeldError):
        await house.control.step(call(token, round=1))
    (waiting,) = await house.database.read(house.notebook.waiting)
    return waiting.id


async def test_what_goes_with_an_output_that_waits_is_remembered_when_it_leaves():
    house, token = await remembering(check=3600)
    step = await held(house, token)
    assert (await memory(house)).sealed == ""
    kept_output = await house.database.read(lambda tx: house.notebook.held(tx, step))
    assert kept_output.memory is None
    house.build()
    await house.control.checking.decide(step, approve=True)
    house.engine.engine.output = replace(house.engine.output, hold=False)
    await house.control.step(call(token, round=2))
    assert house.engine.seen[-1] == SECRET + b"."


async def test_what_goes_with_an_output_that_a_person_keeps_back_is_not_remembered():
    house, token = await remembering(check=3600)
    await house.control.checking.decide(await held(house, token), approve=False)
    house.engine.engine.output = replace(house.engine.output, hold=False)
    await house.control.step(call(token, round=2))
    assert house.engine.seen == [None, None]


async def test_an_output_that_waits_keeps_what_was_remembered_before():
    house, token = await remembering(check=3600)
    await house.control.step(call(token, round=0))
    step = await held(house, token)
    await house.control.checking.decide(step, approve=False)
    house.engine.engine.output = replace(house.engine.output, hold=False)
    await house.control.step(call(token, round=2))
    assert house.engine.seen == [None, SECRET + b".", SECRET + b"."]


async def test_an_output_that_waits_and_changes_nothing_leaves_the_memory():
    house, token = await remembering(check=3600)
    house.engine.memory = lambda _: None
    await held(house, token)
    assert await memory(house) is None


# --- the end ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [TransferEvent.COMPLETED, TransferEvent.TERMINATED])
async def test_the_key_and_the_memory_go_with_the_use(event):
    house, token = await remembering()
    await house.control.step(call(token, round=1))
    await house.tell(event)
    await forgotten(house)
    assert (list(house.keys.uses()), await memory(house)) == ([], None)


async def test_a_suspended_use_goes_on_remembering():
    house, token = await remembering()
    await house.control.step(call(token, round=1))
    await house.tell(TransferEvent.SUSPENDED)
    await forgotten(house, gone=False)
    assert list(house.keys.uses()) == [JOB]
    await house.tell(TransferEvent.STARTED)
    await house.control.step(call(token, round=2))
    assert house.engine.seen[-1] == SECRET + b"."


@pytest.mark.parametrize(("action", "gone"), [("terminate", True), ("complete", True), ("suspend", False)])
async def test_what_the_holder_ends_is_forgotten_before_the_user_acknowledges_it(action, gone):
    house, token = await remembering()
    await house.control.step(call(token, round=1))
    intent = Intent(JOB, ProcessKind.TRANSFER, action, "https://x.example", "did:web:x", {}, "now", "now")
    await house.database.write(lambda tx: tx.insert(INTENTS, intent))
    await forgotten(house, gone=gone)
    assert (list(house.keys.uses()) == []) is gone


async def test_a_key_of_a_use_that_ended_while_no_connector_ran_is_forgotten_at_the_start():
    house, token = await remembering()
    await house.control.step(call(token, round=1))
    house.keys.make("urn:job:never-heard-of")
    await house.tell(TransferEvent.COMPLETED)
    house.build()
    await house.control.recover()
    assert (list(house.keys.uses()), await memory(house)) == ([], None)


async def test_a_step_that_ends_after_its_use_leaves_no_key():
    house, token = await remembering()
    house.engine.engine.before = lambda: asyncio.run(house.tell(TransferEvent.COMPLETED))
    with pytest.raises(JobClosedError):
        await house.control.step(call(token, round=1))
    await forgotten(house)
    assert (list(house.keys.uses()), await memory(house)) == ([], None)


async def test_a_key_that_cannot_be_deleted_is_tried_again():
    house, token = await remembering()
    await house.control.step(call(token, round=1))
    forget, failed = house.keys.forget, []

    def broken(use):
        failed.append(use)
        raise OSError("the disk")

    house.keys.forget = broken
    await house.tell(TransferEvent.COMPLETED)
    work = asyncio.ensure_future(house.control._memories.work())
    while not house.clock.sleepers:
        await asyncio.to_thread(lambda: None)
    assert failed == [JOB]
    house.keys.forget = forget
    house.clock.advance(AGAIN)
    while list(house.keys.uses()) or await memory(house):
        await asyncio.to_thread(lambda: None)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


# --- protocol messages -----------------------------------------------------------------------------------------


async def messaging(output, most=200, **terms):
    house = House(**terms)
    house.engine.outputs = (OutputForm("coin.commitment", message=True, most=most), OutputForm("count.sum"))
    house.engine.output = output
    await house.agree()
    return house, await house.start()


KEY = "k" * 150


async def test_a_protocol_message_needs_no_cohort_and_may_be_longer_than_a_word():
    house, token = await messaging(Output("coin.commitment", {"key": KEY}, 0), min_cohort=100)
    release = await house.control.step(call(token))
    assert (release.values, release.cohort) == ({"key": KEY}, 0)


@pytest.mark.parametrize(
    "output",
    [
        Output("coin.commitment", {"key": KEY * 2}, 0),
        Output("coin.commitment", {"keys": [KEY, KEY]}, 0),
        Output("coin.commitment", {"key": float("nan")}, 0),
        Output("coin.commitment", {"key": b"bytes"}, 0),
        Output("coin.commitment", {"key": KEY}, 50),  # it says that persons stand behind it
        Output("count.sum", {"key": KEY}, 200),  # made of persons: short words only
        Output("count.sum", {"sum": 1.5}, 0),
    ],
)
async def test_what_has_not_the_form_of_its_message_is_kept_back(output):
    house, token = await messaging(output)
    with pytest.raises(WithheldError):
        await house.control.step(call(token))


async def test_the_agreement_must_allow_a_message_like_every_output():
    house, token = await messaging(Output("coin.commitment", {"key": KEY}, 0), outputs=["count.sum"])
    with pytest.raises(WithheldError):
        await house.control.step(call(token))
    assert (await house.log())[-1].facts["code"] in {"release.output", "policy.output"}


async def test_a_message_is_for_the_use_that_asked_for_it_alone():
    house, token = await messaging(Output("coin.commitment", {"key": "first"}, 0))
    await house.control.step(call(token))
    house.engine.output = Output("coin.commitment", {"key": "second"}, 0)
    other = await house.start("urn:job:2")
    assert (await house.control.step(call(other, job="urn:job:2"))).values == {"key": "second"}
    assert (await house.control.step(call(token))).values == {"key": "first"}
    assert {one.request for one in await house.database.read(lambda tx: tx.find(KEPT))} == {""}
