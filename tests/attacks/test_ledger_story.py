"""A party writes something untrue into its own log, and signs it properly: the other logs tell."""

from dataclasses import replace
from datetime import timedelta

import pytest

from medspace.core.hashing import digest
from medspace.ledger import statements
from medspace.ledger.model import Entry
from medspace.ledger.report import ACCOUNT, AGREEMENT, ANSWER, MANIFEST, MODEL, RELEASE, AuditOutcome
from tests.unit.ledger import story
from tests.unit.ledger.story import BEGIN, COMPANY, NORTH, SOUTH, honest

OTHER = digest("something else")


def failed(space):
    report = space.audit()
    return {finding.code for finding in report.findings if finding.outcome is AuditOutcome.FAILED}


def unverifiable(space, **options):
    report = space.audit(**options)
    assert not [finding for finding in report.findings if finding.outcome is AuditOutcome.FAILED]
    return {finding.code for finding in report.findings}


# -- releases


def test_a_site_denies_a_release():
    space = honest()
    space.drop(NORTH, space.find(NORTH, "use.released", 1))
    assert failed(space) == {"run.answer.denied"}


def test_a_run_claims_a_release_that_never_was():
    space = honest()
    index = space.find(COMPANY, "run.round", 1)
    answers = space.logs[COMPANY][index].facts["answers"]
    space.edit(COMPANY, index, answers=[{**answers[0], "release": "urn:release:invented"}, answers[1]])
    assert failed(space) == {"run.answer.denied"}


def test_a_run_hides_a_release_that_it_got():
    space = story.trained()
    story.release(space, NORTH, 3)
    story.finish(space)
    assert failed(space) == {"run.release.unaccounted"}


def test_a_run_hides_a_whole_round():
    space = honest()
    space.drop(COMPANY, space.find(COMPANY, "run.round", 0))
    assert failed(space) == {"run.release.unaccounted", "run.rounds.numbers", "run.model.rounds"}


def test_a_run_hides_itself():
    space = honest()
    for kind in ("run.finished", "run.round", "run.round", "run.started"):
        space.drop(COMPANY, space.find(COMPANY, kind))
    space.note(COMPANY, "offer.withdrawn", asset="later")
    assert failed(space) == {"run.release.unaccounted"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"digest": OTHER}, "differs"),
        ({"use": "urn:use:other"}, "other_use"),
        ({"release": story.release_of(NORTH, 2)}, "differs"),
        ({"release": story.release_of(NORTH, 2), "digest": story.content_of(NORTH, 2)}, "other_round"),
        ({"site": SOUTH}, "denied"),
    ],
)
def test_a_run_claims_another_release_than_it_got(change, code):
    space = honest()
    index = space.find(COMPANY, "run.round", 0)
    answers = space.logs[COMPANY][index].facts["answers"]
    space.edit(COMPANY, index, answers=[{**answers[0], **change}, answers[1]])
    assert f"run.answer.{code}" in failed(space)


def without_manifests(space):
    """The logs as a version before manifests wrote them."""
    for entries in space.logs.values():
        for index, entry in enumerate(entries):
            if entry.kind in ("use.admitted", "run.round"):
                dropped = ("manifest",) if entry.kind == "run.round" else ("manifest", "run")
                kept = {name: fact for name, fact in entry.facts.items() if name not in dropped}
                entries[index] = Entry(entry.kind, entry.time, entry.actor, kept)
    return space


def test_logs_from_before_there_were_manifests_are_verified():
    report = without_manifests(honest()).audit()
    assert report.outcome is AuditOutcome.VERIFIED
    assert report.count(MANIFEST).verified == 0


@pytest.mark.parametrize("without", [(), (COMPANY,)])
def test_a_user_that_shows_two_manifests_of_one_run(without):
    space = honest()
    assert "run.manifest.two" not in {finding.code for finding in space.audit(without=without).findings}
    for number in (0, 1):
        space.edit(SOUTH, space.find(SOUTH, "use.admitted", number), manifest=OTHER)
    found = {finding.code for finding in space.audit(without=without).findings}
    assert "run.manifest.two" in found
    assert ("run.answer.other_manifest" in found) is (COMPANY not in without)


