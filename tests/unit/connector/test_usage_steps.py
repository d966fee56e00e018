"""Steps are durable: done once, told while they last, held for a person, ended by limits, resumed after a kill."""

import asyncio
import threading
from dataclasses import replace

import pytest

from medspace.adapters.memory import MemoryDatabase
from medspace.adapters.runner import ThreadRunner
from medspace.connector.ports import TransferEvent
from medspace.connector.turns import BusyError
from medspace.connector.usage import going, rules
from medspace.connector.usage.calls import Call
from medspace.connector.usage.errors import (
    JobClosedError,
    NoStepError,
    NotHeldError,
    StepError,
    StepHeldError,
    StepOverError,
    StepTooLongError,
    StepUnknownError,
    UnknownJobError,
    UseFailedError,
    UseWaitsError,
    WithheldError,
)
from medspace.connector.usage.going import Lead
from medspace.connector.usage.model import KEPT, QUESTIONS, SPENT, QuestionOutcome
from medspace.connector.usage.naming import digests_of
from medspace.connector.usage.notebook import StepRefusal
from medspace.connector.usage.states import StepState
from medspace.core.decision import Decision, Verdict
from medspace.core.engine import OutputForm, StepLimits
from medspace.core.errors import InvalidInputError, RefusedError, StorageFullError, WaitingError
from medspace.core.text import Text
from medspace.core.usage import Brakes, Output, Release, Step
from tests.unit.connector.uses import HOLDER, LABEL, USER, House, admitted_house, call

DAY = 24 * 3600.0


class InTheOpenError(RefusedError):
    code = "rows.refused"


SUM = Output("count.sum", {"sum": 1.5}, 50)


class Gate:
    """Holds the engine's thread until it is let go."""

    def __init__(self, house: House) -> None:
        self.begun, self._go = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        def before() -> None:
            loop.call_soon_threadsafe(self.begun.set)
            assert self._go.wait(30)

        house.engine.before = before

    def open(self) -> None:
        self._go.set()


async def working(**limits):
    """A house whose engine is at work on a step that was asked for, and the standing of that."""
    house, token = await admitted_house()
    house.engine.limits = StepLimits(**limits)
    gate = Gate(house)
    standing = await asked(house, token, gate)
    return house, token, gate, standing


async def asked(house: House, token: str, gate: Gate, **step):
    """Ask, wait until the engine works, and until the patience of the caller is over."""
    asking = asyncio.create_task(house.control.ask(call(token, **step), 5.0))
    await gate.begun.wait()
    while not asking.done():
        house.clock.advance(5.0)
        await asyncio.sleep(0.001)
    return asking.result()


def seen(token: str, job: str = "urn:job:1") -> Call:
    return Call("did:web:company.example", job, token, Step({}, 0, ""))


# --- while it is worked on -------------------------------------------------------------------------------------


async def test_a_quick_step_is_answered_at_once():
    house, token = await admitted_house()
    standing = await house.control.ask(call(token), 5.0)
    assert (standing.state, standing.release.values) == (StepState.RELEASED, {"sum": 1.5})
    await asyncio.sleep(0)
    assert house.clock.sleepers == 0


async def test_a_step_that_takes_long_is_told_and_delivered_later():
    house, token, gate, standing = await working()
    assert (standing.state, standing.release, standing.seconds) == (StepState.WORKING, None, going.SOON)
    gate.open()
    later = await house.control.look(seen(token), standing.step, 5.0)
    assert later.release.values == {"sum": 1.5}
    again = await house.control.look(seen(token), standing.step, 5.0)
    assert again.release == later.release
    assert await house.kinds() == ["use.admitted", "use.released"]


async def test_the_same_step_asked_for_while_it_is_worked_on_is_one_step():
    house, token, gate, standing = await working()
    others = [asyncio.create_task(house.control.step(call(token))) for _ in range(5)]
    await asyncio.sleep(0)
    gate.open()
    assert len({release.id for release in await asyncio.gather(*others)}) == 1
    assert len(house.engine.asked) == 1
    assert await house.kinds() == ["use.admitted", "use.released"]
    assert (await house.job()).steps == 1
    assert (await house.control.look(seen(token), standing.step, 5.0)).release


