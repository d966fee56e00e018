"""A run that is handed over: two connectors in one process, a user and a coordinator that does as it is told to."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from medspace.adapters.memory import ManualClock, MemoryDatabase, MemoryUseKeys, SeededRandomness
from medspace.core.text import Text
from medspace.ledger.model import decode
from medspace.runs import rules
from medspace.runs.asking import Patience
from medspace.runs.coordinating import MOST_LED, STALE, Coordination, Handovers
from medspace.runs.delegation import Delegation
from medspace.runs.errors import (
    CoordinatorBusyError,
    HandoverInvalidError,
    NotCoordinatedError,
    RunUnknownError,
    SiteAwayError,
    SiteRefusedError,
    TaskInvalidError,
)
from medspace.runs.handover import Mandate, SeatEndpoint, packed, unpacked
from medspace.runs.model import HANDOVERS, RUNS, Fault, RunState
from medspace.runs.telling import RunStatus, heard, tell
from tests.runs import Everybody, manifest_of, signed, signer_of
from tests.unit.learning.simulated import SimulatedSites, coordinator, did, seats
from tests.unit.runs.test_coordinator import TABLES, task

USER, LEADER = "did:web:user.example", "did:web:leader.example"


@dataclass
class UserSites(SimulatedSites):
    """The sites as the user reaches them: it begins and ends uses, and asks nothing."""

    uses: dict[str, str] = field(default_factory=dict)

    async def begin(self, run, agreement, kind):
        self.uses[agreement] = await super().begin(run, agreement, kind)
        return self.uses[agreement]

    async def begun(self, run, agreement, kind):
        return self.uses.get(agreement)

    async def place(self, use):
        site = use.removeprefix("urn:use:")
        return SeatEndpoint(site, f"urn:agreement:{site}", use, "https://site.example/jobs/1", "token")


@dataclass
class LedSites(SimulatedSites):
    """The sites as the coordinator reaches them."""

    handovers: Handovers | None = None

    async def begin(self, run, agreement, kind):
        places = (await self.handovers.mandate(run)).places
        (use,) = [place.use for place in places if place.agreement == agreement]
        await super().begin(run, agreement, kind)
        return use

    async def forget(self, run):
        await self.handovers.forget(run)


@dataclass
class Way:
    """The way from one to the other (port `runs.ports.Coordinators`); `told` changes what comes back."""

    pair: Any
    refusal: Exception | None = None
    changes: Any = lambda told: told
    cancelled: list = field(default_factory=list)

    async def key(self, coordinator, manifest):
        if self.refusal is not None:
            raise self.refusal
        return await self.pair.coordination.key(USER, manifest)

    async def hand_over(self, coordinator, run, sealed):
        await self.pair.coordination.accept(USER, run, sealed)

    async def told(self, coordinator, run, seen):
        for led in self.pair.to_lead:
            await self.pair.leader.resume(led)
        said = msgspec.json.encode(await self.pair.coordination.told(USER, run))
        return self.changes(msgspec.json.decode(said, type=RunStatus))

    async def cancel(self, coordinator, run):
        self.cancelled.append(run)
        await self.pair.coordination.cancel(USER, run)


class Pair:
    """A user and a coordinator."""

    def __init__(self, **options):
        self.clock, self.members, self.to_lead, self.allowed = ManualClock(), Everybody(), [], True
        self.mine, self.theirs = MemoryDatabase(), MemoryDatabase()
        self.keys = MemoryUseKeys(SeededRandomness(3))
        self.handovers = Handovers(self.theirs, self.keys, SeededRandomness(4))
        self.user_sites, self.led_sites = UserSites(TABLES), LedSites(TABLES, handovers=self.handovers)
        self.way = Way(self)
        delegation = Delegation(
            self.mine,
            self.clock,
            SeededRandomness(5),
            USER,
            signer_of(USER),
            self.members,
            self.user_sites,
            self.way,
        )
        self.user = replace(
            coordinator(self.user_sites, database=self.mine, clock=self.clock, patience=Patience(deadline=20.0)),
            actor=USER,
            signer=signer_of(USER),
            delegation=delegation,
            **options,
        )
        self.leader = replace(
            coordinator(SimulatedSites({}), database=self.theirs, clock=self.clock),
            actor=LEADER,
            signer=signer_of(LEADER),
            led=self.led_sites,
        )
        self.coordination = Coordination(
            LEADER,
            signer_of(LEADER),
            self.members,
            self.theirs,
            self.clock,
            SeededRandomness(6),
            self.handovers,
            self.leader,
            lambda _: self.allowed,
            self.lead,
        )

    def lead(self, run):
        if run not in self.to_lead:
            self.to_lead.append(run)

    async def train(self, wanted=None, **more):
        run = await self.user.create(wanted or task(), seats(TABLES), coordinator=LEADER, **more)
        return await self.user.resume(run.id)

    async def kinds(self, database):
        entries = await database.read(lambda tx: [decode(one) for one in tx.log.entries(0, tx.log.size())])
        return [entry.kind for entry in entries]

    async def asked_for(self, **changes):
        """A key for a run that is never handed over; the manifest with it."""
        agreements = {seat.site: seat.agreement for seat in seats(TABLES)}
        manifest = manifest_of(USER, self.document, agreements, **{"coordinator": LEADER, "min_sites": 2} | changes)
        return manifest, await self.coordination.key(USER, signed(manifest))

    @property
    def document(self):
        return self.leader.drawn(task(), seats(TABLES))[0].task


async def test_the_model_is_the_one_that_the_user_would_have_got_itself():
    pair, own = Pair(), coordinator(SimulatedSites(TABLES))
    run = await pair.train()
    assert (run.state, run.settled, run.failure) == (RunState.FINISHED, "yes", None)
    model, undisturbed = await pair.user.model(run.id), await own.model((await own.train(task(), seats(TABLES))).id)
    assert model.digest == undisturbed.digest
    assert (model.lineage.coordinator, undisturbed.lineage.coordinator) == (LEADER, "")
    assert model.rounds == undisturbed.rounds == len(model.lineage.rounds)
    assert await pair.kinds(pair.mine) == ["run.delegated", "run.received"]
    assert await pair.kinds(pair.theirs) == ["run.started", *["run.round"] * model.rounds, "run.finished"]
    assert pair.user_sites.asked == []
    assert sorted(pair.user_sites.ended) == [f"urn:use:{site}" for site in TABLES]
    assert pair.led_sites.ended == []
    assert list(pair.keys.uses()) == []
    assert await pair.theirs.read(lambda tx: tx.find(HANDOVERS)) == []


async def test_its_user_is_told_of_the_rounds_and_of_who_is_lost():
    heard = []
    pair = Pair(progress=lambda progress: heard.append((progress.event, progress.site)))

    async def gone(step, honest):
        raise SiteRefusedError(site=did(1), reason=Text("it is \x1b[2Jover"), refusal="use.over", advice="Wait.")

    pair.led_sites.behaviours[did(1)] = gone
    run = await pair.train()
    assert run.state is RunState.FINISHED
    (fault,) = run.faults
    assert (fault.site, fault.code, str(fault.advice)) == (did(1), "use.over", "Wait.")
    assert "it is" in str(fault.text)
    assert "\x1b" not in str(fault.text)
    assert ("excluded", did(1)) in heard
    assert ("round", "") in heard
    assert ("finished", "") in heard


async def test_why_it_failed_is_why_the_users_run_failed():
    pair = Pair()

    async def gone(step, honest):
        raise SiteRefusedError(site=did(1), reason="it is over", refusal="use.over")

    pair.led_sites.behaviours[did(1)] = gone
    run = await pair.train(task(site_faults="fail"))
    assert (run.state, run.failure.code, run.failure.by_sites) == (RunState.FAILED, "use.over", True)
    assert "sites" in run.failure.facts
    assert await pair.kinds(pair.mine) == ["run.delegated", "run.failed"]
    assert pair.way.cancelled == [run.id]
    assert len(pair.user_sites.ended) == len(TABLES)


async def test_a_seat_that_is_lost_before_the_first_round_ends_it():
    pair = Pair()
    pair.led_sites.refusing_to_begin[did(1)] = SiteRefusedError(site=did(1), reason="no", refusal="x.y")
    run = await pair.train()
    assert (run.state, run.failure.code, run.round) == (RunState.FAILED, "x.y", 0)


@asynccontextmanager
async def passing(clock):
    """Time passes, faster than outside."""

    async def tick():
        while True:
            await asyncio.sleep(0.001)
            clock.advance(0.1)

    ticking = asyncio.create_task(tick())
    try:
        yield
    finally:
        ticking.cancel()


REFUSALS = {
    "run.coordinator_away": SiteAwayError(site=LEADER),
    "run.coordinator_refused": SiteRefusedError(site=LEADER, reason="no"),
}


@pytest.mark.parametrize("code", REFUSALS)
async def test_a_coordinator_that_is_away_or_says_no(code):
    pair = Pair()
    pair.way.refusal = REFUSALS[code]
    async with passing(pair.clock):
        run = await pair.train()
    assert (run.state, run.failure.code, run.handed) == (RunState.FAILED, code, False)
    assert LEADER in str(run.failure.text)
    assert len(pair.user_sites.ended) == len(TABLES)


async def test_without_a_way_to_coordinators_nothing_is_handed_over():
    pair = Pair()
    run = await replace(pair.user, delegation=None).create(task(), seats(TABLES), coordinator=LEADER)
    ended = await replace(pair.user, delegation=None).resume(run.id)
    assert ended.failure.code == "run.coordinator_refused"


async def test_a_task_whose_answers_have_parts_is_not_handed_over():
    """They would lie at the coordinator, and the user gets JSON only."""
    pair = Pair()
    procedure = pair.user.algorithms[0].prepare(task())
    said = ("document", "demands", "first")
    parted = SimpleNamespace(**{name: getattr(procedure, name) for name in said}, within=min, kept=min)
    algorithm = SimpleNamespace(name="glm", kind="medspace:train", prepare=lambda _: parted)
    user = replace(pair.user, algorithms=(algorithm,))
    with pytest.raises(TaskInvalidError):
        await user.create(task(), seats(TABLES), coordinator=LEADER)
    assert (await user.create(task(), seats(TABLES))).coordinator == ""


def other(**changes):
    """A coordinator that tells another model."""
    return lambda told: (
        told if told.model is None else msgspec.structs.replace(told, model=_with(told.model, changes))
    )


def _with(model, changes):
    return msgspec.structs.replace(model, **{name: change(model) for name, change in changes.items()})


def _strange_site(model):
    answer = replace(model.rounds[0].answers[0], site="did:web:strange")
    return [replace(model.rounds[0], answers=(answer,))]


def _odd_release(model):
    return [replace(model.rounds[0], answers=(replace(model.rounds[0].answers[0], release="two words"),))]


LIES = {
    "another result": other(result=lambda model: model.result | {"odd": 1}),
    "a result that is none": other(result=lambda model: {"x": float("nan")}),
    "more rows": other(rows=lambda model: model.rows + 1),
    "sites that were not asked": other(sites=lambda model: ["did:web:strange"]),
    "a site twice": other(sites=lambda model: [model.sites[0]] * 2),
    "answers of others": other(rounds=_strange_site),
    "answers that are none": other(rounds=_odd_release),
    "no model": lambda told: msgspec.structs.replace(told, model=None),
}


@pytest.mark.parametrize("name", LIES)
async def test_a_model_that_cannot_be_right_is_not_taken(name):
    pair = Pair()
    pair.way.changes = LIES[name]
    run = await pair.train()
    assert (run.state, run.failure.code, run.model) == (RunState.FAILED, "run.coordinator_refused", None)
    assert "run.received" not in await pair.kinds(pair.mine)


async def test_what_is_said_of_strangers_is_not_heard():
    pair = Pair()
    strange = Fault("did:web:strange", 1, "x.y", "No.", away=True)

    def changed(told):
        said = tell(replace(run_of(told), faults=(strange,)), None).faults
        return msgspec.structs.replace(told, faults=[*told.faults, *said])

    def run_of(told):
        return pair.leader.drawn(task(), seats(TABLES))[0]

    pair.way.changes = changed
    assert (await pair.train()).faults == ()


async def test_during_which_question_a_site_was_lost_is_heard_as_it_was_told():
    pair = Pair()
    run, _ = pair.leader.drawn(task(), seats(TABLES))
    lost = rules.lost(replace(run, asked=3), [Fault(run.seats[0].site, 11, "x.y", "No.", away=True)])
    (found,) = heard(run, tell(lost, None)).faults
    assert (found.site, found.round, found.question, found.away) == (run.seats[0].site, 11, 3, True)


async def test_cancelled_here_it_is_cancelled_there():
    pair = Pair()

    async def cancelled(coordinator, run, seen):
        await pair.user.cancel(run)
        return await pair.coordination.told(USER, run)

    pair.way.told = cancelled
    async with passing(pair.clock):
        run = await pair.train()
    assert (run.state, run.settled) == (RunState.CANCELLED, "yes")
    led = await pair.leader.run(run.id)
    assert (led.state, led.user) == (RunState.CANCELLED, USER)
    assert (await pair.leader.resume(run.id)).settled == "yes"
    assert list(pair.keys.uses()) == []


async def test_a_user_that_was_stopped_goes_on_following():
    pair = Pair()
    run = await pair.user.create(task(), seats(TABLES), coordinator=LEADER)
    told, pair.way.told = pair.way.told, stopped
    with pytest.raises(OSError, match="killed"):
        await pair.user.resume(run.id)
    assert (await pair.user.run(run.id)).handed
    pair.way.told = told
    again = await pair.user.resume(run.id)
    assert (again.state, again.settled) == (RunState.FINISHED, "yes")
    assert len(pair.user_sites.ended) == len(TABLES)  # found again, though nothing was begun anew


async def stopped(coordinator, run, seen):
    raise OSError("killed")


# --- the coordinator's side -----------------------------------------------------------------------------------------


async def test_a_key_is_given_once_for_each_manifest_and_anew_for_another():
    pair = Pair()
    manifest, key = await pair.asked_for()
    assert await pair.asked_for() == (manifest, key)
    _, other_key = await pair.asked_for(nonce="1" * 64)
    assert other_key != key
    pair.allowed = False
    with pytest.raises(NotCoordinatedError):
        await pair.asked_for()


@pytest.mark.parametrize("changes", [{"coordinator": USER}, {"coordinator": "did:web:third.example"}])
async def test_a_manifest_by_which_another_leads_begins_nothing(changes):
    with pytest.raises(HandoverInvalidError):
        await Pair().asked_for(**changes)


async def test_keys_that_nobody_used_make_room_after_a_while():
    pair = Pair()
    for number in range(MOST_LED):
        await pair.asked_for(run=f"urn:run:{number}")
    with pytest.raises(CoordinatorBusyError):
        await pair.asked_for(run="urn:run:late")
    pair.clock.advance(STALE.total_seconds() + 1)
    await pair.asked_for(run="urn:run:late")
    kept = await pair.theirs.read(lambda tx: [one.id for one in tx.find(HANDOVERS)])
    assert kept == ["urn:run:late"]
    assert len(list(pair.keys.uses())) > 1
    await pair.handovers.sweep()
    assert len(list(pair.keys.uses())) == 1


async def test_a_run_that_is_here_already_is_not_taken_again():
    pair = Pair()
    run = await pair.train()
    with pytest.raises(HandoverInvalidError):
        await pair.asked_for(run=run.id)
    await pair.coordination.accept(USER, run.id, "")  # the same again: it was taken
    with pytest.raises(RunUnknownError):
        await pair.coordination.accept(USER, "urn:run:none", "")
    with pytest.raises(RunUnknownError):
        await pair.coordination.told("did:web:other.example", run.id)


async def test_without_its_key_a_run_cannot_be_taken_or_led():
    pair = Pair()
    manifest, _ = await pair.asked_for()
    for name in list(pair.keys.uses()):
        pair.keys.forget(name)
    with pytest.raises(HandoverInvalidError):
        await pair.coordination.accept(USER, manifest.run, "")
    with pytest.raises(HandoverInvalidError):
        await pair.handovers.mandate(manifest.run)  # nothing was handed over yet


async def test_a_task_that_is_read_in_another_way_is_not_led():
    pair = Pair()
    place = SeatEndpoint("did:web:a.example", "urn:a", "urn:use", "https://a.example/jobs/1", "token")
    kept = replace(await kept_for(pair), manifest="")
    manifest, _ = await pair.asked_for(run="urn:run:other", protocol="other-sums")
    with pytest.raises(HandoverInvalidError):
        pair.coordination._drawn(kept, manifest, Mandate(pair.document, (place,)))
    with pytest.raises(TaskInvalidError):
        pair.coordination._drawn(kept, manifest, Mandate({"task": "glm"}, (place,)))


async def kept_for(pair):
    await pair.asked_for()
    (kept,) = await pair.theirs.read(lambda tx: tx.find(HANDOVERS))
    return kept


async def test_a_mandate_that_came_twice_at_once_is_taken_once():
    pair = Pair()
    accept = pair.coordination.accept

    async def twice(caller, run, sealed):
        taken, pair.to_lead = await pair.theirs.read(lambda tx: tx.get(HANDOVERS, run)), []
        await accept(caller, run, sealed)
        drawn = await pair.theirs.read(lambda tx: tx.get(RUNS, run))
        await pair.theirs.write(lambda tx: enter(tx, taken, "", (drawn, None)))

    from medspace.runs.coordinating import _enter as enter  # noqa: PLC0415 - what a race would call

    object.__setattr__(pair, "coordination", Twice(pair.coordination, twice))
    assert (await pair.train()).state is RunState.FINISHED


class Twice:
    """The coordination, but that each hand-over arrives twice."""

    def __init__(self, coordination, accept):
        self._coordination, self.accept = coordination, accept

    def __getattr__(self, name):
        return getattr(self._coordination, name)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"task": {}, "places": []}', b"x" * (2 << 20)])
def test_what_is_no_mandate_is_refused(content):
    with pytest.raises(HandoverInvalidError):
        unpacked(content)


def test_a_mandate_survives_being_packed():
    place = SeatEndpoint("did:web:a.example", "urn:a", "urn:use", "https://a.example/jobs/1", "token", 10, 3)
    mandate = Mandate({"task": "glm"}, (place,), without_missing=True, patience=5.0)
    assert unpacked(packed(mandate)) == mandate
    assert "token" not in repr(mandate).replace("'token'", "token").split("min_cohort")[0].split("endpoint")[0]
    assert place.token not in repr(place)
