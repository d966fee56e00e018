"""Usage control says no: each reason, what the caller hears, what the log says, and that no row was opened."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.adapters.memory import MemoryDatabase
from medspace.connector.model import INTENTS, Intent, ProcessKind
from medspace.connector.ports import TransferEvent
from medspace.connector.usage.brakes import MOST_ROUNDS
from medspace.connector.usage.errors import JobClosedError, NotAdmittedError, StepError, UnknownJobError
from medspace.core.errors import MedspaceError, StorageFullError
from medspace.core.hashing import digest
from tests.examples import most
from tests.runs import manifest_of
from tests.unit.connector.uses import (
    ASSET,
    HOLDER,
    KIND,
    LABEL,
    PURPOSE,
    TASK,
    USER,
    House,
    admitted_house,
    call,
)
from tests.workplaces import names

STRANGER = "did:web:stranger.example"


async def taken(_):
    """The seat of a use is taken already."""


async def test_a_step_is_admitted_answered_and_released():
    house, token = await admitted_house()
    release = await house.control.step(call(token))
    assert (release.values, release.cohort, release.round) == ({"sum": 1.5}, 50, 1)
    admitted, released = await house.log()
    assert admitted.kind == "use.admitted"
    assert admitted.facts | {"admission": "", "task": ""} == {
        "admission": "",
        "task": "",
        "question": digest({}),
        "agreement": "urn:agreement:1",
        "transfer": "urn:job:1",
        "user": USER,
        "asset": ASSET,
        "use_kind": KIND,
        "purpose": PURPOSE,
        "round": 1,
        "step": "sum",
        "sites": 1,
        "run": "urn:run:by-hand",
        "manifest": manifest_of(USER, TASK, {HOLDER: "urn:agreement:1"}).digest,
        "expires": "2026-11-23T13:00:00.000Z",
    }
    assert released.kind == "use.released"
    assert released.facts["admission"] == admitted.facts["admission"] == release.admission
    assert released.facts["digest"] == release.digest
    assert (house.engine.asked[0].entry, release.entry) == (0, 1)


async def test_an_admission_carries_the_limits_of_the_agreement():
    house, token = await admitted_house(outputs=["count.sum"], min_cohort=30, min_sites=2)
    house.others = ("did:web:b.example",)
    await house.control.step(call(token, task=TASK | {"min_sites": 2}))
    (admission,) = house.engine.asked
    assert (admission.outputs, admission.min_cohort, admission.min_sites) == (("count.sum",), 30, 2)
    assert admission.expires <= house.clock.now().replace(hour=13)


async def test_an_admission_ends_no_later_than_the_agreement():
    house, token = await admitted_house(until="2026-11-23T12:10:00Z")
    await house.control.step(call(token))
    assert house.source.opened[0].expires.minute == 10


async def test_an_agreement_without_limits_still_has_the_limits_of_the_house():
    house = House(min_cohort=None, until=None)
    await house.agree()
    await house.control.step(call(await house.start()))
    (admission,) = house.engine.asked
    assert (admission.min_cohort, admission.min_sites, admission.outputs) == (1, 1, names(house.engine))


# --- who has no right learns nothing ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("job", "user", "right_token"),
    [
        ("urn:job:2", USER, True),
        ("urn:job:1", STRANGER, True),
        ("urn:job:1", USER, False),
    ],
    ids=["unknown job", "another caller", "wrong token"],
)
async def test_who_has_no_right_to_a_job_hears_the_same_and_leaves_no_trace(job, user, right_token):
    house, token = await admitted_house()
    with pytest.raises(UnknownJobError) as refusal:
        await house.control.step(call(token if right_token else "x" * 64, job=job, user=user))
    assert refusal.value.facts == {"use": job}
    assert await house.log() == []
    assert house.source.opened == []


@settings(max_examples=most(50), deadline=None)
@given(token=st.text(max_size=80))
def test_no_guessed_token_opens_a_job(token):
    async def guess() -> None:
        house, right = await admitted_house()
        if token != right:
            with pytest.raises(UnknownJobError):
                await house.control.step(call(token))

    asyncio.run(guess())


async def test_a_job_of_an_agreement_that_is_not_there_is_unknown():
    house = House()
    token = await house.start()
    with pytest.raises(UnknownJobError):
        await house.control.step(call(token))


@pytest.mark.parametrize("event", [TransferEvent.SUSPENDED, TransferEvent.COMPLETED, TransferEvent.TERMINATED])
async def test_a_suspended_or_ended_use_is_closed(event):
    house, token = await admitted_house()
    await house.tell(event)
    await house.tell(event)  # told twice, the same
    with pytest.raises(JobClosedError):
        await house.control.step(call(token))
    assert await house.log() == []
    assert house.source.opened == []


async def test_a_use_that_the_holder_is_ending_is_closed_before_the_user_acknowledges_it():
    house, token = await admitted_house()
    await house.tell(TransferEvent.CLOSING)
    with pytest.raises(JobClosedError):
        await house.control.step(call(token))
    assert house.source.opened == []


async def test_a_use_whose_start_is_under_way_is_open():
    house, token = await admitted_house()
    intent = Intent("urn:job:1", ProcessKind.TRANSFER, "start", "https://x.example", USER, {}, "now", "now")
    await house.database.write(lambda tx: tx.insert(INTENTS, intent))
    assert await house.control.step(call(token))


async def test_a_token_from_before_a_suspension_opens_nothing():
    house, old = await admitted_house()
    await house.control.step(call(old))
    await house.tell(TransferEvent.SUSPENDED)
    new = await house.start()
    assert new != old
    with pytest.raises(UnknownJobError):
        await house.control.step(call(old, round=2))
    assert (await house.control.step(call(new, round=2))).round == 2
    assert (await house.job()).number == 1  # still the same use


# --- what agreement, label and budget refuse -------------------------------------------------------------------


async def refused(house: House, token: str, code: str, clause: str, **step) -> NotAdmittedError:
    """The step is refused for that reason, the log says so, and no row was opened by it."""
    opened, entries = len(house.source.opened), len(await house.log())
    before = await house.job()
    with pytest.raises(NotAdmittedError) as refusal:
        await house.control.step(call(token, **step))
    *_, entry = await house.log()
    assert len(await house.log()) == entries + 1
    assert (entry.kind, entry.facts["code"]) == ("use.refused", code)
    assert entry.facts["clause"] == clause == str(refusal.value.facts["clause"])
    assert len(house.source.opened) == opened
    assert replace(await house.job(), manifests=before.manifests) == before
    return refusal.value


async def test_another_task_is_refused():
    house, token = await admitted_house()
    await house.control.step(call(token))
    await refused(house, token, "use.task_changed", "use.task", task=TASK | {"l2": 0.5}, round=2)


async def test_too_many_steps_are_refused():
    house, token = await admitted_house()
    await house.change(steps=MOST_ROUNDS - 1)
    await house.control.step(call(token))
    await refused(house, token, "use.budget", "use.budget", round=2)


async def test_an_expired_agreement_is_refused():
    house, token = await admitted_house()
    await house.control.step(call(token))
    house.clock.advance(60 * 24 * 3600)
    error = await refused(house, token, "policy.time", "/permission/0/constraint/1", round=2)
    assert "2027-01-01" in str(error)


async def test_a_wrong_purpose_is_refused():
    house, token = await admitted_house()
    await refused(
        house, token, "policy.purpose", "/permission/0/constraint/0", task=TASK | {"purpose": "dpv:Marketing"}
    )


@pytest.mark.parametrize("purpose", [None, "", 7, ["ehds:HealthcareScientificResearch"], "no such purpose"])
async def test_an_unstated_purpose_is_refused(purpose):
    house, token = await admitted_house()
    await refused(house, token, "policy.purpose", "/permission/0/constraint/0", task=TASK | {"purpose": purpose})


async def test_a_region_outside_the_agreement_is_refused():
    house, token = await admitted_house(regions=["EU"])
    assert await house.control.step(call(token))
    house.regions[USER] = "US"
    await refused(house, token, "policy.region", "/permission/0/constraint/2", round=2)


async def test_a_user_whose_region_nobody_knows_is_refused():
    house, token = await admitted_house(regions=["EU"])
    house.regions.clear()
    await refused(house, token, "policy.region", "/permission/0/constraint/2")


@pytest.mark.parametrize("sites", [1, None, True, "3", 2.5])
async def test_too_few_sites_are_refused(sites):
    house, token = await admitted_house(min_sites=3)
    with pytest.raises((NotAdmittedError, StepError)):
        await house.control.step(call(token, task=TASK | {"min_sites": sites}))
    assert house.source.opened == []


async def test_an_asset_without_a_label_is_closed():
    house = House()
    await house.agree(label=None)
    await refused(house, await house.start(), "label.absent", "label.absent")


async def test_a_label_that_is_withdrawn_closes_a_running_use():
    house, token = await admitted_house()
    await house.control.step(call(token))
    await house.relabel(None)
    await refused(house, token, "label.absent", "label.absent", round=2)


@pytest.mark.parametrize(
    ("change", "clause"),
    [
        ({"valid_until": "2026-11-23T11:59:59Z"}, "label.valid_until"),
        ({"valid_from": "2026-11-23T12:00:01Z"}, "label.valid_from"),
        ({"purposes": ["dpv:Marketing"]}, "label.purposes"),
        ({"kinds": ["medspace:statistics"]}, "label.kinds"),
        ({"regions": ["US"]}, "label.regions"),
        ({"kinds": []}, "label.kinds"),
    ],
)
async def test_a_label_that_changes_closes_a_running_use_and_names_its_part(change, clause):
    house, token = await admitted_house()
    await house.control.step(call(token))
    await house.relabel(LABEL | change)
    await refused(house, token, clause, clause, round=2)


async def test_a_use_that_the_agreement_does_not_name_is_refused_even_with_a_job():
    house = House()
    await house.agree("statistics-only")
    await refused(house, await house.start(), "policy.no_permission", "/permission")


async def test_a_prohibited_use_is_refused_even_with_a_job():
    house = House()
    await house.agree()
    house.build(engines={("HttpData-PULL", "count"): lambda: house.engine})
    await refused(house, await house.start(kind="HttpData-PULL"), "policy.prohibited", "/prohibition/0")


# --- how often -------------------------------------------------------------------------------------------------


async def test_each_use_counts_once_however_many_steps_it_takes():
    house, first = await admitted_house(count=2)
    second, third = await house.start("urn:job:2"), await house.start("urn:job:3")
    for number in range(1, 4):
        await house.control.step(call(first, round=number))
    await house.control.step(call(second, job="urn:job:2"))
    with pytest.raises(NotAdmittedError):
        await house.control.step(call(third, job="urn:job:3"))
    entry = (await house.log())[-1]
    assert (entry.kind, entry.facts["code"]) == ("use.refused", "policy.count")
    assert await house.control.step(call(first, round=4))  # what was admitted goes on


async def test_uses_of_another_agreement_do_not_count():
    house, token = await admitted_house(count=1)
    await house.agree(name="2")
    other = await house.start("urn:job:2", "urn:agreement:2")
    await house.control.step(call(token))
    assert await house.control.step(call(other, job="urn:job:2"))


async def test_of_two_uses_that_begin_at_once_with_one_left_exactly_one_is_admitted():
    house, first = await admitted_house(count=1)
    second = await house.start("urn:job:2")
    outcomes = await asyncio.gather(
        house.control.step(call(first)),
        house.control.step(call(second, job="urn:job:2")),
        return_exceptions=True,
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NotAdmittedError", "Release"]
    assert (await house.kinds()).count("use.admitted") == 1
    assert len(house.engine.asked) == 1


async def test_a_refused_step_does_not_use_up_a_count():
    house, token = await admitted_house(count=1)
    other = await house.start("urn:job:2")
    with pytest.raises(NotAdmittedError):
        await house.control.step(call(other, job="urn:job:2", task=TASK | {"purpose": "dpv:Marketing"}))
    assert await house.control.step(call(token))


# --- asked again -----------------------------------------------------------------------------------------------


async def test_a_repeated_step_gets_the_same_answer_and_no_further_entry():
    house, token = await admitted_house()
    first = await house.control.step(call(token))
    house.engine.output = None  # it would not be asked
    assert await house.control.step(call(token)) == first
    assert await house.kinds() == ["use.admitted", "use.released"]
    assert len(house.engine.asked) == 1


async def test_the_same_step_asked_many_times_at_once_is_done_once():
    house, token = await admitted_house()
    answers = await asyncio.gather(*(house.control.step(call(token)) for _ in range(10)))
    assert len({answer.id for answer in answers}) == 1
    assert await house.kinds() == ["use.admitted", "use.released"]


async def test_a_repeated_step_is_refused_once_the_agreement_has_expired():
    house, token = await admitted_house()
    await house.control.step(call(token))
    house.clock.advance(60 * 24 * 3600)
    await refused(house, token, "policy.time", "/permission/0/constraint/1")


async def test_a_step_with_other_inputs_is_another_step():
    house, token = await admitted_house()
    first = await house.control.step(call(token, inputs={"beta": [0.1]}))
    second = await house.control.step(call(token, inputs={"beta": [0.1 + 1e-18]}))
    third = await house.control.step(call(token, inputs={"beta": [0.2]}, round=2))
    assert first.id == second.id != third.id  # 0.1 + 1e-18 is 0.1


# --- what cannot be read ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "step",
    [
        {"round": 2**53},
        {"round": -1},
        {"name": "a step"},
        {"name": "Erika Mustermann"},
        {"name": ""},
        {"name": "x" * 300},
        {"task": TASK | {"l2": 2**60}},
        {"task": TASK | {"l2": float("nan")}},
        {"inputs": {"beta": [float("inf")]}},
        {"inputs": {"deep": None}},
    ],
    ids=str,
)
async def test_a_step_that_cannot_be_read_is_refused_without_a_trace(step):
    house, token = await admitted_house()
    if "deep" in step.get("inputs", {}):
        for _ in range(100):
            step = {"inputs": {"deep": step["inputs"]}}
    with pytest.raises(StepError):
        await house.control.step(call(token, **step))
    assert await house.log() == []
    assert house.source.opened == []
    assert (await house.job()).steps == 0


# --- nothing happens that is not in the log --------------------------------------------------------------------


class FullDatabase(MemoryDatabase):
    """A database that has no room left once `left` units were kept."""

    left = 1000

    async def write(self, work):
        if self.left <= 0:
            raise StorageFullError
        self.left -= 1
        return await super().write(work)


async def test_rows_stay_closed_when_the_admission_cannot_be_written():
    house = House(FullDatabase())
    await house.agree()
    token = await house.start()
    house.database.left = 0
    with pytest.raises(StorageFullError):
        await house.control.step(call(token))
    assert house.source.opened == []
    assert await house.log() == []


async def test_nothing_leaves_when_the_release_cannot_be_written_and_asking_again_helps():
    house = House(FullDatabase())
    await house.agree()
    token = await house.start()
    await house.sit(call(token))
    house.sit = taken
    house.database.left = 1
    with pytest.raises(StorageFullError):
        await house.control.step(call(token))
    assert await house.kinds() == ["use.admitted"]
    house.database.left = 10
    assert (await house.control.step(call(token))).values == {"sum": 1.5}
    assert await house.kinds() == ["use.admitted", "use.failed", "use.admitted", "use.released"]
    assert (await house.job()).number == 1


async def test_the_entry_stands_before_the_rows_are_opened():
    house, token = await admitted_house()
    seen: list[str] = []
    house.engine.before = lambda: seen.extend(asyncio.run(house.kinds()))
    await house.control.step(call(token))
    assert seen == ["use.admitted"]


async def test_a_use_whose_engine_is_gone_is_refused():
    house, token = await admitted_house()
    house.build(engines={})
    await refused(house, token, "use.no_engine", "format")


async def test_a_use_whose_asset_is_gone_is_refused():
    house, token = await admitted_house()
    await house.control.step(call(token))
    house.build(sources={})
    await refused(house, token, "use.no_asset", "asset", round=2)


async def test_every_refusal_is_an_error_with_a_next_step():
    house, token = await admitted_house()
    with pytest.raises(MedspaceError) as refusal:
        await house.control.step(call(token, task=TASK | {"purpose": "dpv:Marketing"}))
    assert str(refusal.value.advice)
    assert refusal.value.exit_code == 3
