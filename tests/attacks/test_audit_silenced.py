"""Users and holders who doctor their own logs and sign them anew: no way ends in "verified".

Each way has its control: with the brake that finds it switched off, the same logs are told as verified. So what the
tests see is the work of that brake, and the doctored logs are otherwise as good as honest ones.
"""

import json
import re
from datetime import timedelta
from types import MappingProxyType

import pytest
from typer.testing import CliRunner

from bench import silenced
from bench.silenced import COMPANY, HOSPITAL, SIGNERS, WAYS, honest
from medspace.app.features.audit import auditing
from medspace.app.verbs import tree
from medspace.core.clock import stamp
from medspace.ledger import accounts, audit, bundle, crosscheck, membership, runs, uses
from medspace.ledger.report import AuditOutcome
from medspace.trust.jws import encode

FAILED, UNVERIFIABLE, OPEN, VERIFIED = (
    AuditOutcome.FAILED,
    AuditOutcome.UNVERIFIABLE,
    AuditOutcome.OPEN,
    AuditOutcome.VERIFIED,
)


def finds_nothing(*_, **__):
    return ()


# name of a brake -> where it is, and what stands in its place once it is off
BRAKES = MappingProxyType(
    {
        "accounts": (accounts, "check", finds_nothing),
        "agreements": (crosscheck, "_agreements", finds_nothing),
        "transfers": (crosscheck, "_transfers", finds_nothing),
        "ends": (uses, "check_ends", finds_nothing),
        "releases": (uses, "check_releases", finds_nothing),
        "turns": (uses, "_disorder", finds_nothing),
        "open": (uses, "_in_use", finds_nothing),
        "rounds": (runs, "check_rounds", finds_nothing),
        "models": (runs, "check_models", finds_nothing),
        "membership": (membership, "check", finds_nothing),
        "contradictions": (membership, "contradictions", finds_nothing),
        "published": (membership, "not_published", finds_nothing),
        "keys": (membership, "replaced_key", finds_nothing),
        "history": (audit, "_check_history", finds_nothing),
        "empty": (audit, "_empty", finds_nothing),
        "clocks": (crosscheck, "SKEW", timedelta(days=365)),
        "order": (audit, "TOLERANCE", timedelta(days=365)),
    }
)

# way -> what it ends in, the finding that tells it, the brakes that it must pass
EXPECTED = MappingProxyType(
    {
        "no_run": (FAILED, "run.release.unaccounted", ["accounts"]),
        "endless_run": (FAILED, "run.release.unaccounted", ["accounts", "rounds"]),
        "long_endless_run": (FAILED, "run.release.unaccounted", ["accounts", "rounds"]),
        "failed_run": (FAILED, "run.release.unaccounted", ["accounts"]),
        "many_failed_runs": (FAILED, "run.release.unaccounted", ["accounts"]),
        "one_use_each": (UNVERIFIABLE, "run.release.failed_run", ["accounts"]),
        "one_number": (FAILED, "run.rounds.numbers", ["rounds", "turns"]),
        "invented_model": (FAILED, "run.model.other_model", ["models"]),
        "fewer_rounds": (FAILED, "run.release.unaccounted", ["accounts"]),
        "skipped_round": (FAILED, "run.rounds.numbers", ["rounds", "models", "accounts"]),
        "no_answers": (FAILED, "run.model.no_answer", ["models", "accounts"]),
        "no_end_in_use": (FAILED, "use.ended.missing", ["ends"]),
        "no_end_at_last": (FAILED, "use.ended.missing", ["ends"]),
        "no_end_yet": (OPEN, "use.ended.open", ["ends"]),
        "asked_outside_a_run": (FAILED, "run.release.no_run", ["accounts"]),
        "asked_beside_a_run": (FAILED, "run.release.no_run", ["accounts"]),
        "two_answers": (FAILED, "release.admitted.again", ["turns", "accounts"]),
        "backwards": (FAILED, "release.admitted.backwards", ["turns"]),
        "after_the_end": (FAILED, "release.admitted.closed", ["open"]),
        "other_kind": (FAILED, "transfer.same.differs", ["transfers"]),
        "removed_member": (FAILED, "log.membership.removed", ["membership"]),
        "removed_member_alone": (FAILED, "log.membership.removed", ["membership"]),
        "two_lists": (FAILED, "log.members.contradiction", ["contradictions", "membership", "published"]),
        "unpublished_list": (FAILED, "log.members.not_published", ["published"]),
        "replaced_key": (FAILED, "log.signature.replaced_key", ["keys"]),
        "two_histories": (FAILED, "log.history.split_view", ["history"]),
        "one_release_twice": (FAILED, "release.admitted.repeated", ["releases"]),
        "cut_log": (UNVERIFIABLE, "run.release.too_short", ["accounts", "transfers"]),
        "empty_log": (UNVERIFIABLE, "log.entries.empty", ["accounts", "agreements", "transfers", "empty"]),
        "no_log": (UNVERIFIABLE, "run.release.no_log", ["accounts", "agreements", "transfers"]),
        "dated_back": (UNVERIFIABLE, "run.answer.clock", ["accounts", "membership", "clocks"]),
        "out_of_order": (UNVERIFIABLE, "log.time.backwards", ["order"]),
    }
)


