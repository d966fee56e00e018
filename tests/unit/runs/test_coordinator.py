"""Runs: to a model, through kills, around sites that fail, and never to a success that is none."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from medspace.adapters.memory import ManualClock, MemoryDatabase
from medspace.core.errors import InvalidInputError, StaleRecordError, StorageFullError
from medspace.core.text import Text
from medspace.learning.glm.outcome import read
from medspace.ledger.model import decode
from medspace.runs import rules
from medspace.runs.asking import Patience
from medspace.runs.errors import (
    RunError,
    RunUnknownError,
    SiteAwayError,
    SiteRefusedError,
    TaskInvalidError,
    TooFewGroupedError,
    TooFewMaskedError,
    TooFewSitesError,
)
from medspace.runs.model import CHECKPOINTS, COLLECTIONS, RUNS, Fault, Run, RunState
from medspace.runs.ports import Demands
from tests.unit.learning.simulated import SimulatedSites, coefficients, coordinator, did, fitted, seats

SITES = 4


def table(seed, count=60):
    source = np.random.default_rng(seed)
    x, z = source.normal(size=count), source.normal(size=count)
    y = (source.random(count) < 1.0 / (1.0 + np.exp(-x - 0.5 * z))).astype(float)
    return {"x": x.tolist(), "z": np.where(source.random(count) < 0.1, np.nan, z).tolist(), "y": y.tolist()}


TABLES = {did(index): table(index) for index in range(SITES)}


def task(**changes):
    return {
        "family": "binomial",
        "target": "y",
        "features": [{"name": "x"}, {"name": "z"}],
        "purpose": "research",
        "l2": 0.5,
        "site_faults": "exclude",
        **changes,
    }


async def entries(database):
    return [decode(raw) for raw in await database.read(lambda tx: tx.log.entries(0, tx.log.size()))]


async def drive(clock, work, seconds=1.0):
    """Let everything run that can, move the clock on, until the work is done."""
    running = asyncio.ensure_future(work)
    for _ in range(5000):
        for _ in range(50):
            await asyncio.sleep(0)
        if running.done():
            return running.result()
        clock.advance(seconds)
    raise AssertionError("it never ends")


def vanish(step_name, *, back_after=None):
    """A site that does not answer one step, for good or until the clock says so."""

    async def behave(step, honest):
        if step.name == step_name and (back_after is None or back_after()):
            raise SiteAwayError(site="")
        return honest()

    return behave


# --- the plain road ----------------------------------------------------------------------------------------------


async def test_a_run_ends_with_a_model_its_lineage_and_its_ledger_entries():
    sites, database = SimulatedSites(TABLES), MemoryDatabase()
    events = []
    leader = coordinator(sites, database=database, progress=events.append)
    run = await leader.train(task(), seats(TABLES))
    model = await leader.model(run.id)
    rounds = await leader.rounds(run.id)

    assert (run.state, run.settled, run.failure, run.faults) == (RunState.FINISHED, "yes", None, ())
    assert [one.step for one in rounds] == ["moments", *["newton"] * (len(rounds) - 2), "evaluation"]
    assert model.rounds == len(rounds) == run.round
    assert model.lineage.protection == "coordinator-sees-sums"
    assert model.lineage.sites == tuple(TABLES)
    assert model.lineage.agreements == tuple(seat.agreement for seat in seats(TABLES))
    assert [one.answers for one in model.lineage.rounds] == [one.answers for one in rounds]
    assert [site.rows for site in read(model).sites] == [60] * SITES
    assert all(0.5 < site.quality.auc < 1.0 for site in read(model).sites)
    assert read(model).pooled.rows == model.rows == 240
    assert read(model).measured_on == "training rows"

    log = await entries(database)
    assert [entry.kind for entry in log] == ["run.started", *["run.round"] * len(rounds), "run.finished"]
    assert log[0].facts["protection"] == log[-1].facts["protection"] == "coordinator-sees-sums"
    assert log[-1].facts["model"] == model.digest
    assert log[-1].facts["sites"] == list(TABLES)
    assert [entry.facts.get("model") for entry in log[1:-1]] == [None, *(one.question for one in rounds[1:])]
    assert log[-1].facts["fitted"] == rounds[-1].question
    for entry, one in zip(log[1:-1], rounds, strict=True):
        assert entry.facts["answers"] == [
            {"site": ref.site, "use": ref.use, "release": ref.release, "digest": ref.digest} for ref in one.answers
        ]
    assert {event.event for event in events} == {"started", "answered", "back", "round", "finished"}
    assert sorted(sites.ended) == sorted(f"urn:use:{site}" for site in TABLES)


@pytest.mark.parametrize("width", [1, 3, 4, 50])
async def test_neither_window_nor_order_of_arrival_changes_a_bit(width):
    async def late(step, honest):
        for _ in range(7):
            await asyncio.sleep(0)
        return honest()

    expected = await fitted(task(), TABLES)
    sites = SimulatedSites(TABLES, {did(0): late, did(2): late})
    leader = coordinator(sites, width=width)
    run = await leader.train(task(), seats(TABLES))
    assert read(await leader.model(run.id)).terms == read(expected).terms


async def test_only_as_many_answers_are_awaited_as_the_window_is_wide():
    open_now, most = 0, 0

    async def count(step, honest):
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        for _ in range(5):
            await asyncio.sleep(0)
        open_now -= 1
        return honest()

    tables = {did(index): table(index, 20) for index in range(12)}
    sites = SimulatedSites(tables, dict.fromkeys(tables, count))
    leader = coordinator(sites, width=3)
    assert (await leader.train(task(), seats(tables))).state is RunState.FINISHED
    assert most == 3


# --- kills -------------------------------------------------------------------------------------------------------


class KilledError(BaseException):
    """The process is gone."""


class MortalDatabase(MemoryDatabase):
    """Dies at one write: before it is kept, or after it was kept but before anybody hears of it."""

    def __init__(self):
        super().__init__()
        self.writes = 0
        self.dies_at = None
        self.after = False

    async def write(self, work):
        self.writes += 1
        dying = self.writes == self.dies_at
        if dying and not self.after:
            raise KilledError
        result = await super().write(work)
        if dying:
            raise KilledError
        return result


def told(log):
    """What a log says, without times and without what is drawn anew; of one manifest is whatever was asked."""
    assert len({entry.facts["manifest"] for entry in log if "manifest" in entry.facts}) <= 1
    return [(entry.kind, {**entry.facts, "manifest": "manifest" in entry.facts}) for entry in log]


async def undisturbed():
    database = MortalDatabase()
    leader = coordinator(SimulatedSites(TABLES), database=database)
    run = await leader.train(task(), seats(TABLES))
    return await leader.model(run.id), told(await entries(database)), database.writes


@pytest.mark.parametrize("after", [False, True])
async def test_killed_at_any_write_the_run_goes_on_to_the_same_model_and_the_same_log(after):
    expected, log, writes = await undisturbed()
    assert writes > 8
    for dies_at in range(2, writes + 1):
        database = MortalDatabase()
        database.dies_at, database.after = dies_at, after
        first = coordinator(SimulatedSites(TABLES), database=database)
        run = await first.create(task(), seats(TABLES))
        with pytest.raises(KilledError):
            await first.resume(run.id)
        second = coordinator(SimulatedSites(TABLES), database=database)
        for unsettled in await second.unsettled():
            await second.resume(unsettled.id)
        model = await second.model(run.id)
        assert (model.result, model.digest) == (expected.result, expected.digest)
        assert told(await entries(database)) == log
        assert await second.unsettled() == []


async def test_killed_in_the_middle_of_any_round_the_run_goes_on_to_the_same_model():
    expected, log, _ = await undisturbed()
    for dies_at in range(1, expected.rounds * SITES, 3):
        database = MemoryDatabase()
        sites = SimulatedSites(TABLES)

        async def die(step, honest, sites=sites, dies_at=dies_at):
            if len(sites.asked) == dies_at:
                raise KilledError
            return honest()

        sites.behaviours = dict.fromkeys(TABLES, die)
        first = coordinator(sites, database=database, width=2)
        run = await first.create(task(), seats(TABLES))
        with pytest.raises(KilledError):
            await first.resume(run.id)
        second = coordinator(SimulatedSites(TABLES), database=database)
        assert (await second.resume(run.id)).state is RunState.FINISHED
        model = await second.model(run.id)
        assert (read(model).terms, model.digest) == (read(expected).terms, expected.digest)
        assert told(await entries(database)) == log


async def test_resuming_what_is_over_changes_nothing():
    database = MemoryDatabase()
    leader = coordinator(SimulatedSites(TABLES), database=database)
    run = await leader.train(task(), seats(TABLES))
    before = await entries(database)
    assert await leader.resume(run.id) == run
    assert await entries(database) == before


async def test_two_coordinators_on_one_run_do_not_both_go_on():
    database = MemoryDatabase()
    other = coordinator(SimulatedSites(TABLES), database=database)

    async def meanwhile(step, honest):
        if step.round == 3:
            saved = await database.read(lambda tx: tx.find(CHECKPOINTS, limit=1))
            run = await other.run(saved[0].id)
            await database.write(lambda tx: tx.replace(CHECKPOINTS, saved[0], replace(saved[0], round=99)))
            assert run.state is RunState.RUNNING
        return honest()

    leader = coordinator(SimulatedSites(TABLES, {did(3): meanwhile}), database=database)
    with pytest.raises(StaleRecordError):
        await leader.train(task(), seats(TABLES))


# --- sites that fail -----------------------------------------------------------------------------------------------


async def test_a_site_that_comes_back_in_time_is_waited_for():
    expected = await fitted(task(), TABLES)
    clock, events = ManualClock(), []
    start = clock.now()
    away = vanish("newton", back_after=lambda: (clock.now() - start).total_seconds() < 40)
    leader = coordinator(SimulatedSites(TABLES, {did(1): away}), clock=clock, progress=events.append)
    run = await drive(clock, leader.train(task(), seats(TABLES)))
    assert (run.state, run.faults) == (RunState.FINISHED, ())
    assert read(await leader.model(run.id)).terms == read(expected).terms
    waits = [event for event in events if event.event == "away"]
    assert waits
    assert {event.site for event in waits} == {did(1)}
    assert len(waits) < 12  # it backs off


@pytest.mark.parametrize("step", ["moments", "newton"])
async def test_a_model_is_the_fit_of_exactly_the_sites_that_it_names(step):
    rest = {site: columns for site, columns in TABLES.items() if site != did(1)}
    expected = await fitted(task(), rest)
    clock = ManualClock()
    sites = SimulatedSites(TABLES, {did(1): vanish(step)})
    leader = coordinator(sites, clock=clock, patience=Patience(deadline=30.0))
    run = await drive(clock, leader.train(task(), seats(TABLES)))
    model = await leader.model(run.id)
    assert run.state is RunState.FINISHED
    assert [(fault.site, fault.code) for fault in run.faults] == [(did(1), "learning.site_away")]
    assert did(1) in str(run.faults[0].text)
    assert model.lineage.sites == tuple(rest)
    assert np.array_equal(coefficients(model), coefficients(expected))


async def test_a_site_that_vanishes_before_it_is_measured_stays_in_the_model_without_quality():
    expected = await fitted(task(), TABLES)
    clock = ManualClock()
    leader = coordinator(SimulatedSites(TABLES, {did(2): vanish("evaluation")}), clock=clock)
    run = await drive(clock, leader.train(task(), seats(TABLES)), 10.0)
    model = await leader.model(run.id)
    assert read(model).terms == read(expected).terms
    assert [site.quality is None for site in read(model).sites] == [False, False, True, False]
    assert model.lineage.sites == tuple(TABLES)


async def test_an_attempt_that_hangs_is_given_up_at_the_deadline():
    async def hang(step, honest):
        await asyncio.Event().wait()

    clock = ManualClock()
    leader = coordinator(SimulatedSites(TABLES, {did(0): hang}), clock=clock, patience=Patience(deadline=60.0))
    run = await drive(clock, leader.train(task(), seats(TABLES)), 10.0)
    assert run.state is RunState.FINISHED
    assert [fault.code for fault in run.faults] == ["learning.site_away"]


async def test_a_refusal_is_not_asked_again():
    async def refuse(step, honest):
        raise SiteRefusedError(site=did(0), reason="/permission/0/constraint/1")

    sites, events = SimulatedSites(TABLES, {did(0): refuse}), []
    leader = coordinator(sites, progress=events.append)
    run = await leader.train(task(), seats(TABLES))
    assert did(0) not in {event.site for event in events if event.event == "answered"}
    assert [event.site for event in events if event.event == "excluded"] == [did(0)]
    assert run.state is RunState.FINISHED
    assert [site for site, _, _ in sites.asked].count(did(0)) == 1
    assert "/permission/0/constraint/1" in str(run.faults[0].text)


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        (SiteRefusedError(site=did(3), reason="expired"), "learning.site_refused"),
        (SiteRefusedError(site=did(3), reason="used up", refusal="policy.count"), "policy.count"),
        (InvalidInputError(reason="no such agreement"), "input.invalid"),
    ],
)
async def test_a_site_that_does_not_begin_is_left_out(refused, code):
    sites = SimulatedSites(TABLES, refusing_to_begin={did(3): refused})
    leader = coordinator(sites)
    run = await leader.train(task(), seats(TABLES))
    assert (await leader.model(run.id)).lineage.sites == (did(0), did(1), did(2))
    assert [(fault.site, fault.code) for fault in run.faults] == [(did(3), code)]


async def test_a_database_that_fails_is_not_the_sites_fault():
    async def full(step, honest):
        raise StorageFullError

    leader = coordinator(SimulatedSites(TABLES, {did(1): full}))
    run = await leader.create(task(), seats(TABLES))
    with pytest.raises(StorageFullError):
        await leader.resume(run.id)
    run = await leader.run(run.id)
    assert (run.state, run.faults) == (RunState.RUNNING, ())


async def test_fewer_than_min_sites_fail_with_a_clear_reason():
    async def refuse(step, honest):
        raise SiteRefusedError(site="", reason="no")

    database = MemoryDatabase()
    sites = SimulatedSites(TABLES, {did(0): refuse, did(1): refuse})
    leader = coordinator(sites, database=database)
    run = await leader.train(task(min_sites=3), seats(TABLES))
    assert (run.state, run.failure.code, run.model) == (RunState.FAILED, "learning.too_few_sites", None)
    assert "Only 2 of 4 sites are left; the task needs 3." in str(run.failure.text)
    assert str(run.failure.advice)
    assert [entry.kind for entry in await entries(database)] == ["run.started", "run.round", "run.failed"]
    assert sorted(sites.ended) == sorted(f"urn:use:{site}" for site in TABLES)
    assert await leader.model(run.id) is None


@pytest.mark.parametrize("count", [0, 1])
async def test_zero_results_are_never_a_success(count):
    async def refuse(step, honest):
        raise SiteRefusedError(site="", reason="no")

    tables = dict(list(TABLES.items())[:count])
    leader = coordinator(SimulatedSites(tables, dict.fromkeys(tables, refuse)))
    run = await leader.train(task(min_sites=1), seats(tables))
    assert (run.state, run.failure.code) == (RunState.FAILED, f"learning.too_few_{'sites' if count else 'asked'}")


async def test_too_few_sites_to_measure_fail_too():
    async def refuse(step, honest):
        if step.name == "evaluation":
            raise SiteRefusedError(site="", reason="no")
        return honest()

    leader = coordinator(SimulatedSites(TABLES, dict.fromkeys(TABLES, refuse)))
    run = await leader.train(task(min_sites=1), seats(TABLES))
    assert (run.state, run.failure.code) == (RunState.FAILED, "learning.too_few_sites")


async def test_an_agreement_may_demand_more_sites_than_the_task():
    places = [replace(seat, min_sites=5) for seat in seats(TABLES)]
    leader = coordinator(SimulatedSites(TABLES))
    run = await leader.train(task(), places)
    assert run.failure.code == "learning.too_few_asked"
    assert (run.failure.facts["needed"], run.failure.exit_code) == (5, 2)


async def test_too_few_sites_for_masks_are_told_before_any_is_asked():
    asked = []

    async def refuse(step, honest):
        asked.append(step)
        return honest()

    tables = dict(list(TABLES.items())[:3])
    leader = coordinator(SimulatedSites(tables, dict.fromkeys(tables, refuse)))
    run = await leader.train(task(protection="masked-sums", min_sites=1), seats(tables))
    assert (run.state, run.failure.code) == (RunState.FAILED, "learning.too_few_masked")
    assert dict(run.failure.facts) | {"asked": 3, "needed": 4, "hidden": 3, "others": 1} == dict(run.failure.facts)
    assert not asked


@pytest.mark.parametrize(
    ("left", "colluders", "code"),
    [(3, 0, None), (4, 1, None), (4, 2, "learning.too_few_masked"), (2, 0, "learning.too_few_masked")],
)
def test_masks_take_as_many_sites_as_hide_one_besides_those_that_may_tell(left, colluders, code):
    demands = Demands(1, 1, "exclude", "masked-sums")
    places = tuple(replace(seat, colluders=colluders) for seat in seats(list(TABLES)[:left]))
    run = Run("urn:r", RunState.RUNNING, "", {}, "sha256:0", "medspace:train", places)
    if code is None:
        rules.check_attendance(demands, run)
        return
    with pytest.raises(TooFewMaskedError) as caught:
        rules.check_attendance(demands, run)
    assert caught.value.code == code
    gone = Fault(places[0].site, 1, "learning.site_away", Text("away"), away=True)
    with pytest.raises(TooFewSitesError):
        rules.check_attendance(demands, replace(run, faults=(gone,)))


@pytest.mark.parametrize(("asked", "colluders"), [(9, 0), (12, 1), (15, 2)])
def test_each_group_takes_as_many_sites_as_a_run_without_groups(asked, colluders):
    demands = Demands(1, 1, "exclude", "masked-sums-of-groups", groups=3)
    places = tuple(replace(seat, colluders=colluders) for seat in seats([did(number) for number in range(asked)]))
    run = Run("urn:r", RunState.RUNNING, "", {}, "sha256:0", "medspace:train", places)
    rules.check_attendance(demands, run)
    with pytest.raises(TooFewGroupedError) as caught:
        rules.check_attendance(demands, replace(run, seats=places[1:]))
    assert dict(caught.value.facts)["needed"] == asked
    gone = Fault(places[0].site, 1, "learning.site_away", Text("away"), away=True)
    with pytest.raises(TooFewSitesError):
        rules.check_attendance(demands, replace(run, faults=(gone,)))


@pytest.mark.parametrize("says", ["fail", "exclude"])
@pytest.mark.parametrize("away", [True, False])
def test_under_masks_the_contract_of_a_site_that_is_missing_decides(says, away):
    demands = Demands(1, 1, says, "masked-sums")
    places = seats([*TABLES, did(7), did(8)])
    gone = Fault(places[0].site, 2, "learning.site_away", "It is away.", away=away)
    run = Run("urn:r", RunState.RUNNING, "", {}, "sha256:0", "medspace:train", places, faults=(gone,))
    run = replace(run, protection="masked-sums")
    with pytest.raises(RunError) as caught:
        rules.check_attendance(demands, run)
    refused = says == "fail" and not away  # whoever refuses has said why
    assert caught.value.code == ("learning.sites_refused" if refused else "run.departure")
    if not refused:
        assert dict(caught.value.facts) == {"bound": places[0].site}
        assert rules.failure(caught.value, run.faults).by_sites

    paid = replace(demands, bounded=True)  # with noise: what a departure tells is paid for
    if says == "exclude":
        rules.check_attendance(paid, run)
        few = replace(run, seats=run.seats[:4])
        with pytest.raises(TooFewSitesError):
            rules.check_attendance(paid, few)
    else:
        with pytest.raises(RunError, match="It is away"):
            rules.check_attendance(paid, run)

    let = replace(run, leaving=(places[0].site,))
    if says == "exclude":
        rules.check_attendance(demands, let)
        rules.check_attendance(demands, replace(run, faults=(replace(gone, round=0),)))  # it was in no manifest yet
    else:
        with pytest.raises(RunError) as caught:
            rules.check_attendance(demands, let)
        assert caught.value.code != "run.departure"


async def test_the_task_may_demand_every_site():
    async def refuse(step, honest):
        raise SiteRefusedError(site=did(2), reason="no")

    leader = coordinator(SimulatedSites(TABLES, {did(2): refuse}))
    run = await leader.train(task(site_faults="fail"), seats(TABLES))
    assert run.failure.code == "learning.sites_refused"
    assert did(2) in str(run.failure.text)


# --- runs that fail or end early ------------------------------------------------------------------------------------


async def test_rounds_are_used_up():
    leader = coordinator(SimulatedSites(TABLES))
    run = await leader.train(task(max_rounds=3), seats(TABLES))
    assert (run.state, run.failure.code) == (RunState.FAILED, "learning.not_converged")


async def test_separated_classes_are_no_success():
    tables = {did(0): {"x": [1.0, 2.0, 3.0, 4.0], "z": [1.0, 0.0, 2.0, 1.0], "y": [0.0, 0.0, 1.0, 1.0]}}
    leader = coordinator(SimulatedSites(tables))
    run = await leader.train(task(l2=0, min_sites=1, max_rounds=100), seats(tables))
    assert run.state is RunState.FAILED
    assert run.failure.code == "learning.separated"


async def test_a_round_that_leads_nowhere_is_on_record_and_fails_after_a_kill_too():
    tables = {site: {**columns, "z": [2.0 * value for value in columns["x"]]} for site, columns in TABLES.items()}
    for dies_at in (None, 5):
        database = MortalDatabase()
        database.dies_at = dies_at
        leader = coordinator(SimulatedSites(tables), database=database)
        run = await leader.create(task(l2=0), seats(tables))
        if dies_at:
            with pytest.raises(KilledError):
                await leader.resume(run.id)
        run = await leader.resume(run.id)
        assert run.failure.code == "learning.singular"
        assert [entry.kind for entry in await entries(database)][-2:] == ["run.round", "run.failed"]


ACTOR = "actor:" + "1" * 32


async def test_the_log_says_who_began_a_run():
    database = MemoryDatabase()
    leader = coordinator(SimulatedSites(TABLES), database=database)
    run = await leader.create(task(), seats(TABLES), by=ACTOR)
    await leader.resume(run.id)
    started = next(entry for entry in await entries(database) if entry.kind == "run.started")
    assert started.facts["by"] == run.asked_by == ACTOR


async def test_cancelled_while_its_leader_moves_it_on():
    leader = coordinator(SimulatedSites(TABLES), database=MemoryDatabase())
    run = await leader.create(task(), seats(TABLES))
    moved = replace(run, round=1)

    class Between:
        """The database, in which a leader moves the run on after each reading."""

        async def read(self, work):
            found = await leader.database.read(work)
            await leader.database.write(lambda tx: tx.replace(RUNS, run, moved))
            return found

        async def write(self, work):
            return await leader.database.write(work)

    ended = await replace(leader, database=Between()).cancel(run.id, by=ACTOR)
    assert (ended.state, ended.cancelled_by) == (RunState.CANCELLED, ACTOR)


async def test_a_run_that_was_cancelled_as_its_leader_failed_stays_cancelled():
    database = MemoryDatabase()
    other = coordinator(SimulatedSites(TABLES), database=database)

    async def fails(step, honest):
        (run,) = await other.unsettled()
        await other.cancel(run.id, by=ACTOR)
        raise SiteRefusedError(site=did(0), reason="expired")

    leader = coordinator(SimulatedSites(TABLES, dict.fromkeys(map(did, range(SITES)), fails)), database=database)
    run = await leader.train(task(), seats(TABLES))
    assert (run.state, run.settled) == (RunState.CANCELLED, "yes")


async def test_cancelled_in_the_middle():
    database = MemoryDatabase()
    other = coordinator(SimulatedSites(TABLES), database=database)

    async def meanwhile(step, honest):
        if step.round == 3:
            (run,) = await other.unsettled()
            await other.cancel(run.id, by=ACTOR)
        return honest()

    sites = SimulatedSites(TABLES, {did(3): meanwhile})
    leader = coordinator(sites, database=database)
    run = await leader.train(task(), seats(TABLES))
    assert (run.state, run.failure.code, run.model) == (RunState.CANCELLED, "learning.cancelled", None)
    assert len(sites.ended) == SITES
    log = await entries(database)
    assert (log[-1].kind, log[-1].facts["code"]) == ("run.failed", "learning.cancelled")
    assert log[-1].facts["by"] == run.cancelled_by == ACTOR
    assert await leader.cancel(run.id) == run


async def test_what_cannot_be_created_or_found():
    leader = coordinator(SimulatedSites(TABLES))
    with pytest.raises(TaskInvalidError):
        await leader.create(task(family="cox"), seats(TABLES))
    with pytest.raises(TaskInvalidError):
        await leader.create(task(), seats([did(0), did(0)]))
    with pytest.raises(TaskInvalidError):
        await leader.create(task(), seats(["the hospital of Anna Muster"]))
    with pytest.raises(RunUnknownError):
        await leader.resume("urn:uuid:none")


async def test_killed_before_its_uses_were_ended_the_next_coordinator_ends_them():
    class Dying(SimulatedSites):
        async def end(self, use):
            raise KilledError

    database = MemoryDatabase()
    first = coordinator(Dying(TABLES), database=database)
    run = await first.create(task(), seats(TABLES))
    with pytest.raises(KilledError):
        await first.resume(run.id)
    sites = SimulatedSites(TABLES)
    second = coordinator(sites, database=database)
    assert [unsettled.id for unsettled in await second.unsettled()] == [run.id]
    assert (await second.resume(run.id)).settled == "yes"
    assert sorted(sites.ended) == sorted(f"urn:use:{site}" for site in TABLES)
    assert sites.asked == []


async def test_the_end_waits_only_briefly_for_a_site_that_is_away():
    class Absent(SimulatedSites):
        async def end(self, use):
            if use == f"urn:use:{did(0)}":
                raise SiteAwayError(site=did(0))
            await super().end(use)

    clock = ManualClock()
    start = clock.now()
    leader = coordinator(Absent(TABLES), clock=clock)
    run = await drive(clock, leader.train(task(), seats(TABLES)))
    assert (run.state, run.settled) == (RunState.FINISHED, "yes")
    assert (clock.now() - start).total_seconds() <= 15


def test_every_state_has_its_rule():
    assert set(rules.TRANSITIONS) == set(RunState)
    assert {state for state in RunState if rules.over(state)} == {
        RunState.FINISHED,
        RunState.FAILED,
        RunState.CANCELLED,
    }
    reachable = {after for state in RunState for after in rules.TRANSITIONS[state]}
    assert reachable | {RunState.CREATED} == set(RunState)
    assert rules.may_follow(RunState.CREATED, RunState.RUNNING)
    assert not rules.may_follow(RunState.FINISHED, RunState.RUNNING)


async def test_a_run_goes_no_other_way_than_the_table_says():
    run = await coordinator(SimulatedSites(TABLES)).create(task(), seats(TABLES))
    assert rules.moved(run, RunState.RUNNING).state is RunState.RUNNING
    with pytest.raises(ValueError, match="does not become finished"):
        rules.moved(run, RunState.FINISHED)


def test_collections_have_names_of_their_own():
    assert len({collection.name for collection in COLLECTIONS}) == len(COLLECTIONS)