async def test_the_release_of_one_user_is_told_again_while_the_step_of_another_one_is_worked_on():
    house, token = await admitted_house()
    other = await house.start("urn:job:2")
    first = await house.control.ask(call(token), 5.0)
    gate = Gate(house)
    await asked(house, other, gate, job="urn:job:2", round=2)
    assert await house.control.step(call(token)) == first.release
    assert (await house.control.look(seen(token), first.step, 5.0)).release == first.release
    gate.open()
    await house.settled()


async def test_who_waits_behind_a_long_step_is_told_so():
    house, token = await admitted_house()
    other = await house.start("urn:job:2")
    gate = Gate(house)
    long = asyncio.create_task(house.control.step(call(token)))
    await gate.begun.wait()
    standing = await asked(house, other, gate, job="urn:job:2", round=2)
    assert standing.state is StepState.WAITING
    assert (await house.kinds()).count("use.admitted") == 1  # nothing is admitted that cannot begin
    gate.open()
    assert (await house.control.look(seen(other, "urn:job:2"), standing.step, 5.0)).release
    await long


async def test_too_many_steps_that_wait_are_refused_with_the_time_to_come_back(monkeypatch):
    house, token, gate, _ = await working()
    monkeypatch.setattr("medspace.connector.usage.service.MOST_OF_ONE", 3)
    waiting = [asyncio.create_task(house.control.step(call(token, round=number))) for number in (2, 3)]
    await asyncio.sleep(0.05)
    with pytest.raises(BusyError) as busy:
        await house.control.step(call(token, round=4))
    assert busy.value.facts["seconds"] > 0
    gate.open()
    await asyncio.gather(*waiting)


async def test_nobody_else_looks_at_a_step():
    house, token, gate, standing = await working()
    for who in (replace(seen(token), user="did:web:other.example"), seen("wrong"), seen(token, "urn:job:9")):
        with pytest.raises(UnknownJobError):
            await house.control.look(who, standing.step, 5.0)
    with pytest.raises(StepUnknownError):
        await house.control.look(seen(token), "sha256:" + "0" * 64, 5.0)
    gate.open()
    await house.settled()


# --- ends ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [TransferEvent.SUSPENDED, TransferEvent.COMPLETED, TransferEvent.TERMINATED])
async def test_what_is_worked_on_is_ended_at_once_when_the_use_is(event):
    house, _, gate, standing = await working()
    lead = house.control._going.get("urn:job:1", standing.step)
    await house.tell(event)
    with pytest.raises(JobClosedError):
        await lead.task  # the engine has not come back
    admitted, ended = await house.log()
    assert (ended.kind, ended.facts["code"]) == ("use.withheld", "use.closed")
    assert ended.facts["admission"] == admitted.facts["admission"]
    gate.open()


async def test_rows_that_an_ended_thread_still_reads_are_not_asked_by_the_next():
    house, token, gate, _ = await working()
    other = await house.start("urn:job:2")
    await house.tell(TransferEvent.SUSPENDED)
    await house.settled()
    standing = await asked(house, other, gate, job="urn:job:2", round=2)
    assert standing.state is StepState.WAITING
    assert len(house.engine.asked) == 1
    gate.open()
    assert (await house.control.look(seen(other, "urn:job:2"), standing.step, 5.0)).release
    assert token


async def test_a_connector_that_ends_does_not_wait_for_a_thread_that_does_not():
    house, _, gate, _ = await working(seconds=60)
    house.clock.advance(60)
    await house.settled()
    await house.control.close()
    gate.open()


async def test_a_step_that_takes_longer_than_its_engine_allows_fails_and_its_result_is_dropped():
    house, token, gate, standing = await working(seconds=60)
    lead = house.control._going.get("urn:job:1", standing.step)
    house.clock.advance(60)
    with pytest.raises(StepTooLongError):
        await lead.task
    gate.open()
    entry = (await house.log())[-1]
    assert (entry.kind, entry.facts["code"]) == ("use.failed", "use.too_long")
    with pytest.raises(StepOverError) as over:
        await house.control.look(seen(token), standing.step, 5.0)
    assert (over.value.facts["decision"], "60" in str(over.value)) == ("use.too_long", True)
    house.engine.before = lambda: None
    assert await house.control.step(call(token))


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ZeroDivisionError("a bug"), "use.failed", UseFailedError),
        (InvalidInputError(reason=Text("there is no column x")), "input.invalid", StepError),
        (RefusedError(reason=Text("few persons")), rules.WITHHELD, WithheldError),
    ],
)
async def test_what_was_told_of_the_end_is_told_again_after_a_restart_too(error, code, told):
    house, token = await admitted_house()
    house.engine.error = error
    with pytest.raises(told) as first:
        await house.control.ask(call(token), 5.0)
    (question,) = await house.database.read(lambda tx: tx.find(QUESTIONS))
    house.build()
    with pytest.raises(StepOverError) as over:
        await house.control.look(seen(token), question.asked, 5.0)
    assert (question.code, over.value.facts["decision"]) == (code, code)
    assert str(first.value.facts.get("reason", "")) in str(over.value)
    assert "few persons" not in repr(question)
    assert "no column" not in repr(question)