def written(story, folder):
    """The bundles of a story as files, and the time of the auditor who has them."""
    bundles = [story.bundle(did) for did in SIGNERS if did not in story.absent] + story.twins
    files = [folder / f"{number}.json" for number in range(len(bundles))]
    for file, one in zip(files, bundles, strict=True):
        file.write_bytes(bundle.render(one))
    return files, story.now + timedelta(minutes=1)


KEY = encode(SIGNERS[silenced.AUTHORITY].public_key)


def test_the_honest_control_is_verified():
    report = honest().audit()
    assert (report.outcome, report.findings) == (VERIFIED, ())
    assert report.logs == tuple(sorted(SIGNERS))


@pytest.mark.parametrize("way", EXPECTED)
def test_a_way_to_silence_the_audit_is_told(way):
    outcome, code, _ = EXPECTED[way]
    report = WAYS[way]().audit()
    assert report.outcome is outcome
    assert code in {finding.code for finding in report.findings}


@pytest.mark.parametrize("way", EXPECTED)
def test_control_without_the_brake_the_way_is_verified(way, monkeypatch):
    for brake in EXPECTED[way][2]:
        monkeypatch.setattr(*BRAKES[brake])
    assert WAYS[way]().audit().outcome is VERIFIED


def test_every_way_is_expected_and_none_silences(attack_report, monkeypatch):
    assert set(EXPECTED) == set(WAYS)
    found, control = silenced.silenced(), 0
    for way, (_, _, brakes) in EXPECTED.items():
        with monkeypatch.context() as off:
            for brake in brakes:
                off.setattr(*BRAKES[brake])
            control += WAYS[way]().audit().outcome is VERIFIED
    attack = "silenced audit: doctored logs told as verified"
    attack_report(attack, got=len(found), control=control, of=len(WAYS), unit="ways")
    assert found == []
    (measured,) = silenced.measure().values()
    assert measured["value"] == 0


def test_control_the_measure_counts_what_silences(monkeypatch):
    monkeypatch.setattr(*BRAKES["accounts"])
    assert {"no_run", "failed_run", "fewer_rounds"} <= set(silenced.silenced())


# -- what people and scripts are told


@pytest.mark.parametrize("way", ["honest", *EXPECTED])
def test_the_verb_says_so_in_words_and_by_its_exit_code(way, tmp_path, monkeypatch):
    story = {"honest": honest, **WAYS}[way]()
    files, now = written(story, tmp_path)
    monkeypatch.setattr(auditing, "_now", lambda: now)
    arguments = ["audit", "verify", *map(str, files), "--authority-key", KEY]
    outcome = VERIFIED if way == "honest" else EXPECTED[way][0]
    code = {VERIFIED: 0, FAILED: 5, UNVERIFIABLE: 4, OPEN: 4}[outcome]
    people, script = (CliRunner().invoke(tree(), [*arguments, *more]) for more in ([], ["--json"]))
    assert (people.exit_code, script.exit_code) == (code, code)
    report = json.loads(script.stdout)
    assert report["outcome"] == outcome.value
    words = " ".join(people.stdout.split())
    assert not re.search("nothing is wrong", words, re.IGNORECASE)
    last = {VERIFIED: "Everything holds", FAILED: "Something does not hold", UNVERIFIABLE: "Not proven:"}
    assert last.get(outcome, "Not proven yet:") in words
    assert ("Everything holds" in words) is (outcome is VERIFIED)


# -- clocks


@pytest.mark.parametrize("behind", [30, 299])
def test_a_clock_that_is_a_little_behind_fails_no_proof(behind, tmp_path):
    story = honest()
    files, _ = written(story, tmp_path)
    report = auditing.verify_files(files, KEY, "en", story.now - timedelta(seconds=behind))
    assert (report["outcome"], report["findings"]) == ("verified", [])


