"""The coordinator's way to the sites: what cannot be a job or a release is refused with its reason."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from uuid import NAMESPACE_URL, uuid5

import pytest

from medspace.adapters.http.errors import AnswerTooLargeError, BadAnswerError, JobBusyError, JobRefusedError
from medspace.adapters.http.peers import PendingStep
from medspace.adapters.memory import ManualClock, MemoryDatabase, SeededRandomness
from medspace.app.features.training.sites import (
    LONGEST_PAUSE,
    STEP_LIMIT,
    HandedSites,
    PublishedDictionaries,
    TransferSites,
)
from medspace.app.features.training.waiting import Waiting
from medspace.app.node.changes import Changes
from medspace.connector.catalogue.finding import AwayError
from medspace.connector.errors import AgreementError, UnknownAgreementError, UnknownDatasetError, UnreachableError
from medspace.connector.model import (
    AGREEMENTS,
    TRANSFERS,
    Agreement,
    ProcessFailure,
    Role,
    Transfer,
    TransferState,
)
from medspace.connector.usage.naming import digests_of
from medspace.connector.usage.seats import SiteIdentity
from medspace.core.engine import MASKED_SUMS
from medspace.core.parts import Part
from medspace.core.signing import HybridSigner
from medspace.core.usage import Step, release_digest
from medspace.runs.covers import uncovered
from medspace.runs.errors import SiteAwayError, SiteRefusedError
from medspace.runs.handover import SeatEndpoint
from medspace.runs.manifest import sign_key
from medspace.runs.statements import QuestionStatement, check_question, sign_answer
from medspace.trust.envelope import EnvelopeKey
from tests.runs import Everybody, manifest_of, signed, signer_of
from tests.signing import hybrid_of, ring_of

SITE, USER = "did:web:clinic.example", "did:web:user.example"
MANIFEST = signed(manifest_of(USER, {}, {SITE: "urn:agreement:1"}))
STEP = Step(task={}, round=1, name="sum")
ADDRESS = {
    "endpointType": "urn:medspace:job:1",
    "endpoint": "https://clinic.example/jobs/1",
    "endpointProperties": [{"name": "authorization", "value": "token"}],
}
ANSWER = {
    "release": "r",
    "round": 1,
    "kind": "sum",
    "cohort": 20,
    "values": {"n": 1.0},
    "digest": release_digest("sum", 1, 20, {"n": 1.0}),
}


def transfer(pid="t", state=TransferState.STARTED, **more) -> Transfer:
    stamp = "2026-01-01T00:00:00.000Z"
    return Transfer(
        id=pid,
        role=Role.CONSUMER,
        state=state,
        counterparty=SITE,
        address="https://clinic.example/dsp",
        peer_pid="p",
        agreement="a",
        dataset="d",
        format="medspace:train",
        created=stamp,
        updated=stamp,
        **more,
    )


class Transfers:
    """Puts a transfer as told, or refuses it; notes what was completed."""

    def __init__(self, database, outcome):
        self.database, self.outcome, self.completed = database, outcome, []

    async def request_transfer(self, _agreement, _kind, pid, by):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        record = transfer(pid, **self.outcome)
        await self.database.write(lambda tx: tx.insert(TRANSFERS, record))
        return record

    async def complete(self, pid):
        self.completed.append(pid)


def identity_of(did):
    """A party that signs twice, among members."""

    async def look_again():
        return True

    return SiteIdentity(hybrid_of(did), Everybody(), look_again, ManualClock())


async def sites_with(record=None, reply=None, outcome=None):
    database = MemoryDatabase()
    if record is not None:
        await database.write(lambda tx: tx.insert(TRANSFERS, record))

    async def ask(*_args, **_more):
        if isinstance(reply, Exception):
            raise reply
        return reply

    jobs = SimpleNamespace(ask=ask, seat=ask, seated=ask)
    clock, rung = ManualClock(), []
    waiting = Waiting(clock, rung.extend)
    own = (jobs, clock, waiting, USER, identity_of(USER), SeededRandomness(1))
    return TransferSites(*own, transfers=Transfers(database, outcome), database=database, changes=Changes())


async def test_a_use_is_asked_for_once():
    sites = await sites_with(outcome={})
    first = await sites.begin("run", "a", "medspace:train")
    assert await sites.begin("run", "a", "medspace:train") == first
    assert await sites.begin("other", "a", "medspace:train") != first


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (AgreementError(agreement="a", reason="it is over"), "it is over"),
        ({"state": TransferState.TERMINATED}, "the transfer is TERMINATED"),
        ({"state": TransferState.REQUESTED, "failure": ProcessFailure("x.y", ("Why.",), source="peer")}, "Why"),
    ],
)
async def test_a_use_that_is_refused_or_over_is_said(outcome, said):
    with pytest.raises(SiteRefusedError) as refused:
        await (await sites_with(outcome=outcome)).begin("run", "a", "medspace:train")
    assert said in str(refused.value)


async def test_a_use_that_is_not_started_yet_is_away(monkeypatch):
    monkeypatch.setattr("medspace.app.features.training.sites.START_WAIT", 0.01)
    sites = await sites_with(outcome={"state": TransferState.REQUESTED})
    with pytest.raises(SiteAwayError):
        await sites.begin("run", "a", "medspace:train")


async def test_a_good_answer_is_read():
    answer = await (await sites_with(transfer(data_address=ADDRESS), ANSWER)).ask("t", STEP)
    assert (answer.site, answer.cohort, answer.values) == (SITE, 20, {"n": 1.0})


@pytest.mark.parametrize(
    "record", [None, transfer(), transfer(data_address={}), transfer(data_address=ADDRESS | {"endpointType": "x"})]
)
async def test_without_a_job_endpoint_nothing_is_asked(record):
    with pytest.raises(SiteRefusedError):
        await (await sites_with(record, ANSWER)).ask("t", STEP)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (UnreachableError(address="x", reason="gone"), SiteAwayError),
        (JobBusyError(refusal="x", reason="later", status=503), SiteAwayError),
        (JobRefusedError(refusal="use.failed", reason="broke", status=500), SiteRefusedError),
        (JobRefusedError(refusal="identity.premature", reason="", status=401), SiteAwayError),
        ({}, SiteRefusedError),
        (ANSWER | {"cohort": 21}, SiteRefusedError),
        (ANSWER | {"values": {"n": float("nan")}}, SiteRefusedError),
    ],
)
async def test_what_is_no_release_is_away_or_refused(reply, error):
    with pytest.raises(error):
        await (await sites_with(transfer(data_address=ADDRESS), reply)).ask("t", STEP)


async def following(*told, pid="t"):
    """A site that says in turn what it is told to; the clock moves while it is waited for."""
    said, asked = list(told), []
    sites = await sites_with(transfer(pid, data_address=ADDRESS), said.pop(0))
    sites = replace(sites, clock=Moving())

    async def look(endpoint, token, step, site, **_):
        asked.append((endpoint, token, step, site))
        found = said.pop(0) if len(said) > 1 else said[0]
        if isinstance(found, Exception):
            raise found
        return found

    sites.jobs.look = look
    return sites, asked


class Moving(ManualClock):
    """A clock that is moved on by whoever waits for it; it keeps how long that was."""

    def __init__(self):
        super().__init__()
        self.pauses = []

    async def sleep(self, seconds):
        self.pauses.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)


async def test_a_site_that_needs_long_is_asked_again_with_longer_pauses():
    working = PendingStep("ab", "working")
    sites, asked = await following(
        working, working, PendingStep("ab", "working", 4.0), PendingStep("ab", "held", 600.0), ANSWER
    )
    assert (await sites.ask("t", STEP)).cohort == 20
    assert asked[0] == (ADDRESS["endpoint"], "token", "ab", SITE)
    assert sites.clock.pauses == [0.25, 0.5, 4.0, 15.0]


@pytest.mark.parametrize(
    ("told", "error"),
    [
        (PendingStep("ab"), SiteAwayError),  # for a day
        (UnreachableError(address="x", reason="gone"), SiteAwayError),
        (JobRefusedError(refusal="use.no_step", reason="No such step.", status=404), SiteAwayError),
        (JobRefusedError(refusal="use.closed", reason="It is over.", status=409), SiteRefusedError),
    ],
)
async def test_a_site_that_does_not_come_to_an_end_is_away_and_one_that_ended_it_refuses(told, error):
    sites, _ = await following(PendingStep("ab", "working"), told)
    begun = sites.clock.now()
    with pytest.raises(error):
        await sites.ask("t", STEP)
    assert sites.clock.now() - begun <= STEP_LIMIT + timedelta(seconds=LONGEST_PAUSE)


async def test_how_far_a_site_is_is_known_while_it_works_and_no_longer():
    pid = uuid5(NAMESPACE_URL, "urn:run\na\nmedspace:train").urn
    half = PendingStep("ab", "working", None, 50, 60)
    sites, _ = await following(PendingStep("ab", "working"), half, half, ANSWER, pid=pid)
    await sites.begin("urn:run", "a", "medspace:train")
    seen = []

    async def sleep(seconds):
        at_work = sites.waiting.at_work("urn:run", SITE)
        seen.append(None if at_work is None else (at_work.percent, sites.waiting.left(at_work)))

    sites.clock.sleep = sleep
    await sites.ask(pid, STEP)
    assert seen == [None, (50, 60), (50, 60)]
    assert sites.waiting.at_work("urn:run", SITE) is None
    sites.waiting.works("urn:run", SITE, 7, None)
    assert sites.waiting.left(sites.waiting.at_work("urn:run", SITE)) is None


async def test_a_refusal_of_a_step_keeps_the_sites_code_words_and_advice():
    reply = JobRefusedError(refusal="learning.column_unknown", reason="No column.", advice="Fix it.", status=400)
    with pytest.raises(SiteRefusedError) as refused:
        await (await sites_with(transfer(data_address=ADDRESS), reply)).ask("t", STEP)
    error = refused.value
    assert (error.refusal, str(error.facts["reason"]), error.advice_told) == (
        "learning.column_unknown",
        "No column.",
        "Fix it.",
    )
    assert str(error.text) == f"The site {SITE} refuses: No column."


async def test_words_of_a_holder_that_refuses_a_use_are_short_and_drive_no_terminal():
    failure = ProcessFailure("policy.count", ("\x1b[2JNo.", "x" * 5000), source="peer")
    outcome = {"state": TransferState.TERMINATED, "failure": failure}
    with pytest.raises(SiteRefusedError) as refused:
        await (await sites_with(outcome=outcome)).begin("run", "a", "medspace:train")
    said = str(refused.value.facts["reason"])
    assert (refused.value.refusal, len(said), said.isprintable()) == ("policy.count", 1000, True)


AGREED = Agreement("a", "n", SITE, "did:web:u", "d", {}, "sha256:0", "", "")
LISTED = {"@id": "d", "medspace:dictionary": {"@type": "@json", "@value": {"columns": []}}}


async def published_by(found):
    database = MemoryDatabase()
    await database.write(lambda tx: tx.insert(AGREEMENTS, AGREED))

    async def dataset(did, asset):
        assert (did, asset) == (SITE, "d")
        if isinstance(found, Exception):
            raise found
        return await found() if callable(found) else found

    return PublishedDictionaries(SimpleNamespace(dataset=dataset), database)


async def test_what_a_site_publishes_is_found_by_the_agreement():
    assert await (await published_by(LISTED)).dictionary("a") == {"columns": []}
    assert await (await published_by({"@id": "d"})).dictionary("a") is None
    assert await (await published_by(UnknownDatasetError(dataset="d"))).dictionary("a") is None
    with pytest.raises(UnknownAgreementError):
        await (await published_by(LISTED)).dictionary("b")


async def test_who_does_not_show_its_catalogue_in_seconds_is_away(monkeypatch):
    monkeypatch.setattr("medspace.app.features.training.sites.CATALOGUE_WAIT", 0.01)
    for found in (AwayError(did=SITE, reason="gone"), lambda: asyncio.Event().wait()):
        with pytest.raises(SiteAwayError) as away:
            await (await published_by(found)).dictionary("a")
        assert SITE in str(away.value)


@pytest.mark.parametrize(("state", "ended"), [(TransferState.STARTED, ["t"]), (TransferState.COMPLETED, [])])
async def test_only_what_runs_is_completed(state, ended):
    sites = await sites_with(transfer(state=state))
    await sites.end("t")
    await sites.end("none")
    assert sites.transfers.completed == ended


async def test_an_answer_that_is_too_large_is_a_refusal_and_no_absence():
    """Asked again, it would be as large: nobody waits for that."""
    error = AnswerTooLargeError(address="https://clinic.example/jobs/1", reason="it is too large")
    sites = await sites_with(transfer(data_address=ADDRESS), error)
    with pytest.raises(SiteRefusedError, match="too large") as refused:
        await sites.ask("t", STEP)
    assert refused.value.refusal == "peer.too_large"
    control = await sites_with(transfer(data_address=ADDRESS), BadAnswerError(address="x", reason="it is no JSON"))
    with pytest.raises(SiteAwayError):
        await control.ask("t", STEP)


async def test_the_parts_of_an_answer_belong_to_its_digest():
    part = {"digest": "a" * 64, "media_type": "text/plain", "size": 3}
    parts = (Part("a" * 64, "text/plain", 3),)
    said = ANSWER | {"parts": [part], "digest": release_digest("sum", 1, 20, {"n": 1.0}, parts=parts)}
    answered = await (await sites_with(transfer(data_address=ADDRESS), said)).ask("t", STEP)
    assert answered.parts == parts
    for other in (ANSWER | {"parts": [part]}, said | {"parts": [part | {"size": 4}]}, said | {"parts": []}):
        with pytest.raises(SiteRefusedError, match="digest"):
            await (await sites_with(transfer(data_address=ADDRESS), other)).ask("t", STEP)


async def test_a_seat_is_taken_and_told_by_its_key():
    sites = await sites_with(transfer(data_address=ADDRESS), {"key": "signed"})
    assert await sites.seat("t", MANIFEST) == "signed"
    await sites.seated("t", ["signed"])


@pytest.mark.parametrize("reply", [{}, {"key": 1}])
async def test_an_answer_without_a_key_is_refused(reply):
    with pytest.raises(SiteRefusedError):
        await (await sites_with(transfer(data_address=ADDRESS), reply)).seat("t", MANIFEST)


async def test_a_site_that_takes_no_seat_says_why():
    refused = JobRefusedError(refusal="run.own_seat", reason="No.", advice="", status=403)
    sites = await sites_with(transfer(data_address=ADDRESS), refused)
    for asking in (lambda: sites.seat("t", MANIFEST), lambda: sites.seated("t", [])):
        with pytest.raises(SiteRefusedError) as told:
            await asking()
        assert told.value.refusal == "run.own_seat"


# --- runs of masked sums: questions and answers are signed ----------------------------------------------------------

MASKED = manifest_of(USER, {}, {SITE: "urn:agreement:1"}, protocol=MASKED_SUMS)
JOB = "urn:job:1"
SEAT = EnvelopeKey.generate(SeededRandomness(2))


def key_of(signer):
    """The key of the seat, whoever signs it."""
    return sign_key(MASKED, SITE, SEAT.public, hybrid_of(signer))


def asked_of(of=STEP, **changes):
    said = {"manifest": MASKED.digest, "use": JOB, "round": of.round, "step": digests_of(of).step}
    return QuestionStatement(**(said | {"user": USER, "site": SITE} | changes))


async def masked_sites(reply, members=None):
    """The sites of a run of masked sums, whose one site answers as told; and what it was asked with."""
    sites, seen = await sites_with(transfer(data_address=address_of(JOB)), {"key": key_of(SITE)}), []
    sites = replace(sites, identity=replace(sites.identity, members=Everybody(hybrid=True)))
    await sites.seat("t", signed(MASKED, hybrid_of(USER)))
    sites = replace(sites, identity=replace(sites.identity, members=members or Everybody(hybrid=True)))

    async def ask(_endpoint, _token, step, _site, *, signature, cover, **_more):
        seen.append((step, signature, cover))
        return reply

    sites.jobs.ask = ask
    return sites, seen


def address_of(job):
    return ADDRESS | {"endpoint": f"https://clinic.example/jobs/{job}"}


def answered(signer=None, **changes):
    signature = sign_answer(asked_of(**changes), ANSWER["digest"], signer or hybrid_of(SITE))
    return ANSWER | {"signature": signature}


async def test_under_masks_a_question_is_signed_and_so_must_be_its_answer():
    sites, seen = await masked_sites(answered())
    assert (await sites.ask("t", STEP)).cohort == 20
    ((step, signature, cover),) = seen
    question, _ = uncovered(cover.question(b"asked"), MASKED, JOB, SITE, SEAT, SeededRandomness(3))
    assert question == b"asked"
    check_question(signature, asked_of(step), Everybody(hybrid=True).member(USER), sites.clock.now())
    await sites.end("t")
    assert sites._covers == {}


async def test_nothing_is_sealed_for_a_key_that_the_seat_did_not_sign():
    sites = await sites_with(transfer(data_address=address_of(JOB)), {"key": key_of(USER)})
    sites = replace(sites, identity=replace(sites.identity, members=Everybody(hybrid=True)))
    with pytest.raises(SiteRefusedError) as refused:
        await sites.seat("t", signed(MASKED, hybrid_of(USER)))
    assert refused.value.refusal == "run.seat_key"
    assert sites._covers == {}


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (ANSWER, "signature.invalid"),
        (answered(hybrid_of(USER)), "signature.invalid"),
        (answered(use="urn:job:2"), "signature.invalid"),
        (answered(round=2), "signature.invalid"),
        (answered(manifest="sha256:" + "0" * 64), "signature.invalid"),
        (answered(step="sha256:" + "0" * 64), "signature.invalid"),
        (answered(user=SITE), "signature.invalid"),
        (answered(signer_of(SITE)), "signature.single"),
        (answered(HybridSigner(signer_of(SITE), ring_of("another"))), "signature.key-unknown"),
    ],
)
async def test_under_masks_an_answer_that_is_not_signed_so_is_refused(reply, code):
    sites, _ = await masked_sites(reply)
    with pytest.raises(SiteRefusedError) as refused:
        await sites.ask("t", STEP)
    assert refused.value.refusal == code
    control, _ = await masked_sites(answered())
    assert (await control.ask("t", STEP)).site == SITE


async def test_a_site_that_is_no_member_any_more_is_refused():
    sites, _ = await masked_sites(answered(), Everybody([SITE], hybrid=True))
    with pytest.raises(SiteRefusedError) as refused:
        await sites.ask("t", STEP)
    assert refused.value.refusal == "identity.not-member"


async def test_a_key_that_was_changed_just_now_is_looked_up():
    members = Everybody(hybrid=True)
    members.rings[SITE] = ring_of("another")
    sites, _ = await masked_sites(answered(), members)

    async def look_again():
        members.rings.clear()
        return True

    sites = replace(sites, identity=replace(sites.identity, look_again=look_again))
    assert (await sites.ask("t", STEP)).site == SITE


# --- runs that others handed over -----------------------------------------------------------------------------------
async def handed_sites(runs):
    """The sites of runs that were handed over, each of one use; and those of which the mandate is forgotten."""
    own, forgotten = await sites_with(reply={"key": key_of(SITE)}), []

    async def mandate(run):
        job = f"urn:job:{run}"
        place = SeatEndpoint(SITE, "urn:agreement:1", job, f"https://clinic.example/jobs/{job}", "token")
        return SimpleNamespace(places=(place,))

    async def forget(run):
        forgotten.append(run)

    handovers = SimpleNamespace(mandate=mandate, forget=forget)
    identity = replace(own.identity, members=Everybody(hybrid=True))
    shared = (own.jobs, own.clock, own.waiting, USER, identity, own.randomness)
    sites = HandedSites(*shared, handovers=handovers, documents=None)
    for run in runs:
        use = await sites.begin(run, "urn:agreement:1", "medspace:train")
        await sites.seat(use, signed(MASKED, hybrid_of(USER)))
    return sites, forgotten


async def test_of_a_run_that_was_handed_over_nothing_is_kept_once_it_is_over():
    sites, forgotten = await handed_sites(["1", "2"])
    kept = (sites._places, sites._runs, sites._covers)
    assert [sorted(one) for one in kept] == [["urn:job:1", "urn:job:2"]] * 3  # the control
    await sites.forget("1")
    assert [list(one) for one in kept] == [["urn:job:2"]] * 3
    await sites.forget("1")  # as after a start
    await sites.forget("2")
    assert [list(one) for one in kept] == [[]] * 3
    assert forgotten == ["1", "1", "2"]


async def test_of_a_use_that_never_began_nothing_is_kept():
    sites = await sites_with(outcome={"state": TransferState.TERMINATED})
    with pytest.raises(SiteRefusedError):
        await sites.begin("run", "a", "medspace:train")
    assert sites._runs == {}