async def test_a_place_that_never_comes_free_admits_nothing():
    house, token = await admitted_house()
    runner = house.control._runners.named["thread"]
    for member in ("did:web:one.example", "did:web:two.example"):
        while runner.free(member):
            await runner._turns.enter(member)
    asking = asyncio.create_task(house.control.ask(call(token), 5.0))
    while not asking.done():
        house.clock.advance(1.0)
        await asyncio.sleep(0.001)
    assert asking.result().state is StepState.WAITING
    assert await house.log() == []
    await house.control.close()


@pytest.mark.parametrize("event", [TransferEvent.SUSPENDED, TransferEvent.TERMINATED])
async def test_what_waits_for_its_turn_is_ended_when_its_use_is(event):
    """The asset is at work for another use: whoever waited for it waited on, for hours, for nothing."""
    house, _, gate, standing = await working()
    other = await house.start("urn:job:2")
    waiting = asyncio.create_task(house.control.step(call(other, job="urn:job:2")))
    asked = digests_of(call(other).step).step
    while house.control._going.get("urn:job:2", asked) is None:
        await asyncio.to_thread(lambda: None)
    await house.tell(event, "urn:job:2")
    with pytest.raises(JobClosedError):
        await waiting
    assert await house.kinds() == ["use.admitted"]  # of the first
    gate.open()
    await house.settled()
    assert await house.kinds() == ["use.admitted", "use.released"]
    assert standing.state is StepState.WORKING


async def test_what_was_cut_off_and_waits_for_its_turn_is_ended_when_its_use_is():
    house, _, gate, _ = await working()
    other = await house.start("urn:job:2")
    (question,) = await house.database.read(lambda tx: tx.find(QUESTIONS))
    later = replace(question, id="urn:uuid:later", job="urn:job:2")
    await house.database.write(lambda tx: tx.insert(QUESTIONS, later))
    sealed = replace(later, sealed=house.notebook.sealed(call(other).step, later.id))
    await house.database.write(lambda tx: tx.replace(QUESTIONS, later, sealed))
    lead = house.control._going.join(
        Lead("urn:job:2", sealed.asked, USER), lambda lead: house.control._resumed(lead, sealed)
    )
    await asyncio.sleep(0)
    await house.tell(TransferEvent.SUSPENDED, "urn:job:2")
    with pytest.raises(JobClosedError):
        await lead.task
    assert (await house.log())[-1].facts == {"admission": "urn:uuid:later", "code": "use.closed"}
    gate.open()
    await house.settled()


# --- how far it is ---------------------------------------------------------------------------------------------


async def test_how_far_a_long_step_is_is_told_to_whoever_waits():
    house, token = await admitted_house()
    gate, told = Gate(house), []
    answer = house.engine.answer

    def telling(admission, step, workplace):
        told.append(workplace.progress)
        return answer(admission, step, workplace)

    house.engine.answer = telling
    standing = await asked(house, token, gate)
    assert (standing.percent, standing.left, standing.seconds) == (None, None, going.SOON)
    (tell,) = told
    (question,) = await house.control.checking.steps(None, None, 10)
    assert house.control.progress(question) is None
    tell(100, 400)
    assert await far(house, token, standing) == (25, None, going.SOON)
    house.clock.advance(60.0)
    tell(200, 400)
    assert (await far(house, token, standing))[:2] == (50, 2 * 65 - 5)  # 65 s for a quarter
    progress = house.control.progress(question)
    assert (progress.done, progress.of) == (200, 400)
    for done, of in ((500, 400), (-1, 400), (float("nan"), 1), (1, float("inf")), (0, 0)):
        tell(done, of)
    assert house.control.progress(question) == progress
    house.clock.advance(200.0)
    assert (await far(house, token, standing))[1] == 0
    gate.open()
    await house.settled()
    assert house.control.progress(question) is None
    tell(400, 400)  # too late: nobody is told, nothing breaks


