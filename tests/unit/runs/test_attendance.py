"""Nobody disappears in silence: who refuses ends the run with its reason, who is away is said and waited for."""

import asyncio
from dataclasses import dataclass, field

import pytest

from medspace.adapters.memory import ManualClock, MemoryDatabase
from medspace.app.features.training.waiting import Waiting
from medspace.connector.codes import noted
from medspace.core.errors import WaitingError
from medspace.ledger.model import decode
from medspace.runs import rules
from medspace.runs.asking import Patience
from medspace.runs.errors import SiteAwayError, SiteRefusedError
from medspace.runs.model import RUNS, Fault, RunState
from tests.unit.learning.simulated import SimulatedSites, coordinator, did, seats
from tests.unit.runs.test_coordinator import TABLES, drive, task, vanish

NO = SiteRefusedError(site=did(1), reason="No column agee.", refusal="learning.column_unknown", advice="Fix it.")
DICTIONARY = {
    "title": "Invented",
    "columns": [{"name": "x", "type": "number"}, {"name": "z", "type": "number"}, {"name": "y", "type": "flag"}],
}


def strict(**changes):
    return task(**changes, site_faults="fail")


async def refuse(step, honest):
    raise NO


async def hang(step, honest):
    await asyncio.Event().wait()


@dataclass
class Published:
    """What each site publishes; an error is raised, once for each time that it stands there."""

    by_site: dict
    asked: list = field(default_factory=list)

    async def dictionary(self, agreement):
        site = agreement.removeprefix("urn:agreement:")
        self.asked.append(site)
        found = self.by_site.get(site, DICTIONARY)
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(found, Exception):
            raise found
        return found


async def said(database, kind):
    log = [decode(raw) for raw in await database.read(lambda tx: tx.log.entries(0, tx.log.size()))]
    return [entry.facts for entry in log if entry.kind == kind]


# --- refusals ------------------------------------------------------------------------------------------------------


async def test_a_refusal_ends_the_run_with_the_sites_own_code_words_and_advice():
    database = MemoryDatabase()
    leader = coordinator(SimulatedSites(TABLES, {did(1): refuse}), database=database)
    run = await leader.train(strict(), seats(TABLES))
    assert (run.state, run.model, run.failure.code) == (RunState.FAILED, None, "learning.column_unknown")
    assert (run.failure.exit_code, run.failure.by_sites) == (3, True)
    (cause,) = rules.causes(run.faults)
    assert (str(cause.reason), str(cause.advice), cause.sites) == ("No column agee.", "Fix it.", (did(1),))
    (facts,) = await said(database, "run.failed")
    assert (facts["code"], facts["missing"], facts["reasons"]) == (
        "learning.column_unknown",
        [did(1)],
        ["learning.column_unknown"],
    )


@pytest.mark.parametrize(("document", "allowed"), [(strict(), True), (task(site_faults="exclude"), False)])
async def test_a_run_goes_on_without_those_that_refuse_where_it_or_its_task_says_so(document, allowed):
    database = MemoryDatabase()
    leader = coordinator(SimulatedSites(TABLES, {did(1): refuse}), database=database)
    run = await leader.train(document, seats(TABLES), without_missing=allowed)
    model = await leader.model(run.id)
    assert run.state is RunState.FINISHED
    assert model.lineage.asked == tuple(TABLES)
    assert model.lineage.sites == (did(0), did(2), did(3))
    assert [(fault.site, fault.code) for fault in model.lineage.missing] == [(did(1), "learning.column_unknown")]
    (facts,) = await said(database, "run.finished")
    assert (facts["missing"], facts["reasons"]) == ([did(1)], ["learning.column_unknown"])


@pytest.mark.parametrize("goes_on", [True, False])
async def test_a_code_of_a_sites_own_making_is_kept_with_the_run_and_not_written_into_the_log(goes_on):
    async def named(step, honest):
        raise SiteRefusedError(site=did(1), reason="no", refusal="anna.schmidt-1955")

    database = MemoryDatabase()
    leader = coordinator(SimulatedSites(TABLES, {did(1): named}), database=database, noted=noted)
    run = await leader.train(strict(), seats(TABLES), without_missing=goes_on)
    assert [fault.code for fault in run.faults] == ["anna.schmidt-1955"]
    (facts,) = await said(database, "run.finished" if goes_on else "run.failed")
    assert (facts["missing"], facts["reasons"]) == ([did(1)], ["peer.unspecified"])
    log = await database.read(lambda tx: tx.log.entries(0, tx.log.size()))
    assert not any(b"anna" in entry for entry in log)


