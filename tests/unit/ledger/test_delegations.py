"""Runs that another member leads: what three logs say of them agrees, or who led what it was not to is found."""

from dataclasses import replace

import pytest

from medspace.core.hashing import digest
from medspace.core.signing import Ed25519Signer
from medspace.ledger import audit, lineage
from medspace.ledger.membership import MembersList
from medspace.ledger.model import Entry
from medspace.ledger.report import AuditOutcome
from tests.unit.ledger import story
from tests.unit.ledger.story import COMPANY, NORTH, NOW, RUN, SIGNERS, SITES, SOUTH, honest, trained, transfer_of

LEADER, OTHER = "did:web:leader.example", "did:web:other.example"
LATER = {did: Ed25519Signer.from_seed(bytes([number] * 32)) for number, did in enumerate((LEADER, OTHER), 10)}


def delegated(space=None, leader=LEADER):
    """The honest story, but that the company has handed its run over."""
    space = space or honest()
    own, led = [], []
    for entry in space.logs[COMPANY]:
        if not entry.kind.startswith("run."):
            own.append(entry)
            continue
        facts = dict(entry.facts)
        if entry.kind == "run.started":
            own.append(replace(entry, kind="run.delegated", facts=facts | {"coordinator": leader}))
            facts["user"] = COMPANY
        if entry.kind == "run.finished":
            said = {name: facts[name] for name in ("run", "model", "rounds", "sites")}
            own.append(replace(entry, kind="run.received", facts=said | {"coordinator": leader}))
        if "answers" in facts:
            facts["answers"] = [one | {"use": transfer_of(one["site"])} for one in facts["answers"]]
        led.append(Entry(entry.kind, entry.time, leader, facts))
    space.logs[COMPANY], space.logs[leader] = own, led
    for site in SITES:
        for index, entry in enumerate(space.logs[site]):
            if entry.kind == "use.admitted":
                space.edit(site, index, coordinator=leader)
    return space


def read_list(text, key):
    listed = story.read_list(text, key)
    keys = {**listed.keys, **{did: signer.public_key for did, signer in LATER.items()}}
    return MembersList(text, listed.issuer, listed.issued, listed.expires, keys)


def audited(space, *without):
    signers = SIGNERS | LATER
    bundles = [space.bundle(did, signer=signers[did]) for did in space.logs if did not in without]
    return audit.verify(bundles, story.AUTHORITY, NOW, read_list, (), ())


def codes(report):
    return {finding.code for finding in report.findings if finding.outcome is not AuditOutcome.VERIFIED}


def test_an_honest_delegated_run_is_verified():
    report = audited(delegated())
    assert report.outcome is AuditOutcome.VERIFIED, report.findings


def test_a_run_that_still_goes_on_is_open_and_a_failed_one_is_over():
    space = delegated(trained())
    assert audited(space).outcome is AuditOutcome.OPEN
    assert "run.delegated.open" in codes(audited(space))
    for did in (COMPANY, LEADER):
        space.note(did, "run.failed", run=RUN, code="learning.cancelled")
    assert audited(space).outcome is AuditOutcome.VERIFIED


def test_a_delegated_run_whose_user_never_ended_it():
    space = delegated(trained())
    space.note(LEADER, "run.failed", run=RUN, code="learning.cancelled")
    space.seconds += 7200
    space.note(COMPANY, "offer.withdrawn", asset="late")
    assert "run.delegated.never_ended" in codes(audited(space))


def claimed(space):
    """Somebody claims a run of the company that was delegated to somebody else."""
    space.logs[OTHER] = [replace(entry, actor=OTHER) for entry in space.logs[LEADER]]
    return space


def without_delegation(space):
    space.logs[COMPANY] = [one for one in space.logs[COMPANY] if one.kind not in ("run.delegated", "run.received")]
    space.note(COMPANY, "offer.withdrawn", asset="later")
    return space


def edited(did, kind, **facts):
    def change(space):
        space.edit(did, space.find(did, kind), **facts)
        return space

    return change