async def far(house, token, standing):
    """How far a step is, asked with a patience of five seconds."""
    looking = asyncio.create_task(house.control.look(seen(token), standing.step, 5.0))
    while house.clock.sleepers < 2 and not looking.done():
        await asyncio.to_thread(lambda: None)
    house.clock.advance(5.0)
    found = await looking
    return found.percent, found.left, found.seconds


def test_a_step_that_takes_long_is_asked_for_more_seldom():
    working = StepState.WORKING
    asks = [going.StepStatus("s", working, left=left).seconds for left in (None, 0, 9, 50, 3600)]
    assert asks == [1, 1, 1, 5, going.SELDOM]


# --- a person looks --------------------------------------------------------------------------------------------


async def held_house(**terms):
    house, token = await admitted_house(**terms)
    house.engine.limits = StepLimits(check=7 * DAY)
    house.engine.output = replace(SUM, hold=True, memory=b"m")
    standing = await house.control.ask(call(token), 5.0)
    assert (standing.state, standing.seconds) == (StepState.HELD, going.LATE)
    return house, token, standing


async def one(house) -> str:
    (question,) = await house.control.checking.steps(QuestionOutcome.HELD, None, 10)
    return question.id


async def test_an_output_that_a_person_must_see_waits_for_it_and_leaves_when_approved():
    house, token, standing = await held_house()
    assert await house.kinds() == ["use.admitted", "use.held"]
    with pytest.raises(StepHeldError):
        await house.control.step(call(token))
    assert await house.control.ask(call(token), 5.0) == standing
    house.clock.advance(3 * DAY)
    step = await one(house)
    found = await house.control.checking.step(step)
    output, sites = found.output, found.sites
    assert sites == (HOLDER,)
    assert (output.values, output.memory) == ({"sum": 1.5}, None)  # what it is to remember is under its own key
    release = await house.control.checking.decide(step, approve=True)
    assert await house.control._memories.opened("urn:job:1") == b"m"
    assert (await house.control.look(seen(token), standing.step, 5.0)).release == release
    assert await house.kinds() == ["use.admitted", "use.held", "use.released"]
    with pytest.raises(NotHeldError):
        await house.control.checking.decide(step, approve=True)


async def test_what_a_person_keeps_back_is_told_like_everything_that_is_kept_back():
    house, token, standing = await held_house()
    step = await one(house)
    assert await house.control.checking.decide(step, approve=False) is None
    assert (await house.log())[-1].facts["code"] == rules.WITHHELD
    assert house.told[-1] == (step, "checked")
    assert await house.database.read(lambda tx: tx.find(KEPT)) == []
    with pytest.raises(StepOverError) as over:
        await house.control.look(seen(token), standing.step, 5.0)
    assert over.value.facts["decision"] == rules.WITHHELD


async def reasons(house, state=QuestionOutcome.HELD):
    (question,) = await house.control.checking.steps(state, None, 10)
    return question.held_for


async def test_the_label_can_want_a_person_to_look_at_each_result():
    house, token = await admitted_house()
    await house.relabel(LABEL | {"review": True})
    with pytest.raises(StepHeldError):
        await house.control.step(call(token))
    assert await reasons(house) == ("label.review",)
    with pytest.raises(StepHeldError):
        await house.control.step(call(token))  # the same step, again
    with pytest.raises(UseWaitsError):
        await house.control.step(call(token, round=2))
    release = await house.control.checking.decide(await one(house), approve=True)
    assert await house.kinds() == ["use.admitted", "use.held", "use.released"]
    assert await house.control.step(call(token)) == release
    assert await reasons(house, QuestionOutcome.RELEASED) == ("label.review",)
    with pytest.raises(StepHeldError):
        await house.control.step(call(token, round=2))  # each of them


async def test_without_that_word_of_the_label_it_leaves_at_once():
    """The control."""
    house, token = await admitted_house()
    await house.relabel(LABEL | {"review": False})
    assert await house.control.step(call(token))
    assert await house.kinds() == ["use.admitted", "use.released"]