def test_a_run_that_does_not_note_the_manifest_that_it_showed():
    space = honest()
    index = space.find(COMPANY, "run.round", 0)
    kept = {name: fact for name, fact in space.logs[COMPANY][index].facts.items() if name != "manifest"}
    old = space.logs[COMPANY][index]
    space.logs[COMPANY][index] = Entry(old.kind, old.time, old.actor, kept)
    assert failed(space) == {"run.answer.other_manifest"}


def test_an_answer_to_a_question_of_its_own_is_noted_with_it():
    space = honest()
    asked = {"step": "share", "question": digest({"own": 1})}
    space.edit(NORTH, space.find(NORTH, "use.admitted"), **asked)
    assert {"run.answer.other_step"} <= failed(space)
    index = space.find(COMPANY, "run.round", 0)
    first, *others = space.logs[COMPANY][index].facts["answers"]
    space.edit(COMPANY, index, answers=[first | asked, *others])
    assert failed(space) == set()


def test_a_run_counts_a_release_twice():
    space = honest()
    index = space.find(COMPANY, "run.round", 0)
    answers = space.logs[COMPANY][index].facts["answers"]
    space.edit(COMPANY, index, answers=[*answers, answers[0]])
    assert failed(space) == {"run.answer.repeated"}


def test_a_run_uses_a_site_that_it_did_not_begin_with():
    space = honest()
    space.edit(COMPANY, space.find(COMPANY, "run.started"), sites=[NORTH])
    assert failed(space) == {"run.answer.not_a_site", "run.model.sites"}


def test_a_run_trains_another_task_than_was_admitted():
    space = honest()
    space.edit(COMPANY, space.find(COMPANY, "run.started"), task=OTHER)
    assert {"run.answer.other_task", "run.release.unaccounted"} >= failed(space) > set()


def test_a_release_that_nobody_admitted():
    space = honest()
    space.drop(NORTH, space.find(NORTH, "use.admitted"))
    assert failed(space) == {"release.admitted.no_admission", "run.answer.no_admission"}


def test_a_release_that_left_before_it_was_admitted():
    space = honest()
    first, second = space.find(NORTH, "use.admitted"), space.find(NORTH, "use.released")
    log = space.logs[NORTH]
    log[first], log[second] = log[second], log[first]
    assert failed(space) == {"release.admitted.too_late", "use.ended.too_early", "run.answer.too_late"}


def test_a_release_to_somebody_else():
    space = honest()
    space.edit(NORTH, space.find(NORTH, "use.admitted"), user=SOUTH)
    assert {"release.admitted.no_agreement", "run.answer.other_user"} <= failed(space)


def test_a_release_for_another_round_than_was_admitted():
    space = honest()
    space.edit(NORTH, space.find(NORTH, "use.admitted"), round=7)
    assert failed(space) == {"release.admitted.other_round"}


def test_an_identity_used_for_two_releases():
    space = story.trained()
    story.release(space, NORTH, 1, identity=story.release_of(NORTH, 1))
    story.finish(space)
    assert failed(space) == {"release.admitted.repeated", "use.ended.twice"}


# -- agreements


def test_the_parties_recorded_different_agreements():
    space = honest()
    for kind in ("agreed", "verified", "finalized"):
        space.edit(NORTH, space.find(NORTH, f"negotiation.{kind}"), agreement_digest=OTHER)
    assert failed(space) == {"agreement.same.differs", "run.answer.no_agreement"}


def test_a_party_changes_the_agreement_after_it_was_agreed():
    space = honest()
    space.edit(NORTH, space.find(NORTH, "negotiation.finalized"), agreement_digest=OTHER)
    assert {"agreement.same.digest", "agreement.same.differs"} <= failed(space)


def test_a_party_uses_one_identity_for_two_agreements():
    space = honest()
    facts = {"role": "provider", "pid": "urn:second", "counterparty": COMPANY, "agreement_digest": OTHER}
    space.note(NORTH, "negotiation.finalized", **facts, agreement=story.agreement_of(NORTH))
    assert {"agreement.same.digest", "agreement.same.differs"} <= failed(space)