async def test_nobody_is_waited_for_once_a_site_has_refused_and_the_run_will_end_of_it():
    clock, hearing = ManualClock(), []
    start = clock.now()
    sites = SimulatedSites(TABLES, {did(0): vanish("moments"), did(1): refuse, did(2): hang})
    leader = coordinator(sites, clock=clock, progress=hearing.append)
    run = await drive(clock, leader.train(strict(), seats(TABLES)), 0.5)
    assert run.failure.code == "learning.column_unknown"
    assert (clock.now() - start).total_seconds() < 10
    assert {fault.site for fault in run.faults} == {did(0), did(1), did(2)}


async def test_where_it_may_go_on_the_others_are_waited_for_all_the_same():
    clock = ManualClock()
    start = clock.now()
    back = vanish("moments", back_after=lambda: (clock.now() - start).total_seconds() < 40)
    leader = coordinator(SimulatedSites(TABLES, {did(0): back, did(1): refuse}), clock=clock)
    run = await drive(clock, leader.train(strict(), seats(TABLES), without_missing=True))
    assert (await leader.model(run.id)).lineage.sites == (did(0), did(2), did(3))


def test_what_all_say_is_one_cause_and_refusals_come_before_absences():
    away = Fault(did(0), 0, "learning.site_away", "{site}", {"site": did(0)}, cause="No answer.", away=True)
    same = [
        Fault(did(at), 0, "x", "{site}: {reason}", {"site": did(at), "reason": "no"}, "{reason}") for at in (1, 2)
    ]
    found = rules.causes([away, *same])
    assert [(cause.code, cause.sites) for cause in found] == [
        ("x", (did(1), did(2))),
        ("learning.site_away", (did(0),)),
    ]


async def test_what_is_kept_of_a_fault_is_said_in_any_language():
    database = MemoryDatabase()
    published = Published({did(1): {**DICTIONARY, "columns": DICTIONARY["columns"][1:]}})
    leader = coordinator(SimulatedSites(TABLES), database=database, dictionaries=published)
    run = await leader.run((await leader.train(strict(), seats(TABLES))).id)
    told = []
    run.faults[0].reason.render(lambda sentence: told.append(sentence) or sentence)
    assert told == ["The published data do not fit: {reason}.", "there is no column {column}"]
    assert not str(run.faults[0].text).endswith("..")


def test_a_fault_of_an_older_database_still_says_what_it_said():
    old = Fault(
        did(0), 2, "learning.site_refused", "The site {site} refuses: {reason}.", {"site": "s", "reason": "no"}
    )
    assert str(old.reason) == str(old.text) == "The site s refuses: no."


# --- absences ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("patience", [0.0, 30.0])
async def test_a_site_that_stays_away_is_waited_for_as_long_as_was_said_and_ends_the_run(patience):
    clock = ManualClock()
    start = clock.now()
    leader = coordinator(SimulatedSites(TABLES, {did(1): vanish("moments")}), clock=clock)
    run = await leader.create(strict(), seats(TABLES), patience=patience)
    run = await drive(clock, leader.resume(run.id))
    waited = (clock.now() - start).total_seconds()
    assert (run.failure.code, run.failure.exit_code) == ("learning.sites_away", 4)
    assert (patience or 300) * 0.8 <= waited <= (patience or 300) + 5


async def test_who_is_away_is_heard_at_once_with_the_time_left_and_heard_when_back():
    clock, rung = ManualClock(), []
    start = clock.now()
    waiting = Waiting(clock, rung.extend)
    seen = []

    def hear(progress):
        waiting.hear(progress)
        for site, absence in waiting.of(progress.run).items():
            seen.append((site, waiting.left(absence), (clock.now() - start).total_seconds(), str(absence.reason)))

    away = vanish("moments", back_after=lambda: (clock.now() - start).total_seconds() < 40)
    leader = coordinator(SimulatedSites(TABLES, {did(3): away}), clock=clock, progress=hear)
    run = await drive(clock, leader.train(strict(), seats(TABLES)))
    assert run.state is RunState.FINISHED
    assert seen[0] == (did(3), 300, 0.0, "it did not answer")
    assert seen[-1][1] < 300
    assert waiting.of(run.id) == {}
    assert len(rung) >= 2
    assert set(rung) == {RUNS.topic(run.id)}


async def test_an_attempt_that_is_open_for_long_is_said_to_be():
    clock, hearing = ManualClock(), []
    leader = coordinator(SimulatedSites(TABLES, {did(0): hang}), clock=clock, progress=hearing.append)
    await drive(clock, leader.train(strict(), seats(TABLES)))
    first = next(event for event in hearing if event.event == "away")
    assert (first.site, first.left) == (did(0), 290.0)
    assert "has not answered yet" in str(first.reason)