async def test_a_label_that_wants_it_while_the_engine_works_is_heard():
    house, token = await admitted_house()
    gate = Gate(house)
    step = asyncio.create_task(house.control.step(call(token)))
    await gate.begun.wait()
    await house.relabel(LABEL | {"review": True})
    gate.open()
    with pytest.raises(StepHeldError):
        await step
    assert await reasons(house) == ("label.review",)


async def test_all_who_want_a_person_to_look_are_named():
    house, token, _ = await held_house()
    assert await reasons(house) == ("use.engine",)
    await house.control.checking.decide(await one(house), approve=True)
    await house.relabel(LABEL | {"review": True})
    with pytest.raises(StepHeldError):
        await house.control.step(call(token, round=2))
    assert await reasons(house) == ("use.engine", "label.review")


async def test_an_answer_that_another_use_got_is_looked_at_as_well():
    house, token = await admitted_house()
    await house.control.step(call(token))
    await house.relabel(LABEL | {"review": True})
    other = await house.start("urn:job:2")
    with pytest.raises(StepHeldError):
        await house.control.step(call(other, job="urn:job:2"))
    assert len(house.engine.asked) == 1


async def test_a_message_of_a_protocol_is_for_no_person_to_look_at():
    house, token = await admitted_house()
    await house.relabel(LABEL | {"review": True})
    house.engine.outputs = (OutputForm("count.sum", message=True, most=64),)
    house.engine.output = replace(SUM, cohort=0)
    assert await house.control.step(call(token))


async def test_a_person_has_a_week_to_look():
    house, token = await admitted_house()
    await house.relabel(LABEL | {"review": True})
    with pytest.raises(StepHeldError):
        await house.control.step(call(token))
    house.clock.advance(6.9 * DAY)
    await house.control.tidy()
    assert await one(house)
    house.clock.advance(0.2 * DAY)
    await house.control.tidy()
    assert (await house.log())[-1].facts["code"] == "release.expired"


async def test_a_use_asks_nothing_more_while_an_answer_to_it_waits():
    house, token, _ = await held_house()
    with pytest.raises(UseWaitsError):
        await house.control.step(call(token, round=2))
    assert await house.kinds() == ["use.admitted", "use.held"]
    await house.control.checking.decide(await one(house), approve=True)
    house.engine.output = SUM
    assert await house.control.step(call(token, round=2))


async def test_what_waits_counts_among_what_was_answered():
    house, _, _ = await held_house()
    other = await house.start("urn:job:2")
    house.engine.output = SUM
    for _ in range(2):
        await house.control.step(call(other, job="urn:job:2", round=2))
        assert [step.round for step in house.engine.asked[-1].history][:1] == [1]
        house.build()


async def test_approval_does_not_open_what_is_closed_or_over():
    house, _, _ = await held_house()
    await house.tell(TransferEvent.TERMINATED)
    with pytest.raises(JobClosedError):
        await house.control.checking.decide(await one(house), approve=True)
    assert (await house.log())[-1].facts["code"] == "use.closed"
    assert await house.control.checking.steps(QuestionOutcome.HELD, None, 10) == []
    assert (await house.control.checking.steps(None, None, 10))[0].code == "use.closed"


async def test_what_nobody_looks_at_in_time_is_over():
    house, token, standing = await held_house()
    house.clock.advance(6 * DAY)
    await house.control.tidy()
    assert await one(house)
    house.clock.advance(2 * DAY)
    await house.control.tidy()
    assert (await house.log())[-1].facts["code"] == "release.expired"
    with pytest.raises(StepOverError):
        await house.control.look(seen(token), standing.step, 5.0)


async def test_a_held_answer_is_kept_sealed_and_survives_a_restart():
    house, token, standing = await held_house()
    (kept,) = await house.database.read(lambda tx: tx.find(KEPT))
    assert "1.5" not in repr(kept)
    house.build()
    await house.control.recover()
    assert (await house.control.look(seen(token), standing.step, 5.0)).state is StepState.HELD
    assert await house.control.checking.decide(await one(house), approve=True)


# --- after a kill ----------------------------------------------------------------------------------------------


class Full(MemoryDatabase):
    """A database that has no room left once `left` units were kept."""

    left = 1000

    async def write(self, work):
        if self.left <= 0:
            raise StorageFullError
        self.left -= 1
        return await super().write(work)