def test_a_party_denies_an_agreement():
    space = honest()
    for kind in ("agreed", "verified", "finalized"):
        space.drop(COMPANY, space.find(COMPANY, f"negotiation.{kind}"))
    assert failed(space) == {"agreement.same.denied", "run.answer.no_agreement"}


def test_both_parties_claim_to_provide():
    space = honest()
    for index, entry in enumerate(space.logs[COMPANY]):
        if entry.facts.get("pid", "").startswith("urn:c:") and entry.facts["counterparty"] == NORTH:
            space.edit(COMPANY, index, role="provider")
    assert failed(space) == {"agreement.same.roles"}


def test_a_use_under_an_agreement_that_was_not_final():
    space = honest()
    space.drop(NORTH, space.find(NORTH, "negotiation.finalized"))
    assert failed(space) == {"release.admitted.no_agreement", "run.answer.no_agreement"}


def test_a_use_under_the_agreement_of_another_site():
    space = honest()
    space.edit(NORTH, space.find(NORTH, "use.admitted"), agreement=story.agreement_of(SOUTH))
    assert failed(space) == {"release.admitted.no_agreement", "run.answer.no_agreement"}


def test_a_use_after_its_holder_had_ended_the_agreement():
    space = honest()
    facts = {"agreement": story.agreement_of(NORTH), "counterparty": COMPANY, "asset": "heart"}
    space.logs[NORTH].append(Entry("agreement.ended", space.logs[NORTH][-1].time, NORTH, facts))
    assert failed(space) == set()
    at = space.find(NORTH, "use.admitted")
    moved = space.logs[NORTH].pop()
    space.logs[NORTH].insert(at, replace(moved, time=space.logs[NORTH][at].time))
    assert {"use.agreed.ended", "release.admitted.ended"} <= failed(space)


def test_an_agreement_that_nobody_knows_is_ended_without_effect():
    space = honest()
    facts = {"agreement": "urn:none", "counterparty": COMPANY, "asset": "heart"}
    space.logs[NORTH].append(Entry("agreement.ended", space.logs[NORTH][-1].time, NORTH, facts))
    assert failed(space) == set()


def test_a_use_after_the_agreement_had_expired():
    space = honest(expires=BEGIN + timedelta(seconds=27))
    assert failed(space) == {"release.admitted.expired", "run.answer.expired"}
    assert failed(honest(expires=BEGIN + timedelta(days=1))) == set()


# -- runs


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"fitted": OTHER}, "other_model"),
        ({"sites": [NORTH, "did:web:elsewhere.example"]}, "sites"),
        ({"protection": "masked-sums"}, "protection"),
    ],
)
def test_a_run_ends_otherwise_than_it_went(change, code):
    space = honest()
    space.edit(COMPANY, space.find(COMPANY, "run.finished"), **change)
    assert failed(space) == {f"run.model.{code}"}


def test_a_run_without_a_start_or_without_rounds():
    space = honest()
    space.drop(COMPANY, space.find(COMPANY, "run.started"))
    assert "run.model.no_start" in failed(space)
    space = honest()
    for _ in range(2):
        space.drop(COMPANY, space.find(COMPANY, "run.round"))
    assert "run.model.no_round" in failed(space)


def test_a_round_added_after_the_end():
    space = honest()
    log = space.logs[COMPANY]
    log.insert(len(log), log.pop(space.find(COMPANY, "run.round")))
    assert "run.model.order" in failed(space)


def test_a_run_that_starts_twice_or_ends_twice():
    for kind, code in (("run.started", "two_starts"), ("run.finished", "two_ends")):
        space = honest()
        log = space.logs[COMPANY]
        log.insert(space.find(COMPANY, kind), log[space.find(COMPANY, kind)])
        assert f"run.rounds.{code}" in failed(space)


def test_a_run_that_goes_on_after_it_failed():
    space = honest()
    space.drop(COMPANY, space.find(COMPANY, "run.finished"))
    space.note(COMPANY, "run.failed", run="urn:run:1", code="run.cancelled")
    log = space.logs[COMPANY]
    log.append(log.pop(space.find(COMPANY, "run.round", 1)))
    assert failed(space) == {"run.rounds.order"}