def test_a_clock_that_is_far_behind_is_told_as_a_clock_with_both_times(tmp_path):
    story = honest()
    files, _ = written(story, tmp_path)
    wrong = story.now - timedelta(days=1)
    report = auditing.verify_files(files, KEY, "en", wrong)
    assert (report["outcome"], report["failed"]) == ("unverifiable", 0)
    assert {finding["code"] for finding in report["findings"]} == {"log.members.clock", "log.time.clock"}
    assert all(stamp(wrong) in finding["sentence"] for finding in report["findings"])
    assert all("clock" in finding["sentence"] for finding in report["findings"])


# -- membership


def test_who_is_a_member_again_may_go_on():
    story = honest()
    story.note(silenced.AUTHORITY, "member.removed", member=COMPANY)
    story.publish(HOSPITAL)
    story.note(silenced.AUTHORITY, "member.admitted", member=COMPANY)
    story.publish(HOSPITAL, COMPANY)
    silenced.start(story, "later", silenced.TASK)
    story.note(COMPANY, "run.failed", run="urn:run:later", code="run.cancelled")
    assert story.audit().outcome is VERIFIED


def test_the_old_log_of_a_removed_member_stays_proven():
    story = honest()
    old = story.lists[COMPANY]
    story.note(silenced.AUTHORITY, "member.removed", member=COMPANY)
    story.publish(HOSPITAL)
    story.lists[COMPANY] = old
    assert story.audit().outcome is VERIFIED


def test_a_removed_member_shows_its_log_with_the_new_list():
    story = honest()
    story.publish(HOSPITAL)
    codes = {finding.code for finding in story.audit().findings}
    assert "log.signature.no_member" in codes


def test_entries_after_the_last_list_expired_are_not_proven():
    story = honest()
    story.seconds += 31 * 24 * silenced.HOUR
    silenced.start(story, "late", silenced.TASK)
    story.note(COMPANY, "run.failed", run="urn:run:late", code="run.cancelled")
    report = story.audit()
    assert {finding.code for finding in report.findings} == {"log.membership.expired"}
    assert report.outcome is UNVERIFIABLE


def test_an_entry_of_somebody_else_in_a_log():
    story = honest()
    last = story.logs[COMPANY][-1]
    story.logs[COMPANY].append(type(last)("offer.withdrawn", last.time, HOSPITAL, {"asset": "heart"}))
    assert {finding.code for finding in story.audit().findings} == {"log.entries.actor"}


# -- questions that the holder shows


def shown(story, folder, **change):
    """The hospital shows its first question, truly or changed."""
    at = next(at for at, entry in enumerate(story.logs[HOSPITAL]) if entry.kind == "use.admitted")
    asked = {"entry": at, "task": {"task": "honest"}, "round": 1, "step": "newton"}
    question = {**asked, "inputs": {"question": ["honest", 1]}, **change}
    file = folder / "questions.json"
    file.write_text(json.dumps({"format": "medspace-questions-1", "origin": HOSPITAL, "questions": [question]}))
    return file


@pytest.mark.parametrize(
    ("change", "code"), [({}, None), ({"inputs": {"question": ["probe", 1]}}, "use.question.differs")]
)
def test_a_holder_shows_what_it_was_asked(change, code, tmp_path, monkeypatch):
    story = honest()
    files, now = written(story, tmp_path)
    monkeypatch.setattr(auditing, "_now", lambda: now)
    arguments = ["audit", "verify", *map(str, files), "--authority-key", KEY]
    said = CliRunner().invoke(tree(), [*arguments, "--questions", str(shown(story, tmp_path, **change)), "--json"])
    report = json.loads(said.stdout)
    assert [finding["code"] for finding in report["findings"]] == ([code] if code else [])
    assert said.exit_code == (5 if code else 0)
    assert report["questions"] == [{"log": HOSPITAL, "admitted": 3, "shown": 1, "not_shown": 2}]
    people = CliRunner().invoke(tree(), arguments)
    assert people.exit_code == 0
    assert f"Questions of {HOSPITAL}: 3 admitted, 0 shown, 3 not shown." in " ".join(people.stdout.split())


@pytest.mark.parametrize(("content", "code"), [("[]", "ledger.questions.malformed"), (None, "audit.file")])
def test_questions_that_cannot_be_read_are_said(content, code, tmp_path):
    files, _ = written(honest(), tmp_path)
    file = tmp_path / "questions.json"
    if content is not None:
        file.write_text(content)
    arguments = ["audit", "verify", str(files[0]), "--authority-key", KEY, "--questions", str(file)]
    assert CliRunner().invoke(tree(), arguments).exception.code == code