async def test_whatever_waits_is_waited_for_and_is_no_refusal():
    clock = ManualClock()
    start = clock.now()

    async def crossed(step, honest):
        if (clock.now() - start).total_seconds() < 5:
            raise WaitingError(whom="a message")
        return honest()

    leader = coordinator(SimulatedSites(TABLES, {did(0): crossed}), clock=clock)
    run = await drive(clock, leader.train(strict(), seats(TABLES)))
    assert (run.state, run.faults) == (RunState.FINISHED, ())


# --- before anything is asked --------------------------------------------------------------------------------------


async def surveyed(by_site, document=None, **options):
    sites, clock = SimulatedSites(TABLES), ManualClock()
    published = Published(by_site)
    leader = coordinator(sites, clock=clock, dictionaries=published, patience=Patience(deadline=60.0))
    run = await leader.create(document or strict(), seats(TABLES), **options)
    return await drive(clock, leader.resume(run.id)), sites, published


async def test_a_task_that_fits_is_asked_as_ever():
    run, _, published = await surveyed({did(1): None})
    assert (run.state, run.faults) == (RunState.FINISHED, ())
    assert sorted(published.asked) == sorted(TABLES)


async def test_a_misspelled_column_is_said_by_all_before_any_use_begins():
    run, sites, _ = await surveyed({}, strict(features=[{"name": "xx"}, {"name": "z"}]))
    assert run.failure.code == "learning.column_unknown"
    (cause,) = rules.causes(run.faults)
    assert (cause.sites, str(cause.reason)) == (
        tuple(TABLES),
        "The published data do not fit: there is no column xx, but there is x.",
    )
    assert (sites.asked, sites.ended) == ([], [])


async def test_a_misspelled_column_is_not_kept_waiting_for_a_site_that_is_away():
    clock = ManualClock()
    start = clock.now()
    published = Published({did(0): SiteAwayError(site=did(0))})
    leader = coordinator(SimulatedSites(TABLES), clock=clock, dictionaries=published)
    run = await drive(clock, leader.train(strict(features=[{"name": "xx"}]), seats(TABLES)), 0.5)
    assert run.failure.code == "learning.column_unknown"
    assert (clock.now() - start).total_seconds() < 10


async def test_one_site_that_codes_otherwise_is_named_and_may_be_left_out():
    odd = {did(2): {**DICTIONARY, "columns": DICTIONARY["columns"][1:]}}
    run, sites, _ = await surveyed(odd)
    assert [fault.site for fault in run.faults] == [did(2)]
    assert (run.state, sites.asked) == (RunState.FAILED, [])
    run, sites, _ = await surveyed(odd, without_missing=True)
    assert run.state is RunState.FINISHED
    assert did(2) not in {site for site, _, _ in sites.asked}


async def test_a_site_that_is_away_before_the_first_round_is_found_so_before_any_use_begins():
    run, sites, _ = await surveyed({did(0): SiteAwayError(site=did(0), reason="Connection refused.")})
    assert (run.failure.code, sites.asked) == ("learning.sites_away", [])
    assert "Connection refused" in str(run.failure.text)
    run, _, published = await surveyed({did(0): [SiteAwayError(site=did(0)), DICTIONARY]})
    assert (run.state, run.faults, published.asked.count(did(0))) == (RunState.FINISHED, (), 2)


async def test_a_dictionary_that_is_none_is_no_dictionary():
    run, _, _ = await surveyed({did(0): {"columns": "x"}})
    assert [(fault.site, fault.code) for fault in run.faults] == [(did(0), "learning.coding")]


def measured(unit):
    return {**DICTIONARY, "columns": [{"name": "x", "type": "number", "unit": unit}, *DICTIONARY["columns"][1:]]}


async def test_another_unit_ends_the_run_before_anything_is_asked():
    run, sites, _ = await surveyed(
        {did(0): measured("mmol/L"), did(1): measured("mg/dL"), did(2): measured("mmol/l")}
    )
    assert (run.failure.code, run.failure.exit_code, sites.asked) == ("learning.units", 3, [])
    (fault,) = run.faults
    assert str(fault.reason).endswith(f"the column x is in mg/dL, but in mmol/L at {did(0)}.")
    assert "convert the column" in str(fault.advice)


async def test_a_unit_that_is_not_stated_everywhere_is_said_and_the_run_goes_on():
    run, _, _ = await surveyed({did(0): measured("mmol/L")})
    (remark,) = map(str, run.remarks)
    assert f"is in mmol/L at {did(0)}, and no unit is stated at {did(1)}, {did(2)}" in remark
    assert run.state is RunState.FINISHED


async def test_of_a_site_that_is_left_out_nothing_is_said():
    published = {did(at): measured("mmol/L") for at in range(len(TABLES))} | {did(1): measured("mg/dL")}
    run, _, _ = await surveyed(published, without_missing=True)
    assert ([fault.site for fault in run.faults], run.remarks) == ([did(1)], ())