def test_a_run_that_has_rounds_and_no_start():
    space = without_the_last_round()
    space.drop(COMPANY, space.find(COMPANY, "run.started"))
    assert "run.rounds.no_start" in failed(space)


def test_a_run_that_tells_another_number_of_rounds():
    space = honest()
    space.edit(COMPANY, space.find(COMPANY, "run.finished"), rounds=3)
    assert failed(space) == {"run.model.rounds"}


def test_a_run_that_notes_two_answers_of_a_site_in_one_round():
    space = honest()
    index = space.find(COMPANY, "run.round", 0)
    answers = space.logs[COMPANY][index].facts["answers"]
    second = {**answers[0], "release": story.release_of(NORTH, 2), "digest": story.content_of(NORTH, 2)}
    space.edit(NORTH, space.find(NORTH, "use.admitted", 1), round=1, question=digest({"model": 1}))
    space.edit(NORTH, space.find(NORTH, "use.released", 1), round=1)
    space.edit(COMPANY, index, answers=[*answers, second])
    assert "run.answer.two_answers" in failed(space)


def test_a_run_that_used_an_agreement_with_which_it_did_not_begin():
    space = honest()
    space.edit(COMPANY, space.find(COMPANY, "run.started"), agreements=[story.agreement_of(SOUTH)])
    assert failed(space) == {"run.answer.other_agreement"}


def test_a_run_of_another_time_excuses_no_release():
    space = without_the_last_round()
    started = space.find(COMPANY, "run.started")
    entry = space.logs[COMPANY][started]
    late = story.stamp(BEGIN + timedelta(hours=3))
    space.logs[COMPANY][started] = type(entry)(entry.kind, late, entry.actor, entry.facts)
    assert "run.release.unaccounted" in failed(space)


# -- uses


def test_the_end_of_a_question_that_nobody_admitted():
    space = honest()
    for kind in ("use.withheld", "use.failed"):
        space.note(NORTH, kind, admission="urn:admission:none", code="usage.interrupted")
    assert failed(space) == {"use.ended.no_admission"}


@pytest.mark.parametrize("kind", ["use.withheld", "use.failed"])
def test_a_question_that_was_released_and_did_not_leave(kind):
    space = honest()
    admission = space.logs[NORTH][space.find(NORTH, "use.admitted")].facts["admission"]
    space.note(NORTH, kind, admission=admission, code="usage.interrupted")
    assert failed(space) == {"use.ended.twice"}


@pytest.mark.parametrize("kind", ["use.withheld", "use.failed"])
def test_a_question_may_end_without_a_release(kind):
    space = without_the_last_round(code="too_few_sites")
    for site in story.SITES:
        released = space.find(site, "use.released", 1)
        admission = space.logs[site][released].facts["admission"]
        space.drop(site, released)
        space.note(site, kind, admission=admission, code="usage.interrupted")
    assert space.audit().findings == ()


def stopped(**facts):
    """The northern hospital stopped in the middle of the second round; `facts` stand in its admission."""
    space = without_the_last_round(code="too_few_sites")
    space.drop(NORTH, space.find(NORTH, "use.released", 1))
    space.edit(NORTH, space.find(NORTH, "use.admitted", 1), **facts)
    return space


def ended(space):
    return {found.code: found.outcome for found in space.audit().findings if found.check == "use.ended"}


def test_a_question_is_open_until_its_admission_ends_and_no_longer():
    space = stopped()
    assert ended(space) == {"use.ended.open": AuditOutcome.OPEN}
    space.seconds += 3601
    space.note(NORTH, "offer.withdrawn", asset="later")
    assert ended(space) == {"use.ended.missing": AuditOutcome.FAILED}


@pytest.mark.parametrize(("says", "code"), [(timedelta(minutes=1), "missing"), (timedelta(days=9), "open")])
def test_the_admission_says_until_when_it_is_open(says, code):
    space = stopped(expires=story.stamp(BEGIN + says))
    space.seconds += 7200
    space.note(NORTH, "offer.withdrawn", asset="later")
    assert set(ended(space)) == {f"use.ended.{code}"}


