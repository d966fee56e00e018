"""How often it may be asked, what is kept of it, and that every admission comes to an end."""

import asyncio
import threading
from dataclasses import replace

import pytest

from medspace.adapters.memory import MemoryDatabase
from medspace.connector.ports import TransferEvent
from medspace.connector.usage import brakes, contents
from medspace.connector.usage.brakes import MOST_WITHHELD, MOST_WITHHELD_OF_ONE
from medspace.connector.usage.contents import MOST_VERSIONS
from medspace.connector.usage.errors import (
    JobClosedError,
    NotAdmittedError,
    QuestionsSealedError,
    StepError,
    WithheldError,
)
from medspace.connector.usage.model import KEPT, QUESTIONS, VERSIONS, DailyQuestions
from medspace.core.canonical import exact
from medspace.core.engine import StepLimits
from medspace.core.errors import InvalidInputError, RefusedError, StorageFullError
from medspace.core.hashing import digest
from medspace.core.text import Text
from medspace.core.usage import Brakes, Output, Release
from tests.unit.connector.uses import ASSET, NOW, PURPOSE, TASK, House, admitted_house, call

DAY = 24 * 3600


async def refused(house, code, token, **step):
    """The step is refused by that rule."""
    with pytest.raises(NotAdmittedError) as refusal:
        await house.control.step(call(token, **step))
    assert refusal.value.facts["decision"] == code
    entry = (await house.log())[-1]
    assert entry.facts["code"] == code
    return refusal.value


async def withheld(house, token, **step):
    with pytest.raises(WithheldError):
        await house.control.step(call(token, **step))


def little(house):
    """An engine whose outputs stand on too few persons."""
    house.engine.output = replace(house.engine.output, cohort=3)


# --- once ------------------------------------------------------------------------------------------------------


async def test_each_round_and_step_is_answered_once_and_rounds_go_forward():
    house, token = await admitted_house()
    await house.control.step(call(token, round=2))
    await house.control.step(call(token, round=2, name="mean"))  # several steps may share a round
    await refused(house, "use.round", token, round=2, inputs={"other": 1})
    await house.control.step(call(token, round=4))
    await refused(house, "use.round", token, round=3)
    await house.control.step(call(token, round=2))  # was answered: the answer got lost
    assert (await house.kinds()).count("use.admitted") == 3


@pytest.mark.parametrize(("rounds", "most"), [(5, 5), (None, 30), (1000, 30), (0, 30), ("5", 30), (True, 30)])
async def test_a_use_puts_as_many_questions_as_its_task_has_rounds_and_never_more_than_thirty(rounds, most):
    house, token = await admitted_house()
    task = TASK | {"max_rounds": rounds}
    for number in range(1, most + 1):
        await house.control.step(call(token, task=task, round=number))
    await refused(house, "use.budget", token, task=task, round=most + 1)


async def test_failed_questions_count_as_well():
    house, token = await admitted_house()
    house.engine.error = InvalidInputError(reason=Text("no such column"))
    for number in range(1, 4):
        with pytest.raises(StepError):
            await house.control.step(call(token, task=TASK | {"max_rounds": 3}, round=number))
    house.engine.error = None
    await refused(house, "use.budget", token, task=TASK | {"max_rounds": 3}, round=4)


# --- few questions a year --------------------------------------------------------------------------------------


async def test_questions_of_a_year_are_of_all_uses_and_agreements_and_outlive_a_restart():
    house = House(limit=3)
    await house.agree()
    await house.agree(name="2")
    first, second = await house.start(), await house.start("urn:job:2", "urn:agreement:2")
    await house.control.step(call(first))
    await house.control.step(call(second, job="urn:job:2", round=2))
    little(house)
    await withheld(house, first, round=3)
    house.build()
    error = await refused(house, "use.questions", first, round=4)
    assert "2027-11-24" in str(error.facts["remedy"])
    await refused(house, "use.questions", second, job="urn:job:2", round=5)


async def test_questions_come_back_after_a_year_and_no_day_sooner():
    house = House(limit=1, until="2030-01-01T00:00:00Z")
    await house.agree()
    token = await house.start()
    await house.control.step(call(token))
    house.clock.advance(365 * DAY)
    await refused(house, "use.questions", token, round=2)
    house.clock.advance(DAY)
    assert await house.control.step(call(token, round=2))


