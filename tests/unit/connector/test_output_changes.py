"""An output that waits is made anew with less in it: by its engine, looked at again by everybody, never one's own."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from medspace.connector.errors import OwnRequestError, SecondPersonError
from medspace.connector.model import TRANSFERS, Role
from medspace.connector.usage.errors import NotHeldError, OutputUnchangeableError, StepHeldError
from medspace.connector.usage.model import JOBS, QUESTIONS, QuestionOutcome
from medspace.core.usage import Output, release_digest
from tests.unit.connector.test_usage_two_reviewers import LI, TWO, WANG, approved, told
from tests.unit.connector.uses import KIND, LABEL, Engine, admitted_house, call, transfer_of

SPREAD = "count.spread"


@dataclass
class Sparing(Engine):
    """Its sum has a spread beside it, which it can be made without."""

    output: Output = field(default_factory=lambda: Output("count.sum", {"sum": 1.5, "spread": 3.0}, 50))

    def optional(self, output):
        return (SPREAD,) if "spread" in output.values else ()

    def without(self, output, parts):
        assert set(parts) == {SPREAD}
        return replace(output, values={"sum": output.values["sum"]})


async def held(label=TWO, engine=Sparing):
    house, token = await admitted_house()
    house.engine = engine()
    await house.relabel(label)
    with pytest.raises(StepHeldError):
        await house.control.step(call(token))
    (question,) = await house.control.checking.steps(QuestionOutcome.HELD, None, 10)
    return house, token, question.id


async def test_what_is_left_out_is_not_in_what_leaves_and_the_log_says_who_left_it_out():
    house, token, step = await held(LABEL | {"review": True})
    checking = house.control.checking
    assert (await checking.step(step)).optional == (SPREAD,)
    await checking.change(step, [SPREAD], by=LI, comment="the spread tells the outlier")
    found = await checking.step(step)
    assert (found.output.values, found.optional, found.question.left_out) == ({"sum": 1.5}, (), (SPREAD,))
    release = await checking.decide(step, approve=True, by=LI)
    assert release.values == {"sum": 1.5}
    assert release.digest == release_digest(release.kind, release.round, release.cohort, {"sum": 1.5})
    assert await told(house) == [("use.changed", LI), ("use.released", LI)]
    entries = {entry.kind: entry.facts for entry in await house.log()}
    assert entries["use.changed"] == {"admission": step, "by": LI, "left_out": [SPREAD]}
    assert entries["use.released"]["digest"] == release.digest
    assert await house.control.step(call(token)) == release  # whoever asks again gets the same
    (said,) = (await checking.step(step)).comments
    assert (said.by, said.text, said.left_out) == (LI, "the spread tells the outlier", (SPREAD,))


async def test_who_had_let_it_go_before_looks_at_it_again():
    house, _, step = await held()
    checking = house.control.checking
    await checking.decide(step, approve=True, by=LI)
    await checking.change(step, [SPREAD], by=WANG)
    assert await approved(house, step) == ()
    assert await checking.decide(step, approve=True, by=WANG) is None  # one of two, as before
    release = await checking.decide(step, approve=True, by=LI)
    assert release.values == {"sum": 1.5}
    assert [kind for kind, _ in await told(house)] == ["use.approved", "use.changed", "use.approved", "use.released"]


async def test_without_a_change_it_leaves_as_it_was_made():
    """The control."""
    house, _, step = await held(LABEL | {"review": True})
    assert (await house.control.checking.decide(step, approve=True, by=LI)).values == {"sum": 1.5, "spread": 3.0}


@pytest.mark.parametrize(
    ("engine", "parts"),
    [(Sparing, []), (Sparing, ["count.sum"]), (Sparing, [SPREAD, "count.mean"]), (Engine, [SPREAD])],
)
async def test_what_its_engine_cannot_leave_out_stays(engine, parts):
    house, _, step = await held(engine=engine)
    before = (await house.control.checking.step(step)).output
    with pytest.raises(OutputUnchangeableError):
        await house.control.checking.change(step, parts, by=LI)
    assert (await house.control.checking.step(step)).output == before
    assert await told(house) == []


async def test_an_output_that_waits_for_nobody_is_not_changed():
    house, _, step = await held()
    await house.control.checking.decide(step, approve=False, by=LI)
    with pytest.raises(NotHeldError):
        await house.control.checking.change(step, [SPREAD], by=WANG)


async def test_nobody_changes_what_they_have_asked_for_and_nobody_unnamed_does():
    house, _, step = await held(LABEL | {"review": True})
    theirs = transfer_of("urn:peer", "urn:agreement:1", "k", Role.CONSUMER)

    def own(tx):
        question = tx.get(QUESTIONS, step)
        tx.replace(QUESTIONS, question, replace(question, user=house.did))
        tx.insert(TRANSFERS, transfer_of(question.job, "urn:agreement:1", "k"))
        tx.insert(TRANSFERS, replace(theirs, asked_by=LI, peer_pid=question.job))

    await house.database.write(own)
    for actor in (LI, ""):
        with pytest.raises((OwnRequestError, SecondPersonError)):
            await house.control.checking.change(step, [SPREAD], by=actor)
    await house.control.checking.change(step, [SPREAD], by=WANG)
    assert await told(house) == [("use.changed", WANG)]


async def test_two_who_change_at_once_change_once():
    house, _, step = await held()
    done = await asyncio.gather(
        *(house.control.checking.change(step, [SPREAD], by=one) for one in (LI, WANG)), return_exceptions=True
    )
    assert sum(isinstance(one, OutputUnchangeableError) for one in done) == 1
    assert [kind for kind, _ in await told(house)] == ["use.changed"]


async def test_after_a_restart_it_is_changed_all_the_same_and_without_its_engine_it_is_not():
    house, _, step = await held()
    for engines in ({(KIND, "another task"): Sparing}, {}):
        house.build(engines=engines)
        assert (await house.control.checking.step(step)).optional == ()
    with pytest.raises(OutputUnchangeableError):
        await house.control.checking.change(step, [SPREAD], by=LI)
    house.build()
    await house.control.checking.change(step, [SPREAD], by=LI)
    assert (await house.control.checking.step(step)).output.values == {"sum": 1.5}
    assert await house.database.read(lambda tx: tx.get(JOBS, (tx.get(QUESTIONS, step)).job))
