"""Masked runs in the logs of their sites: the same lists and openings everywhere, or who does not match is named."""

from dataclasses import replace

import pytest

from medspace.core.clock import stamp
from medspace.core.hashing import digest
from medspace.core.signing import Ed25519Signer
from medspace.ledger import audit, masked, statements
from medspace.ledger.membership import MembersList
from medspace.ledger.model import Entry
from medspace.ledger.report import MASKED, AuditOutcome
from medspace.ledger.statements import LogLine
from medspace.runs.masked.messages import AGREE, CONTRIBUTE, OPEN, PROPOSE, RESULT, SHARE
from medspace.runs.masked.site import CONTRIBUTED
from tests.unit.ledger import story
from tests.unit.ledger.story import BEGIN, COMPANY, MANIFEST, NORTH, NOW, RUN, SIGNERS, SOUTH, TASK, Space

WEST, EAST = "did:web:west.example", "did:web:east.example"
SITES = (NORTH, SOUTH, WEST, EAST)
MORE = {did: Ed25519Signer.from_seed(bytes([number] * 32)) for number, did in enumerate((WEST, EAST), 20)}
STEPS = [(SHARE, 0), *((step, q) for q in (1, 2) for step in (CONTRIBUTE, AGREE, OPEN, PROPOSE)), (RESULT, 2)]
OTHER = digest({"other": True})


def listed(question):
    return digest({"list": question})


def opened(question):
    return digest({"opened": question})


def noted(site, step, question):
    """What an honest site notes at a step; NORTH proposes."""
    if step == CONTRIBUTE:
        question -= 1
    facts = {}
    if question and step in (AGREE, OPEN, CONTRIBUTE, RESULT, PROPOSE):
        facts["survivors"] = listed(question)
    if question and (step == PROPOSE or (step in (CONTRIBUTE, RESULT) and site != NORTH)):
        facts["openings"] = opened(question)
    return facts


def masked_run(change=lambda _site, _step, _question, facts: facts, brought=lambda _site, _step: "same", sites=SITES):
    """Two questions at four sites under an agreement each; `change` lies in what a site notes."""
    space = Space(logs={did: [] for did in (COMPANY, *sites)})
    for site in sites:
        story.negotiate(space, site, story.agreement_of(site))
        story.begin_use(space, site, story.agreement_of(site))
    space.note(
        COMPANY,
        "run.started",
        run=RUN,
        task=TASK,
        agreements=[story.agreement_of(site) for site in sites],
        sites=list(sites),
        protection="masked-sums",
    )
    for number, (step, question) in enumerate(STEPS, 1):
        asking = (NORTH,) if step == PROPOSE else sites
        answers = [answered(space, site, number, step, question, change, brought) for site in asking]
        asked = digest({"step": number, "brought": "same"})
        noted_run = {"run": RUN, "round": number, "step": step, "model": asked, "manifest": MANIFEST}
        space.note(COMPANY, "run.round", **noted_run, answers=answers)
    story.finish(space, rounds=len(STEPS), sites=list(sites), fitted=asked, protection="masked-sums")
    for site in sites[2:]:
        use = {"role": "provider", "pid": story.transfer_of(site), "counterparty": COMPANY}
        space.note(site, "transfer.completed", **use, agreement=story.agreement_of(site), format="medspace:train")
    return space


def answered(space, site, number, step, question, change, brought):
    admission, release = f"urn:admission:{site}:{number}", story.release_of(site, number)
    asked = digest({"step": number, "brought": brought(site, step)})
    space.note(
        site,
        "use.admitted",
        admission=admission,
        agreement=story.agreement_of(site),
        transfer=story.transfer_of(site),
        user=COMPANY,
        asset="heart",
        use_kind="medspace:train",
        purpose="dpv:ResearchAndDevelopment",
        task=TASK,
        round=number,
        step=step,
        question=asked,
        run=RUN,
        manifest=MANIFEST,
        sites=len(SITES),
    )
    output = CONTRIBUTED if step == CONTRIBUTE else f"masked.{step}"
    facts = change(site, step, question, noted(site, step, question))
    said = {"release": release, "admission": admission, "output": output, "round": number}
    space.note(site, "use.released", **said, digest=story.content_of(site, number), **facts)
    own = {"step": step, "question": asked} if brought(site, step) != "same" else {}
    return story.answer(site, number) | own


