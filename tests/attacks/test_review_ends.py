"""Whatever an engine gives back, and whoever asks meanwhile, each admission has one end in the log."""

import asyncio
import threading
from collections import Counter
from dataclasses import dataclass, replace
from zlib import compress

import pytest

from medspace.adapters.runner import ThreadRunner
from medspace.connector.usage.conditions import PERMITTED, Neutral
from medspace.connector.usage.errors import JobClosedError, StepUnknownError
from medspace.connector.usage.gate import INTERRUPTED
from medspace.connector.usage.going import Lead
from medspace.connector.usage.model import QUESTIONS, QuestionOutcome
from medspace.core.errors import MedspaceError
from medspace.core.usage import Grant, Output
from tests.unit.connector.test_usage_steps import cut_off
from tests.unit.connector.uses import ASSET, USER, admitted_house, call

ENDS = ("use.released", "use.refused", "use.withheld", "use.failed")


async def ends(house):
    """How many ends each admission has."""
    log = await house.log()
    found = Counter({entry.facts["admission"]: 0 for entry in log if entry.kind == "use.admitted"})
    found.update(entry.facts["admission"] for entry in log if entry.kind in ENDS and "admission" in entry.facts)
    return list(found.values())


@pytest.mark.parametrize(
    "output",
    [
        None,
        {"kind": "count.sum"},
        Output("count.sum", {"sum": 1.5}, None),
        Output("count.sum", {"sum": 1.5}, "50"),
        Output("count.sum", None, 50),
        Output("count.sum", {"sum": 1.5}, 50, parts=None),
        Output("count.sum", {"sum": 1.5}, 50, parts=("x",)),
        Output("count.sum", {"sum": 1.5}, 50, memory="not bytes"),
        Output(["count.sum"], {"sum": 1.5}, 50),
        Output("count.sum", {"sum": 1.5}, 1 << 70),
        Output("count.sum", {"sum": 1.5}, float("nan")),
        Output("count.sum", {"sum\ud800": 1.5}, 50),
    ],
)
async def test_an_output_of_any_form_leaves_no_admission_without_an_end(output):
    house, token = await admitted_house()
    house.engine.output = output
    with pytest.raises(MedspaceError):
        await house.control.step(call(token))
    assert await ends(house) == [1]


@dataclass
class Narrowing(Neutral):
    """A condition that says something else from one step to the next, as consents come and go."""

    least: int = 1

    def admit(self, tx, visit):
        return PERMITTED, Grant(min_cohort=self.least)


async def test_who_asks_again_for_what_was_answered_under_other_conditions_ends_no_other_step():
    narrowing = Narrowing()
    house, token = await admitted_house(more=[lambda _: narrowing])
    await house.control.step(call(token))
    narrowing.least = 11
    began, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def before():
        loop.call_soon_threadsafe(began.set)
        go_on.wait(30)

    house.engine.before = before
    working = asyncio.create_task(house.control.step(call(token, round=2)))
    await began.wait()
    again = asyncio.create_task(
        house.control.ask(call(token), 0.0)
    )  # answered long ago, under less strict conditions
    standing = await asyncio.gather(again, return_exceptions=True)
    open_now = [question.outcome for question in await house.database.read(lambda tx: tx.find(QUESTIONS))]
    go_on.set()
    await working
    await house.settled()
    assert QuestionOutcome.FAILED not in open_now, standing
    assert await ends(house) == [1, 1]


async def test_a_fault_of_ours_leaves_no_admission_without_an_end(monkeypatch):
    house, token = await admitted_house()

    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("medspace.connector.usage.gate.Gate.release", broken)
    with pytest.raises(ZeroDivisionError):
        await house.control.step(call(token))
    assert await ends(house) == [1]


async def test_nothing_is_released_to_what_has_its_end():
    """The log would say of one admission that it failed, and that its answer left."""
    house, token = await admitted_house()
    loop = asyncio.get_running_loop()

    async def end():
        gate = house.control._working._gate
        admission = house.engine.asked[0].id
        await house.database.write(lambda tx: gate.end(tx, admission, QuestionOutcome.FAILED, INTERRUPTED))

    house.engine.before = lambda: asyncio.run_coroutine_threadsafe(end(), loop).result(30)
    with pytest.raises(StepUnknownError):
        await house.control.step(call(token))
    assert await ends(house) == [1]


