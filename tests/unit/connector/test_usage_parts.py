"""Parts of questions and answers on their way through usage control."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest

from medspace.connector.model import TRANSFERS, TransferState
from medspace.connector.usage.errors import (
    JobClosedError,
    NotAdmittedError,
    PartMissingError,
    StepError,
    UnknownJobError,
    UseFailedError,
)
from medspace.connector.usage.model import KEPT, QUESTIONS
from medspace.core.limits import PARTS
from medspace.core.parts import Keeping, Part
from medspace.core.usage import Output, release_digest
from tests.unit.connector.uses import KIND, USER, House, admitted_house, call, transfer_of

JOB = "urn:job:1"
BINARY = "application/octet-stream"


def part_of(content):
    return Part(sha256(content).hexdigest(), BINARY, len(content))


def bring(house, content, job=JOB):
    part = part_of(content)
    receiving = house.blobs.receive(Keeping(USER, job), part)
    receiving.write(content)
    receiving.finish()
    return part


def upper(house):
    """Have the engine answer with the first part of the question in capitals."""

    def answer(admission, step, workplace):
        house.engine.asked.append(admission)
        with workplace.blobs.open(step.parts[0]) as asked, workplace.blobs.create("text/plain") as made:
            made.write(asked.read().upper())
        return replace(house.engine.output, parts=(made.part,))

    house.engine.answer = answer


async def test_an_engine_reads_the_parts_of_the_question_and_releases_its_own():
    house, token = await admitted_house()
    upper(house)
    asked = bring(house, b"content")
    release = await house.control.step(call(token, parts=(asked,)))
    made = Part(sha256(b"CONTENT").hexdigest(), "text/plain", 7)
    assert release.parts == (made,)
    assert release.digest == release_digest(release.kind, 1, release.cohort, release.values, parts=(made,))
    assert release.digest != release_digest(release.kind, 1, release.cohort, release.values)
    assert (await house.log())[-1].facts["parts"] == [f"sha256:{made.digest}"]
    assert await house.control.step(call(token, parts=(asked,))) == release
    assert len(house.engine.asked) == 1
    doors = house.control.parts
    assert await doors.released(USER, JOB, token, made.digest) == made
    assert await doors.released(USER, JOB, token, asked.digest) is None


async def test_a_release_without_parts_is_named_as_before():
    house, token = await admitted_house()
    release = await house.control.step(call(token))
    assert release.digest == release_digest(release.kind, 1, release.cohort, release.values)
    assert "parts" not in (await house.log())[-1].facts


async def test_another_part_is_another_question():
    house, token = await admitted_house()
    upper(house)
    await house.control.step(call(token, parts=(bring(house, b"one"),)))
    await house.control.step(call(token, round=2, parts=(bring(house, b"two"),)))
    assert len(house.engine.asked) == 2


async def test_a_step_whose_parts_are_not_here_is_refused_before_it_counts():
    house, token = await admitted_house()
    upper(house)
    for part in (part_of(b"content"), replace(bring(house, b"other"), size=4)):
        with pytest.raises(StepError) as refused:
            await house.control.step(call(token, parts=(part,)))
        assert isinstance(refused.value.__cause__, PartMissingError)
    assert await house.log() == []


async def test_the_parts_of_another_use_are_not_here():
    house, token = await admitted_house()
    upper(house)
    part = bring(house, b"content", job="urn:job:2")
    with pytest.raises(StepError):
        await house.control.step(call(token, parts=(part,)))
    bring(house, b"content")  # the control
    assert (await house.control.step(call(token, parts=(part,)))).parts


@pytest.mark.parametrize(
    "parts",
    [
        (part_of(b""),) * (PARTS + 1),
        (Part("../../etc/passwd", BINARY, 1),),
        (Part("A" * 64, BINARY, 1),),
        (Part("a" * 64, "nothing", 1),),
        (Part("a" * 64, "a/" + "b" * 100, 1),),
        (Part("a" * 64, BINARY, -1),),
        (Part("a" * 64, BINARY, 1 << 60),),
    ],
)
async def test_what_is_no_part_is_refused(parts):
    house, token = await admitted_house()
    with pytest.raises(StepError):
        await house.control.step(call(token, parts=parts))
    assert await house.log() == []


@pytest.mark.parametrize(
    "parts",
    [(part_of(b"nowhere"),), (Part("a" * 64, "nothing", 1),), (part_of(b""),) * (PARTS + 1)],
)
async def test_an_engine_that_names_parts_that_it_did_not_make_has_failed(parts):
    house, token = await admitted_house()
    house.engine.output = replace(house.engine.output, parts=parts)
    with pytest.raises(UseFailedError):
        await house.control.step(call(token))
    assert (await house.kinds())[-1] == "use.failed"


async def test_who_has_no_right_brings_and_fetches_nothing():
    house, token = await admitted_house()
    doors = house.control.parts
    await doors.enter(USER, JOB, token)
    for user, job, given in (("did:web:x", JOB, token), (USER, "urn:job:2", token), (USER, JOB, "guessed")):
        with pytest.raises(UnknownJobError):
            await doors.enter(user, job, given)
        with pytest.raises(UnknownJobError):
            await doors.released(user, job, given, "a" * 64)
    await house.change(open=False)
    with pytest.raises(JobClosedError):
        await doors.enter(USER, JOB, token)


async def both_asked():
    """A house in which a second use asks what the first one was answered, with parts."""
    house, token = await admitted_house(count=5)
    upper(house)
    house.asked = bring(house, b"content")
    house.first = await house.control.step(call(token, parts=(house.asked,)))
    house.second = await house.start("urn:job:2")
    bring(house, b"content", "urn:job:2")
    return house


async def test_the_parts_of_an_answer_are_given_to_who_asks_the_same():
    house = await both_asked()
    again = await house.control.step(call(house.second, "urn:job:2", parts=(house.asked,)))
    assert (again.digest, again.parts) == (house.first.digest, house.first.parts)
    assert len(house.engine.asked) == 1
    house.blobs.drop(Keeping(USER, JOB))
    with house.blobs.of(Keeping(USER, "urn:job:2")).open(again.parts[0]) as kept:
        assert kept.read() == b"CONTENT"


async def test_where_they_are_forgotten_it_is_a_new_question():
    """Whoever got an answer with parts and ended the use had nobody answered to the same question for a year."""
    house = await both_asked()
    house.blobs.drop(Keeping(USER, JOB))
    again = await house.control.step(call(house.second, "urn:job:2", parts=(house.asked,)))
    assert (again.digest, again.parts) == (house.first.digest, house.first.parts)
    assert len(house.engine.asked) == 2
    (question,) = await house.database.read(lambda tx: tx.find(QUESTIONS, where={"job": "urn:job:2"}))
    assert question.counted
    third = await house.start("urn:job:3")
    bring(house, b"content", "urn:job:3")
    await house.control.step(call(third, "urn:job:3", parts=(house.asked,)))  # the control: these parts are there
    assert len(house.engine.asked) == 2


async def test_a_question_whose_parts_are_forgotten_is_refused_where_no_more_are_answered():
    house = await both_asked()
    house.blobs.drop(Keeping(USER, JOB))
    house.limit = 1
    house.build()
    with pytest.raises(NotAdmittedError):
        await house.control.step(call(house.second, "urn:job:2", parts=(house.asked,)))
    assert len(house.engine.asked) == 1


async def test_another_use_that_still_has_the_parts_gives_them():
    house = await both_asked()
    await house.control.step(call(house.second, "urn:job:2", parts=(house.asked,)))
    third = await house.start("urn:job:3")
    bring(house, b"content", "urn:job:3")
    house.blobs.drop(Keeping(USER, "urn:job:2"))  # the newest answer has lost them, the first one not
    again = await house.control.step(call(third, "urn:job:3", parts=(house.asked,)))
    assert again.parts == house.first.parts
    assert len(house.engine.asked) == 1


async def test_an_answer_that_is_forgotten_with_its_parts_is_a_new_question():
    house = await both_asked()
    kept = house.control._working._recalled_otherwise

    async def late(question, gone):
        await house.database.write(lambda tx: [tx.delete(KEPT, one) for one in tx.find(KEPT)])
        return await kept(question, gone)

    house.control._working._recalled_otherwise = late
    house.blobs.drop(Keeping(USER, JOB))
    assert await house.control.step(call(house.second, "urn:job:2", parts=(house.asked,)))
    assert len(house.engine.asked) == 2


@pytest.mark.parametrize("state", [TransferState.COMPLETED, TransferState.TERMINATED])
async def test_the_parts_of_a_use_go_with_its_end(state):
    house, _ = await admitted_house()
    for job in (JOB, "urn:job:2"):
        bring(house, b"content", job)
    over = replace(transfer_of(JOB, "urn:agreement:1", KIND), state=state)
    going = replace(transfer_of("urn:job:2", "urn:agreement:1", KIND), state=TransferState.SUSPENDED, peer_pid="2")
    await house.database.write(lambda tx: [tx.insert(TRANSFERS, one) for one in (over, going)])
    await house.control.parts.tidy()
    assert house.blobs.kept() == [Keeping(USER, "urn:job:2")]
    house.clock.advance(timedelta(days=31).total_seconds())
    await house.control.parts.tidy()
    assert house.blobs.kept() == []


async def test_the_end_of_a_use_is_looked_for_again_and_again():
    house = House()
    working = asyncio.ensure_future(house.control.parts.work())
    bring(house, b"content")
    while house.blobs.kept():
        house.clock.advance(timedelta(days=31).total_seconds())
        await asyncio.sleep(0.001)
    working.cancel()


async def test_what_waits_for_a_person_leaves_with_its_parts():
    house, token = await admitted_house()
    upper(house)
    plain = house.engine.answer
    house.engine.answer = lambda *given: replace(plain(*given), hold=True)
    asked = bring(house, b"content")
    with pytest.raises(Exception, match="held"):
        await house.control.step(call(token, parts=(asked,)))
    (question,) = await house.control.checking.steps(None, None, 10)
    release = await house.control.checking.decide(question.id, approve=True)
    assert [part.size for part in release.parts] == [7]
    assert await house.control.parts.released(USER, JOB, token, release.parts[0].digest) == release.parts[0]


def test_outputs_of_before_are_outputs_still():
    assert Output("count.sum", {}, 10).parts == ()