def read_list(text, key):
    found = story.read_list(text, key)
    keys = {**found.keys, **{did: signer.public_key for did, signer in MORE.items()}}
    return MembersList(text, found.issuer, found.issued, found.expires, keys)


def audited(space, *without):
    signers = SIGNERS | MORE
    bundles = [space.bundle(did, signer=signers[did]) for did in space.logs if did not in without]
    return audit.verify(bundles, story.AUTHORITY, NOW, read_list, (), ())


def findings(report):
    return {(one.code, one.origin) for one in report.findings if one.code.startswith("run.masked")}


def lying(who, where, **facts):
    """One site that notes something else at one step and question; None leaves a fact out."""

    def change(site, step, question, said):
        if (site, step, question) == (who, *where):
            return {name: value for name, value in {**said, **facts}.items() if value is not None}
        return said

    return change


def test_the_names_of_the_protocol_are_those_of_the_protocol():
    assert (masked.CONTRIBUTION, masked.AGREE, masked.OPEN) == (CONTRIBUTED, AGREE, OPEN)


def test_an_honest_masked_run_is_verified_question_by_question():
    report = audited(masked_run())
    assert report.outcome is AuditOutcome.VERIFIED, report.findings
    assert report.count(MASKED).verified == 2


@pytest.mark.parametrize(
    ("where", "facts", "code"),
    [
        ((AGREE, 1), {"survivors": OTHER}, {"other_list", "changed"}),
        ((AGREE, 1), {"survivors": None}, {"not_noted"}),
        ((OPEN, 2), {"survivors": OTHER}, {"other_list", "changed"}),
        ((OPEN, 2), {"survivors": None}, {"not_noted"}),
        ((CONTRIBUTE, 2), {"openings": OTHER}, {"other_openings"}),
        ((CONTRIBUTE, 2), {"openings": None}, {"not_opened"}),
        ((RESULT, 2), {"openings": OTHER}, {"other_openings"}),
        ((RESULT, 2), {"survivors": OTHER}, {"changed"}),
        ((RESULT, 2), {"survivors": None}, {"not_noted"}),
    ],
)
def test_a_site_that_notes_something_else_is_named(where, facts, code):
    report = audited(masked_run(lying(SOUTH, where, **facts)))
    assert findings(report) == {(f"run.masked.{one}", SOUTH) for one in code}
    assert report.outcome is AuditOutcome.FAILED
    told = [str(one.text) for one in report.findings if one.code.startswith("run.masked")]
    assert all(SOUTH in sentence for sentence in told)


def test_where_half_say_one_thing_and_half_another_all_are_named():
    def change(site, step, question, said):
        return said | ({"survivors": OTHER} if site in (SOUTH, WEST) and question == 1 and step != CONTRIBUTE else {})

    report = audited(masked_run(change))
    assert {origin for code, origin in findings(report) if code == "run.masked.other_list"} == set(SITES)


def test_a_coordinator_that_brought_two_lists_is_named():
    def brought(site, step):
        return "other" if (site, step) == (SOUTH, AGREE) else "same"

    report = audited(masked_run(lying(SOUTH, (AGREE, 1), survivors=OTHER), brought))
    told = {one.code: str(one.text) for one in report.findings}
    assert told["run.masked.two_lists"].startswith(COMPANY)
    assert "run.masked.other_list" not in told
    assert "run.answer.other_question" not in told  # it did note that it asked this site something else