class Refused(dict):
    """The sources of a connector whose asset turned out to be unusable while a step of before waited for it."""

    def __getitem__(self, asset):
        raise KeyError(asset)


async def test_a_step_that_was_cut_off_has_its_end_where_its_asset_is_refused_at_the_start():
    house, _ = await cut_off()
    house.build(sources=Refused({ASSET: house.source}))
    await house.control.recover()
    await house.settled()
    assert await ends(house) == [1]


async def test_a_step_that_got_its_end_while_it_waited_to_be_taken_up_is_not_done_again():
    house, _ = await cut_off()
    asked = len(house.engine.asked)
    (question,) = await house.control._recovery.left()
    await house.database.write(
        lambda tx: house.control._working._gate.end(tx, question.id, QuestionOutcome.FAILED, INTERRUPTED)
    )
    runner = house.control._runners.of(house.engine)
    async with runner.place(question.user) as place:
        with pytest.raises(StepUnknownError):
            await house.control._recovery.go_on(question, house.engine, runner, place, lambda *_: None)
    assert await ends(house) == [1]
    assert len(house.engine.asked) == asked


async def turn_taken(house):
    """Let the loop run until a step has the turn at the asset."""
    async with asyncio.timeout(60):
        while house.control._ordering.idle(ASSET):  # noqa: ASYNC110 - a turn has no event
            await asyncio.sleep(0)


async def test_a_step_that_waits_for_a_place_gives_its_turn_back_when_its_use_is_closed():
    """The asset was held for everybody by a use that was suspended, for as long as others had all places."""
    house, token = await admitted_house()
    other = await house.start("urn:job:2")
    runner = ThreadRunner(1)
    house.control._runners = replace(house.control._runners, named={"thread": runner})
    async with runner.place(USER):
        waiting = asyncio.create_task(house.control.step(call(token)))
        await turn_taken(house)
        await house.change(open=False)
        with pytest.raises(JobClosedError):
            await asyncio.wait_for(waiting, 30)
        assert house.control._ordering.idle(ASSET)
    assert await house.kinds() == []
    assert await house.control.step(call(other, job="urn:job:2"))  # the control: the place was given back


async def test_a_step_that_was_cut_off_has_its_end_where_its_use_is_closed_before_it_has_a_place():
    house, _ = await cut_off()
    runner = ThreadRunner(1)
    house.control._runners = replace(house.control._runners, named={"thread": runner})
    async with runner.place(USER):
        await house.control.recover()
        await turn_taken(house)
        await house.change(open=False)
        await house.settled()
        assert await ends(house) == [1]


@pytest.mark.parametrize("how", ["spoilt", "other"])
@pytest.mark.parametrize("spoilt", ["granted", "sealed"])
async def test_a_step_that_was_cut_off_and_cannot_be_opened_has_its_end(spoilt, how):
    """What it was admitted to stood open for good, and nobody was told."""
    house, token = await cut_off()

    def spoil(tx):
        (question,) = tx.find(QUESTIONS)
        what = {"granted": "granted", "sealed": "question"}[spoilt]
        other = house.notebook.sealer.seal(compress(b"[]"), f"{what} {question.id}")
        contents = {"spoilt": "c3BvaWx0", "other": other}
        tx.replace(QUESTIONS, question, replace(question, **{spoilt: contents[how]}))

    await house.database.write(spoil)
    await resume(house)
    assert await ends(house) == [1]
    assert (await house.log())[-1].facts["code"] == INTERRUPTED
    assert token


async def resume(house):
    """Take up what was cut off, without the look at the newest question that the start begins with."""
    for question in await house.control._recovery.left():
        lead = Lead(question.job, question.asked, question.user)
        with pytest.raises(StepUnknownError):
            await house.control._resumed(lead, question)