async def test_of_two_users_that_ask_at_once_with_one_question_left_one_is_answered():
    house = House(limit=1)
    await house.agree()
    await house.agree(name="2")
    first, second = await house.start(), await house.start("urn:job:2", "urn:agreement:2")
    outcomes = await asyncio.gather(
        house.control.step(call(first)),
        house.control.step(call(second, job="urn:job:2", round=2)),
        return_exceptions=True,
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NotAdmittedError", "Release"]


async def test_an_asset_without_a_limit_answers_nothing():
    house = House(limit=0)
    await house.agree()
    await refused(house, "use.questions", await house.start())


def test_how_an_asset_stands_is_told():
    spent = DailyQuestions(ASSET, {"2025-11-22": 5, "2025-11-23": 2, "2026-11-20": 1})
    state = brakes.allowance(4, spent, NOW)
    assert (state.used, state.left, state.back.isoformat()) == (3, 1, "2026-11-24")
    assert brakes.allowance(4, None, NOW) == brakes.Allowance(4, 0, None)
    assert brakes.allowance(2, spent, NOW).left == 0
    assert brakes.one_more(ASSET, spent, NOW).days == {"2025-11-23": 2, "2026-11-20": 1, "2026-11-23": 1}


# --- withheld --------------------------------------------------------------------------------------------------


async def test_after_some_answers_that_were_withheld_an_agreement_gets_none():
    house, token = await admitted_house()
    other = await house.start("urn:job:2")
    good = house.engine.output
    little(house)
    for number in range(1, MOST_WITHHELD + 1):
        await withheld(house, token, round=number)
    house.engine.output = good
    await refused(house, "use.withheld", token, round=9)
    await refused(house, "use.withheld", other, job="urn:job:2")
    await house.agree(name="2")
    assert await house.control.step(call(await house.start("urn:job:3", "urn:agreement:2"), job="urn:job:3"))


async def test_new_agreements_do_not_go_on_for_ever_after_answers_that_were_withheld():
    house = House()
    little(house)
    for number in range(MOST_WITHHELD_OF_ONE):
        agreement, job = f"{number}", f"urn:job:{number}"
        await house.agree(name=agreement)
        await withheld(house, await house.start(job, f"urn:agreement:{agreement}"), job=job, round=number)
    await house.agree(name="more")
    await refused(house, "use.withheld", await house.start("urn:more", "urn:agreement:more"), job="urn:more")


async def test_a_column_that_is_not_there_is_no_answer_that_was_withheld():
    house, token = await admitted_house()
    house.engine.error = InvalidInputError(reason=Text("no such column"))
    for number in range(1, MOST_WITHHELD + 2):
        with pytest.raises(StepError, match="no such column"):
            await house.control.step(call(token, round=number))
    house.engine.error = None
    assert await house.control.step(call(token, round=9))


# --- how often a contract was used -----------------------------------------------------------------------------


async def test_a_use_to_which_nothing_was_released_is_not_counted():
    house, token = await admitted_house(count=1)
    good = house.engine.output
    little(house)
    await withheld(house, token)
    assert (await house.job()).number == 0
    house.engine.output = good
    other = await house.start("urn:job:2")
    assert await house.control.step(call(other, job="urn:job:2"))
    assert (await house.job("urn:job:2")).number == 1
    await refused(house, "policy.count", token, round=2)


async def test_many_uses_at_once_do_not_overrun_a_count():
    house = House(count=3)
    await house.agree()
    tokens = [await house.start(f"urn:job:{number}") for number in range(8)]
    asked = [house.control.step(call(t, job=f"urn:job:{n}", round=n)) for n, t in enumerate(tokens)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 3
    numbers = sorted([(await house.job(f"urn:job:{number}")).number for number in range(8)])
    assert numbers == [0] * 5 + [1, 2, 3]


async def test_a_use_that_is_being_answered_holds_its_place():
    """Even where another use is let in between, as after a crash: what is open counts."""
    house = House(FullDatabase(), count=1)
    await house.agree()
    first, second = await house.start(), await house.start("urn:job:2")
    house.database.left = 3  # admission, rows remembered, rows recognised; not the release
    with pytest.raises(StorageFullError):
        await house.control.step(call(first))
    house.database.left = 100
    await refused(house, "policy.count", second, job="urn:job:2")
    house.engine.limits = StepLimits(repeatable=False)
    await house.control.recover()
    await house.settled()
    assert await house.control.step(call(second, job="urn:job:2"))


class FullDatabase(MemoryDatabase):
    """A database that has no room left once `left` units were kept."""

    left = 1000

    async def write(self, work):
        if self.left <= 0:
            raise StorageFullError
        self.left -= 1
        return await super().write(work)


# --- rows that change ------------------------------------------------------------------------------------------


async def asked_again(changed, limit=100, **step):
    """A question is answered; then the connector is started with rows that so many persons changed in."""
    house, token = await admitted_house()
    house.limit = limit
    house.build()
    before = await house.control.step(call(token))
    house.source.said = tuple(range(50 - changed)) + tuple(1000 + number for number in range(changed))
    house.engine.output = replace(house.engine.output, values={"sum": 99.5})
    house.build()
    other = await house.start("urn:job:2")
    return house, other, before


@pytest.mark.parametrize("changed", [1, 9])
async def test_rows_that_few_changed_in_answer_only_what_they_have_answered(changed):
    house, other, before = await asked_again(changed)
    again = await house.control.step(call(other, job="urn:job:2"))
    assert (again.values, again.digest) == (before.values, before.digest)
    assert again.id != before.id
    await refused(house, "use.changed", other, job="urn:job:2", round=2)
    await refused(house, "use.changed", other, job="urn:job:2", round=1, name="mean")


async def test_the_first_question_to_rows_that_few_changed_in_is_refused_too():
    house, other, _ = await asked_again(1)
    error = await refused(house, "use.changed", other, job="urn:job:2", round=2)
    assert "whole extracts" in str(error.advice)
    assert await house.kinds() == ["use.admitted", "use.released", "use.admitted", "use.withheld"]
    assert len(house.engine.asked) == 1


@pytest.mark.parametrize("changed", [0, 10, 50])
async def test_rows_that_are_the_same_or_that_many_changed_in_answer_anew(changed):
    house, other, _ = await asked_again(changed)
    assert (await house.control.step(call(other, job="urn:job:2", round=2))).values == {"sum": 99.5}
    assert (await house.control.step(call(other, job="urn:job:2", round=3))).values == {"sum": 99.5}


async def test_every_version_of_the_year_counts_not_only_the_last():
    house, token = await admitted_house(until="2030-01-01T00:00:00Z")
    first, far, near = tuple(range(50)), tuple(range(40)) + tuple(range(100, 110)), (*range(49), 77)
    for number, said in enumerate((first, far), start=1):
        house.source.said = said
        house.build()
        await house.control.step(call(token, round=number))
    house.source.said = near  # ten persons from the last, one from the first
    house.build()
    await refused(house, "use.changed", token, round=3)
    house.clock.advance(366 * DAY)
    house.build()
    assert await house.control.step(call(token, round=4))


async def test_a_column_that_many_changed_in_does_not_hide_another_that_one_changed_in():
    """An age that every extract counts anew, and one patient's new finding."""
    house, token = await admitted_house()
    other = TASK | {"column": "sex"}
    jobs = [await house.start(f"urn:job:{number}") for number in range(2, 5)]
    await house.control.step(call(token))
    house.source.said, house.source.sex = (*range(49), 77), "m"  # all have another sex, one another number
    house.build()
    await refused(house, "use.changed", jobs[0], job="urn:job:2", round=2)
    assert await house.control.step(call(jobs[1], job="urn:job:3", round=2, task=other))  # looks at sex alone
    both = TASK | {"column": "sex", "by": "sum"}
    await refused(house, "use.changed", jobs[2], job="urn:job:4", round=2, task=both)


@pytest.mark.parametrize("said", [tuple(range(51)), tuple(range(49)), (*range(100, 149),)])
async def test_one_person_who_came_or_went_is_few_whatever_else_changed(said):
    house, token = await admitted_house()
    await house.control.step(call(token))
    house.source.said, house.source.sex = said, "m"
    house.build()
    other = await house.start("urn:job:2")
    task = TASK | {"column": "sex"}
    await refused(house, "use.changed", other, job="urn:job:2", round=2, task=task)


async def test_a_wider_cohort_of_the_agreement_demands_more_changes():
    house = House(min_cohort=20)
    await house.agree()
    token = await house.start()
    await house.control.step(call(token))
    house.source.said = tuple(range(35)) + tuple(range(100, 115))
    house.build()
    await refused(house, "use.changed", token, round=2)


async def test_the_versions_that_are_kept_are_few_and_say_nothing(monkeypatch):
    monkeypatch.setattr(contents, "MOST_ANSWERED", MOST_VERSIONS)
    house, token = await admitted_house()
    for number in range(1, MOST_VERSIONS + 3):
        house.source.said = tuple(range(number * 100, number * 100 + 50))
        house.build()
        await house.control.step(call(token, round=number))
    assert len(await house.database.read(lambda tx: tx.find(VERSIONS))) == MOST_VERSIONS


async def test_the_same_question_of_another_user_gets_the_same_answer_and_costs_no_question():
    house, other, before = await asked_again(0, limit=1)
    again = await house.control.step(call(other, job="urn:job:2"))
    assert again.values == before.values
    assert len(house.engine.asked) == 1
    await refused(house, "use.questions", other, job="urn:job:2", round=2)


async def test_a_kept_answer_passes_the_gate_of_whoever_gets_it():
    house, token = await admitted_house(outputs=["count.sum"])
    await house.control.step(call(token))
    house.terms["outputs"] = ["count.mean"]
    await house.agree(name="2")
    other = await house.start("urn:job:2", "urn:agreement:2")
    with pytest.raises(WithheldError):
        await house.control.step(call(other, job="urn:job:2"))


# --- the notebook ----------------------------------------------------------------------------------------------

INPUTS = {"beta": [0.1, -2.5e-7], "layout": {"scale": [1.0]}}


async def test_the_questions_can_be_shown_and_are_what_the_log_noted():
    house, token = await admitted_house()
    await house.control.step(call(token, round=3, inputs=INPUTS))
    little(house)
    await withheld(house, token, round=4)
    house.build()
    shown = await house.notebook.exported(house.database)
    assert shown[0] == {"entry": 0, "task": TASK, "round": 3, "step": "sum", "inputs": INPUTS}
    log = await house.log()
    for one in shown:
        facts = log[one["entry"]].facts
        assert (facts["question"], facts["task"]) == (digest(exact(one["inputs"])), digest(exact(one["task"])))
        assert (facts["round"], facts["step"]) == (one["round"], one["step"])
    assert len(shown) == 2
    assert await house.notebook.exported(house.database, use="urn:job:1", asset=ASSET) == shown
    assert await house.notebook.exported(house.database, use="urn:job:2") == []
    assert await house.notebook.exported(house.database, asset="other") == []


async def test_what_is_kept_of_questions_and_answers_is_sealed():
    house, token = await admitted_house()
    release = await house.control.step(call(token, inputs={"secret": "plain words"}))
    kept = await house.database.read(lambda tx: repr((tx.find(QUESTIONS), tx.find(KEPT))))
    for said in ("plain words", PURPOSE, release.digest, "1.5"):
        assert said not in kept


async def test_a_connector_with_another_secret_does_not_start():
    house, token = await admitted_house()
    house.secret = b"another secret"
    house.build()
    await house.control.recover()  # nothing was asked yet
    await house.control.step(call(token))
    house.secret = b"a third secret"
    house.build()
    with pytest.raises(QuestionsSealedError):
        await house.control.recover()


async def test_questions_and_answers_go_after_their_time():
    house, token = await admitted_house()
    await house.control.step(call(token))

    async def kept():
        return await house.database.read(lambda tx: (len(tx.find(QUESTIONS)), len(tx.find(KEPT))))

    house.clock.advance(364 * DAY)
    await house.control.tidy()
    assert await kept() == (1, 1)
    house.clock.advance(2 * DAY)
    await house.control.tidy()
    assert await kept() == (1, 0)
    house.clock.advance(365 * DAY)
    await house.control.tidy()
    assert await kept() == (0, 0)


async def test_an_admission_tells_the_seed_and_the_questions_before():
    house, token = await admitted_house()
    other = await house.start("urn:job:2")
    await house.control.step(call(token, round=1, inputs=INPUTS))
    good = house.engine.output
    little(house)
    await withheld(house, token, round=2)
    house.engine.output = good
    house.build()
    await house.control.step(call(other, job="urn:job:2", round=3))
    await house.control.step(call(other, job="urn:job:2", round=4))
    *_, third, last = house.engine.asked
    assert [(step.round, step.inputs) for step in third.history] == [(1, INPUTS)]
    assert [step.round for step in last.history] == [1, 3]
    assert len(third.seed) == 32
    assert {admission.seed for admission in house.engine.asked} == {third.seed}
    assert third.brakes == Brakes()
    assert third.seed.hex() not in repr(third)


async def test_the_history_is_that_of_a_year():
    house, token = await admitted_house(until="2030-01-01T00:00:00Z")
    await house.control.step(call(token, round=1))
    house.clock.advance(366 * DAY)
    await house.control.step(call(token, round=2))
    assert house.engine.asked[-1].history == ()


# --- every admission has an end --------------------------------------------------------------------------------


async def cut_off(**limits):
    """A house as after a kill: one step was admitted, and has no end."""
    house = House(FullDatabase())
    house.engine.limits = StepLimits(**limits)
    await house.agree()
    token = await house.start()
    house.database.left = 3
    with pytest.raises(StorageFullError):
        await house.control.step(call(token))
    house.database.left = 100
    house.build()
    return house, token


async def test_what_cannot_be_repeated_gets_its_end_when_a_killed_connector_starts_again():
    house, _ = await cut_off(repeatable=False)
    await house.control.recover()
    await house.settled()
    admitted, failed = await house.log()
    assert (failed.kind, failed.facts) == (
        "use.failed",
        {"admission": admitted.facts["admission"], "code": "use.interrupted"},
    )
    await house.control.recover()
    assert len(await house.log()) == 2


async def test_a_step_whose_caller_goes_away_comes_to_its_end_and_its_answer_waits():
    house, token = await admitted_house()
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def before():
        loop.call_soon_threadsafe(begun.set)
        assert go_on.wait(30)

    house.engine.before = before
    task = asyncio.create_task(house.control.step(call(token)))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    house.engine.before = lambda: None
    go_on.set()
    release = await house.control.step(call(token))  # waits for the one before
    assert release.values == {"sum": 1.5}
    assert await house.kinds() == ["use.admitted", "use.released"]


async def test_a_connector_that_ends_notes_what_it_was_answering():
    house, token = await admitted_house()
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def before():
        loop.call_soon_threadsafe(begun.set)
        assert go_on.wait(30)

    house.engine.before = before
    task = asyncio.create_task(house.control.step(call(token)))
    await begun.wait()
    try:
        await house.control.close()
        with pytest.raises(asyncio.CancelledError):
            await task
    finally:
        go_on.set()
    entry = (await house.log())[-1]
    assert (entry.kind, entry.facts["code"]) == ("use.failed", "use.interrupted")


class CutOff(MemoryDatabase):
    """A database whose caller is cut off right after a release was written."""

    async def write(self, work):
        done = await super().write(work)
        if isinstance(done, Release):
            raise asyncio.CancelledError
        return done


async def test_a_connector_that_ends_after_a_release_notes_no_second_end():
    house = House(database=CutOff())
    await house.agree()
    token = await house.start()
    with pytest.raises(asyncio.CancelledError):
        await house.control.step(call(token))
    assert await house.kinds() == ["use.admitted", "use.released"]
    (question,) = await house.database.read(lambda tx: tx.find(QUESTIONS))
    assert question.outcome == "released"


@pytest.mark.parametrize("how", ["withheld", "refused", "broken", "closed", "public"])
async def test_each_way_to_no_answer_is_one_end(how):
    house, token = await admitted_house()
    ways = {
        "withheld": lambda: little(house),
        "refused": lambda: setattr(house.engine, "error", RefusedError(reason="private")),
        "broken": lambda: setattr(house.engine, "error", ZeroDivisionError()),
        "closed": lambda: setattr(house.engine, "before", lambda: _now(house.tell(TransferEvent.SUSPENDED))),
        "public": lambda: setattr(house.engine, "output", Output("rows", {}, 50)),
    }
    ways[how]()
    with pytest.raises((WithheldError, RefusedError, JobClosedError)):
        await house.control.step(call(token))
    assert await house.kinds() == ["use.admitted", "use.failed" if how == "broken" else "use.withheld"]


def _now(coroutine):
    """Run a coroutine that never waits; the engine's thread has no loop."""
    with pytest.raises(StopIteration):
        coroutine.send(None)