async def cut_off(left=3, **limits):
    """A house as after a kill between admission and release."""
    house = House(Full())
    house.engine.limits = StepLimits(**limits)
    await house.agree()
    token = await house.start()
    await house.sit(call(token))
    house.database.left = left
    with pytest.raises(StorageFullError):
        await house.control.step(call(token))
    house.database.left = 1000
    house.build()
    return house, token


@pytest.mark.parametrize("left", [1, 2, 3])
async def test_a_step_that_was_cut_off_is_done_again_without_a_second_admission_or_count(left):
    house, token = await cut_off(left)
    assert await house.kinds() == ["use.admitted"]
    await house.control.recover()
    release = await house.control.step(call(token))  # joins what was taken up
    assert release.values == {"sum": 1.5}
    assert await house.kinds() == ["use.admitted", "use.released"]
    assert (await house.job()).steps == 1
    (spent,) = await house.database.read(lambda tx: tx.find(SPENT))
    assert sum(spent.days.values()) == 1


async def test_what_may_be_known_is_counted_once_also_when_it_is_done_again():
    """A question that was answered on other rows is counted only when the rows are known; a kill comes in between."""
    house = House(Full())
    await house.agree()
    token, other = await house.start(), await house.start("urn:job:2")
    await house.control.step(call(token))
    house.source.said = tuple(range(100, 150))
    house.build()
    house.database.left = 3
    with pytest.raises(StorageFullError):
        await house.control.step(call(other, job="urn:job:2"))
    house.database.left = 1000
    house.build()
    await house.control.recover()
    assert await house.control.step(call(other, job="urn:job:2"))
    (spent,) = await house.database.read(lambda tx: tx.find(SPENT))
    assert sum(spent.days.values()) == 2


async def test_a_step_that_takes_the_connector_down_is_not_done_again_at_every_start():
    house, token = await cut_off()
    house.database.left = 5  # for all that comes before the release
    await house.control.recover()
    await house.settled()
    house.database.left = 1000
    house.build()
    await house.control.recover()
    await house.settled()
    entry = (await house.log())[-1]
    assert (entry.kind, entry.facts["code"]) == ("use.failed", "use.interrupted")
    (question,) = await house.database.read(lambda tx: tx.find(QUESTIONS))
    with pytest.raises(StepUnknownError):
        await house.control.look(seen(token), question.asked, 5.0)
    assert await house.control.step(call(token))  # sent again, it is another admission


async def test_a_step_whose_use_was_ended_meanwhile_is_not_done_again():
    house, _ = await cut_off()
    await house.change(open=False)
    await house.control.recover()
    await house.settled()
    admitted, ended = await house.log()
    assert (ended.kind, ended.facts["code"]) == ("use.withheld", "use.closed")
    assert len(house.engine.asked) == 1
    assert admitted.kind == "use.admitted"


@pytest.mark.parametrize("gone", ["engine", "step", "asset", "grant"])
async def test_a_step_that_nobody_can_answer_any_more_is_ended(gone):
    house, _ = await cut_off()
    if gone == "engine":
        house.build(engines={})
    elif gone == "step":
        house.build(engines={("medspace:train", "other"): lambda: house.engine})
    elif gone == "asset":
        house.build(sources={})
    else:
        (question,) = await house.database.read(lambda tx: tx.find(QUESTIONS))
        await house.database.write(lambda tx: tx.replace(QUESTIONS, question, replace(question, granted="")))
    await house.control.recover()
    await house.settled()
    entry = (await house.log())[-1]
    assert (entry.kind, entry.facts["code"]) == ("use.failed", "use.interrupted")


async def test_the_step_of_an_older_version_has_no_name_and_is_ended():
    house, token = await cut_off()
    (question,) = await house.database.read(lambda tx: tx.find(QUESTIONS))
    old = replace(question, asked="", granted="")
    await house.database.write(lambda tx: tx.replace(QUESTIONS, question, old))
    await house.control.recover()
    assert (await house.log())[-1].facts["code"] == "use.interrupted"
    assert (await house.control.step(call(token))).values == {"sum": 1.5}


# --- at the edges ----------------------------------------------------------------------------------------------


class Remembering(ThreadRunner):
    """A runner that still has what it was given before a kill."""

    async def holds(self, admission):
        return True


async def test_what_a_runner_still_has_goes_on_without_counting_as_a_repeat():
    house, token = await cut_off(seconds=60)
    house.control._runners = replace(house.control._runners, named={"thread": Remembering()})
    house.clock.advance(30)
    await house.control.recover()
    assert await house.control.step(call(token))
    (question,) = await house.database.read(lambda tx: tx.find(QUESTIONS))
    assert question.repeats == 0