def test_an_answer_that_waits_for_a_person_is_open_for_days_but_not_for_ever():
    space = stopped(expires="9999-12-31T23:59:59.999Z")
    admission = space.logs[NORTH][space.find(NORTH, "use.admitted", 1)].facts["admission"]
    space.note(NORTH, "use.held", admission=admission)
    space.seconds += 20 * 86400
    space.note(NORTH, "offer.withdrawn", asset="later")
    assert ended(space) == {"use.ended.open": AuditOutcome.OPEN}
    space.seconds += 11 * 86400
    space.note(NORTH, "offer.withdrawn", asset="last")
    assert ended(space) == {"use.ended.missing": AuditOutcome.FAILED}


def test_an_answer_that_waited_may_leave_or_be_kept_back():
    space = stopped(expires="9999-12-31T23:59:59.999Z")
    admission = space.logs[NORTH][space.find(NORTH, "use.admitted", 1)].facts["admission"]
    space.note(NORTH, "use.held", admission=admission)
    space.note(NORTH, "use.withheld", admission=admission, code="use.withheld")
    assert ended(space) == {}


def test_no_question_is_open_for_ever():
    space = stopped(expires="9999-12-31T23:59:59.999Z")
    space.seconds += 2 * 86400 - 3600
    space.note(NORTH, "offer.withdrawn", asset="later")
    assert ended(space) == {"use.ended.missing": AuditOutcome.FAILED}


def test_the_last_instant_that_there_is_has_no_later_one():
    assert statements.later("9999-12-31T23:59:59.999Z", timedelta(days=1)) == "9999-12-31T23:59:59.999Z"


def test_a_release_after_its_admission_had_ended():
    space = honest()
    index = space.find(NORTH, "use.admitted")
    space.edit(NORTH, index, expires=space.logs[NORTH][index].time)
    assert failed(space) == {"release.admitted.too_old"}


def test_a_release_in_a_use_that_the_log_does_not_know():
    space = honest()
    space.edit(NORTH, space.find(NORTH, "use.admitted"), transfer="urn:transfer:unknown")
    assert failed(space) == {"release.admitted.no_use", "run.answer.other_use"}


def moved(space, *steps):
    """The northern hospital notes that the use came to these states before its first admission."""
    use = {"role": "provider", "pid": story.transfer_of(NORTH), "peer_pid": story.use_of(NORTH)}
    what = {"counterparty": COMPANY, "agreement": story.agreement_of(NORTH), "format": "medspace:train"}
    log = space.logs[NORTH]
    at = space.find(NORTH, "use.admitted")
    log[at:at] = [type(log[0])(f"transfer.{step}", log[at].time, NORTH, use | what) for step in steps]
    return space


def started_late(space):
    """That the use was started stands only behind its first admission."""
    log = space.logs[NORTH]
    at = space.find(NORTH, "use.released")
    started = log[space.find(NORTH, "transfer.started")]
    log.insert(at, type(started)(started.kind, log[at].time, started.actor, started.facts))
    return space


def test_a_use_is_open_before_its_holder_knows_that_the_start_arrived():
    space = started_late(honest())
    space.drop(NORTH, space.find(NORTH, "transfer.started"))
    assert space.audit().findings == ()
    assert started_late(moved(honest(), "suspended")).audit().findings == ()


@pytest.mark.parametrize("steps", [["suspended"], ["completed"], ["terminated"], ["suspended", "terminated"]])
def test_a_release_in_a_use_that_was_closed(steps):
    assert failed(moved(honest(), *steps)) == {"release.admitted.closed"}
    assert failed(moved(honest(), "suspended", "started")) == set()


def test_a_release_in_a_use_that_nobody_asked_for():
    space = honest()
    log = space.logs[NORTH]
    late = [log.pop(space.find(NORTH, f"transfer.{step}")) for step in ("requested", "started")]
    at = space.find(NORTH, "use.released", -1) + 1
    log[at:at] = late
    assert failed(space) == {"release.admitted.closed"}


def test_a_use_that_the_other_side_does_not_know():
    space = honest()
    for kind in ("requested", "started"):
        space.drop(COMPANY, space.find(COMPANY, f"transfer.{kind}"))
    assert "transfer.same.denied" in failed(space)