def shown_another(space):
    space.edit(NORTH, space.find(NORTH, "use.admitted"), coordinator=OTHER)
    return space


def led_itself(space):
    space.logs[COMPANY].append(space.logs[LEADER][0])
    return space


def received_before(space):
    log = space.logs[COMPANY]
    index = space.find(COMPANY, "run.delegated")
    log.append(log.pop(index))
    return space


def denied(space):
    space.logs[LEADER] = []
    space.note(COMPANY, "offer.withdrawn", asset="a")
    space.note(LEADER, "offer.withdrawn", asset="a")
    return space


def twice(space):
    space.note(COMPANY, "run.failed", run=RUN, code="x")
    return space


STORIES = {
    "somebody else claims the run": (claimed, "run.delegated.other_coordinator"),
    "the user delegated nothing": (without_delegation, "run.delegated.not_delegated"),
    "the user delegated another task": (
        edited(COMPANY, "run.delegated", task=digest("other")),
        "run.delegated.differs",
    ),
    "the user delegated to somebody else": (
        edited(COMPANY, "run.delegated", coordinator=OTHER),
        "run.delegated.other_coordinator",
    ),
    "the user got another model": (edited(COMPANY, "run.received", model=digest("x")), "run.delegated.other_model"),
    "a site was shown another leader": (shown_another, "run.delegated.other_coordinator"),
    "the user led it all the same": (led_itself, "run.delegated.led_itself"),
    "the user had it before": (received_before, "run.delegated.order"),
    "the leader denies it": (denied, "run.delegated.denied"),
    "it ended twice": (twice, "run.delegated.two_ends"),
    "the answers went elsewhere": (shown_another, "run.answer.other_coordinator"),
}


@pytest.mark.parametrize("name", STORIES)
def test_what_cannot_be_honest_is_found(name):
    change, code = STORIES[name]
    report = audited(change(delegated()))
    assert report.outcome is AuditOutcome.FAILED
    assert code in codes(report)


def test_who_claims_a_run_is_found_by_the_sites_without_the_user():
    report = audited(claimed(delegated()), COMPANY, LEADER)
    assert "run.delegated.other_coordinator" in codes(report)
    (finding,) = [one for one in report.findings if one.code == "run.delegated.other_coordinator"]
    assert finding.origin == OTHER


def test_without_a_log_nothing_is_taken_for_granted():
    space = delegated()
    assert {"run.delegated.no_log", "run.answer.no_log"} <= codes(audited(space, COMPANY))
    assert "run.delegated.no_log" in codes(audited(space, LEADER))
    assert audited(space, COMPANY).outcome is AuditOutcome.UNVERIFIABLE


def test_a_log_that_ends_too_early_says_so():
    space = delegated()
    del space.logs[COMPANY][space.find(COMPANY, "run.delegated") :]
    assert "run.delegated.too_short" in codes(audited(space))
    space = delegated()
    del space.logs[LEADER][:]
    space.logs[LEADER].append(Entry("offer.withdrawn", space.logs[COMPANY][0].time, LEADER, {"asset": "a"}))
    assert "run.delegated.too_short" in codes(audited(space))


def logs_of(space):
    return {did: audit.readable(space.bundle(did, signer=(SIGNERS | LATER)[did])) for did in space.logs}


def test_the_story_names_both():
    logs = logs_of(delegated())
    assert lineage.runs(logs) == [(LEADER, RUN)]
    told = [str(branch.text) for branch in lineage.tree(logs, RUN)]
    assert f"Trained for {COMPANY} in the run {RUN}, which {LEADER} led." in told
    assert any("Dataset heart" in line for line in told)
    assert f"{SOUTH} gave 2 releases." in told
    document = lineage.prov(logs, RUN)
    assert list(document["actedOnBehalfOf"].values()) == [{"prov:delegate": LEADER, "prov:responsible": COMPANY}]
    del logs[COMPANY]
    assert [source.assets for source in lineage.sources(logs, RUN)] == [("heart",), ("heart",)]