async def test_what_a_runner_still_has_of_an_engine_that_is_gone_is_no_release():
    house, token = await cut_off()
    house.build(engines={})
    house.control._runners = replace(house.control._runners, named={"thread": Remembering()})
    await house.control.recover()
    await house.settled()
    assert (await house.log())[-1].facts["code"] == "use.interrupted"
    assert token


@pytest.mark.parametrize(
    ("error", "told", "kind", "code"),
    [
        (InTheOpenError(reason="no such column"), StepError, "use.withheld", "rows.refused"),
        (WaitingError(whom="a server"), WaitingError, "use.failed", "use.failed"),
    ],
)
async def test_every_way_in_which_an_engine_says_no_has_its_end(error, told, kind, code):
    house, token = await admitted_house()
    house.engine.error = error
    with pytest.raises(told):
        await house.control.step(call(token))
    entry = (await house.log())[-1]
    assert (entry.kind, entry.facts["code"]) == (kind, code)


async def test_a_use_is_looked_after_for_as_long_as_its_step_is_worked_on():
    house, token = await admitted_house()
    looked = []

    class Hourly:
        async def until(self, look, seconds, *topics):
            looked.append(seconds)
            return await look() if len(looked) > 1 else None

    house.control._working._changes = Hourly()
    gate = Gate(house)
    working = asyncio.create_task(house.control.step(call(token)))
    await gate.begun.wait()
    await house.change(open=False)
    with pytest.raises(JobClosedError):
        await working
    assert len(looked) == 2
    gate.open()


async def test_what_a_person_approves_still_passes_every_rule(monkeypatch):
    house, _, _ = await held_house()
    refused = Decision(Verdict.DENY, "release.cohort")
    monkeypatch.setattr(rules, "behind_the_gate", lambda *_: refused)
    with pytest.raises(WithheldError):
        await house.control.checking.decide(await one(house), approve=True)
    assert (await house.log())[-1].facts["code"] == rules.WITHHELD
    with pytest.raises(NoStepError):
        await house.control.checking.step("urn:none")
    with pytest.raises(NotHeldError):
        await house.control.checking.decide("urn:none", approve=True)


async def test_an_answer_that_is_kept_no_longer_is_worked_out_again():
    """Beyond the rule that a use is answered once, which has its own tests."""
    house, token = await admitted_house(brakes=Brakes(once=False), until="2030-01-01T00:00:00Z")
    first = await house.control.step(call(token))
    house.clock.advance(366 * DAY)
    await house.control.tidy()
    other, gate = await house.start("urn:job:2"), Gate(house)
    await asked(house, other, gate, job="urn:job:2", round=2)
    working = asyncio.create_task(house.control.step(call(token)))
    gate.open()
    second = await working
    assert (second.id != first.id, second.values) == (True, first.values)


async def test_once_a_day_it_is_tidied_up():
    house, _ = await admitted_house()
    working = asyncio.create_task(house.control.work())
    await asyncio.sleep(0)
    house.clock.advance(DAY)
    await asyncio.sleep(0)
    assert not working.done()
    working.cancel()


async def test_nothing_is_kept_of_what_was_never_admitted():
    house, _ = await admitted_house()
    notebook, output = house.control.notebook, SUM

    def work(tx):
        notebook.settle(tx, "urn:none", QuestionOutcome.FAILED)
        notebook.hold(tx, "urn:none", output, house.clock.now(), ["use.engine"])
        notebook.tell(tx, "urn:none", StepRefusal("x"))
        notebook.keep(tx, Release("r", "urn:none", "k", 1, {}, 1, "d", 0), house.clock.now())
        return tx.find(KEPT), tx.find(QUESTIONS), notebook.held(tx, "urn:none"), notebook.ended(tx, "urn:none")

    assert await house.database.write(work) == ([], [], None, False)


async def test_what_has_ended_does_not_end_again():
    house, token = await admitted_house()
    await house.control.step(call(token))
    (question,) = await house.database.read(lambda tx: tx.find(QUESTIONS))
    await house.database.write(lambda tx: house.control.notebook.settle(tx, question.id, QuestionOutcome.FAILED))
    assert (await house.database.read(lambda tx: tx.find(QUESTIONS))) == [question]