def test_a_use_that_the_other_side_cannot_know_yet():
    space = honest()
    facts = {"role": "provider", "pid": "urn:transfer:late", "counterparty": COMPANY, "peer_pid": "urn:use:late"}
    space.seconds += 60
    for kind in ("requested", "started"):
        what = {"agreement": story.agreement_of(NORTH), "format": "medspace:train"}
        space.note(NORTH, f"transfer.{kind}", **facts, **what)
    assert unverifiable(space) == {"transfer.same.too_short"}


def test_a_question_in_a_log_that_the_user_cannot_know_yet():
    space = stopped()
    admission = space.logs[NORTH][space.find(NORTH, "use.admitted", 1)]
    space.logs[COMPANY] = space.logs[COMPANY][: space.find(COMPANY, "run.started")]
    assert admission.time > space.logs[COMPANY][-1].time
    codes = {(f.code, f.index) for f in space.audit().findings if f.origin == NORTH}
    assert ("run.release.too_short", space.find(NORTH, "use.admitted", 1)) in codes


# -- time


def test_a_log_that_runs_backwards():
    space = honest()
    log = space.logs[NORTH]
    log.insert(0, log.pop())
    report = space.audit()  # a clock that was set back is no forgery, but proves nothing about the order
    assert "log.time.backwards" in {f.code for f in report.findings if f.outcome is AuditOutcome.UNVERIFIABLE}
    assert report.outcome is not AuditOutcome.VERIFIED


def test_an_entry_from_the_future_is_a_question_of_clocks():
    space = honest()
    space.seconds = 2 * 24 * 3600
    space.note(NORTH, "offer.withdrawn", asset="heart")
    assert unverifiable(space) == {"log.time.clock"}
    (told,) = space.audit().findings
    assert story.stamp(BEGIN + timedelta(days=2, seconds=1)) in str(told.text)
    assert story.stamp(story.NOW) in str(told.text)


# -- what cannot be told is not called verified


@pytest.mark.parametrize("party", [COMPANY, NORTH, SOUTH])
def test_the_log_of_a_party_is_missing(party):
    report = honest().audit(without=[party])
    assert report.outcome is AuditOutcome.UNVERIFIABLE
    assert {finding.code.rpartition(".")[2] for finding in report.findings} == {"no_log"}
    check = ACCOUNT if party == COMPANY else ANSWER
    assert report.count(check).outcome is AuditOutcome.UNVERIFIABLE
    assert report.count(AGREEMENT).outcome is AuditOutcome.UNVERIFIABLE


def test_no_logs_prove_nothing():
    report = story.verify([])
    assert report.outcome is AuditOutcome.UNVERIFIABLE
    assert report.count(RELEASE).outcome is AuditOutcome.UNVERIFIABLE


def without_the_last_round(**end):
    """The run was stopped before it noted its second round; `end` are the facts of how it failed."""
    space = story.trained()
    space.drop(COMPANY, space.find(COMPANY, "run.round", 1))
    if end:
        space.note(COMPANY, "run.failed", run="urn:run:1", **end)
    space.note(COMPANY, "offer.withdrawn", asset="later")  # the company's log goes on
    return space


def test_a_run_that_is_still_going_may_account_later():
    space = without_the_last_round()
    assert unverifiable(space) == {"run.release.open", "run.rounds.open"}
    assert space.audit().outcome is AuditOutcome.OPEN


def test_a_run_that_never_ends_is_not_still_going():
    space = without_the_last_round()
    space.seconds += 2 * 3600
    space.note(COMPANY, "offer.withdrawn", asset="still-later")
    assert unverifiable(space) == {"run.release.never_ended", "run.rounds.never_ended"}
    assert space.audit().outcome is AuditOutcome.UNVERIFIABLE


def test_a_run_that_failed_may_not_have_noted_its_last_answers():
    assert unverifiable(without_the_last_round(code="too_few_sites")) == {"run.release.failed_run"}