def test_without_the_log_of_a_site_nothing_is_told_of_it():
    report = audited(masked_run(), EAST)
    assert ("run.masked.no_log", NORTH) in findings(report)
    assert report.outcome is AuditOutcome.UNVERIFIABLE
    report = audited(masked_run(), EAST, COMPANY)
    assert ("run.masked.few_logs", NORTH) in findings(report)
    assert "run.masked.few_logs" not in {code for code, _ in findings(audited(masked_run(), COMPANY))}


def accused(named):
    """SOUTH refuses the last step at first, and says whose fault it is."""
    space = masked_run()
    at = space.find(SOUTH, "use.admitted", -1)
    first = space.logs[SOUTH][at]
    refused = {"admission": "urn:admission:refused"}
    said = refused | {"code": "masked.message", "named": named}
    space.logs[SOUTH][at:at] = [
        replace(first, facts=first.facts | refused),
        Entry("use.withheld", first.time, SOUTH, said),
    ]
    return space


def test_whom_a_site_accuses_is_shown_and_fails_nothing():
    report = audited(accused(WEST))
    assert [(one.origin, one.named, one.code, one.run) for one in report.accusations] == [
        (SOUTH, WEST, "masked.message", RUN)
    ]
    assert report.outcome is AuditOutcome.VERIFIED, report.findings
    assert "run.masked.stranger" not in {code for code, _ in findings(report)}
    assert "run.masked.stranger" not in {code for code, _ in findings(audited(accused(COMPANY)))}


def test_who_accuses_somebody_without_a_part_in_the_run_is_found():
    report = audited(accused("did:web:nobody.example"))
    assert ("run.masked.stranger", SOUTH) in findings(report)
    assert "run.masked.stranger" not in {
        code for code, _ in findings(audited(accused("did:web:nobody.example"), COMPANY))
    }


def test_an_accusation_of_nothing_that_was_admitted_is_of_no_run():
    space = masked_run()
    space.note(SOUTH, "use.withheld", admission="urn:admission:none", code="masked.message", named=WEST)
    report = audited(space)
    assert [one.run for one in report.accusations] == [""]


@pytest.mark.parametrize(
    ("said", "odd"),
    [
        ({}, set()),
        ({"a": "1"}, set()),
        ({"a": "1", "b": "1"}, set()),
        ({"a": "1", "b": "2"}, {"a", "b"}),
        ({"a": "1", "b": "1", "c": "2"}, {"c"}),
        ({"a": "1", "b": "1", "c": "2", "d": "2"}, {"a", "b", "c", "d"}),
    ],
)
def test_who_says_something_else_than_most(said, odd):
    assert masked.deviants(said) == odd


def test_a_run_that_ended_before_a_total_was_opened_has_nothing_to_compare(monkeypatch):
    monkeypatch.setattr("tests.unit.ledger.test_masked.STEPS", STEPS[:3])
    report = audited(masked_run())
    assert report.count(MASKED).verified == 0
    assert not findings(report)


def test_a_run_without_masks_is_none_of_it():
    space = story.honest()
    index = space.find(NORTH, "use.admitted")
    entry = space.logs[NORTH][index]
    facts = {name: value for name, value in entry.facts.items() if name != "manifest"}
    space.logs[NORTH][index] = replace(entry, facts=facts)
    report = space.audit()
    assert report.outcome is AuditOutcome.VERIFIED, report.findings
    assert report.count(MASKED).verified == 0


class Ends(dict):
    """Counts how often all of them are looked through."""

    looks = 0

    def values(self):
        self.looks += 1
        return super().values()


def test_many_accusations_are_looked_through_once():
    said = {"code": "masked.message", "named": WEST}
    entries = [
        Entry("use.withheld", stamp(BEGIN), SOUTH, {"admission": f"a{number}", **said}) for number in range(50)
    ]
    log = statements.read(SOUTH, [LogLine(index, entry) for index, entry in enumerate(entries)])
    log.ends = Ends(log.ends)
    assert list(masked._strangers(log, {SOUTH: log})) == []
    assert log.ends.looks == 1
    assert len(list(masked.accusations({SOUTH: log}))) == 50