@pytest.mark.parametrize("end", [{}, {"code": "run.cancelled"}])
def test_a_run_that_was_stopped_excuses_one_answer_of_each_site_and_no_more(end):
    space = without_the_last_round(**end)
    log = space.logs[NORTH]
    last = space.find(NORTH, "use.released", 1)
    again = [log[last - 1], log[last]]
    number = {"round": 3, "digest": OTHER, "release": "urn:release:hidden", "admission": "urn:admission:hidden"}
    for entry in again:
        facts = {**entry.facts, **{name: fact for name, fact in number.items() if name in entry.facts}}
        log.append(type(entry)(entry.kind, entry.time, entry.actor, facts))
    assert failed(space) == {"run.release.unaccounted"}


@pytest.mark.parametrize("rounds", [1, 2])
def test_a_run_that_went_on_without_a_site_may_not_have_used_its_last_answer(rounds):
    space = honest()
    space.edit(COMPANY, space.find(COMPANY, "run.finished"), sites=[NORTH])
    for number in range(2 - rounds, 2):
        index = space.find(COMPANY, "run.round", number)
        space.edit(COMPANY, index, answers=space.logs[COMPANY][index].facts["answers"][:1])
    report = space.audit()
    codes = {finding.code for finding in report.findings}
    assert codes == {"run.release.excluded"} | ({"run.release.unaccounted"} if rounds > 1 else set())
    assert report.outcome is (AuditOutcome.UNVERIFIABLE if rounds == 1 else AuditOutcome.FAILED)


def test_a_run_that_does_not_say_what_its_model_was_made_from():
    space = honest()
    index = space.find(COMPANY, "run.finished")
    entry = space.logs[COMPANY][index]
    space.logs[COMPANY][index] = type(entry)(
        entry.kind, entry.time, entry.actor, {name: fact for name, fact in entry.facts.items() if name != "fitted"}
    )
    assert unverifiable(space) == {"run.model.not_said"}
    space.edit(COMPANY, index, model=story.MODEL)
    assert space.audit().count(MODEL).outcome is AuditOutcome.VERIFIED


def test_an_agreement_that_the_other_side_has_not_received_yet():
    space = honest()
    facts = {"role": "provider", "pid": "urn:late", "counterparty": COMPANY}
    space.note(NORTH, "negotiation.agreed", **facts, agreement="urn:late", agreement_digest=OTHER)
    assert unverifiable(space) == {"agreement.same.too_short"}
    space.note(NORTH, "negotiation.terminated", **facts)
    assert unverifiable(space) == set()


# -- what is no fault


def test_a_site_that_was_asked_again_gives_nothing_more_away():
    space = story.trained()
    story.release(space, NORTH, 2, identity="urn:release:again")
    story.finish(space)
    assert unverifiable(space) == set()


def test_other_kinds_of_use_need_no_run():
    space = honest()
    for number in range(2):
        space.drop(COMPANY, space.find(COMPANY, "run.round"))
        space.edit(NORTH, space.find(NORTH, "use.admitted", number), use_kind="medspace:statistics")
        space.edit(SOUTH, space.find(SOUTH, "use.admitted", number), use_kind="medspace:statistics")
    for did, log in space.logs.items():
        for index, entry in enumerate(log):
            if entry.kind.startswith("transfer."):
                space.edit(did, index, format="medspace:statistics")
    for kind in ("run.finished", "run.started"):
        space.drop(COMPANY, space.find(COMPANY, kind))
    assert unverifiable(space) == set()
    assert not space.audit().count(ACCOUNT).verified


def test_what_was_refused_or_never_started_is_no_use():
    space = honest()
    what = {"agreement": story.agreement_of(NORTH)}
    space.note(NORTH, "transfer.refused", counterparty=COMPANY, format="medspace:train", code="policy.no", **what)
    space.note(NORTH, "use.refused", transfer=story.transfer_of(NORTH), user=COMPANY, code="policy.no", **what)
    asked = {"role": "consumer", "pid": "urn:use:refused", "counterparty": NORTH, "format": "medspace:train"}
    space.note(COMPANY, "transfer.requested", **asked, **what)
    assert space.audit().findings == ()


def test_neighbours_may_stand_a_little_out_of_order():
    space = honest()
    log = space.logs[NORTH]
    log[0], log[1] = log[1], log[0]
    assert space.audit().outcome is AuditOutcome.VERIFIED
