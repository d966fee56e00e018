"""Somebody changes one log after it was signed, or shows different logs to different people."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.core.signing import Ed25519Signer
from medspace.ledger import note
from medspace.ledger.model import Checkpoint
from medspace.ledger.note import SignedNote
from medspace.ledger.report import ANSWER, HISTORY, MEMBERS, ROOT, SIGNATURE, AuditOutcome
from tests.unit.ledger import story
from tests.unit.ledger.story import COMPANY, NORTH, SOUTH, honest, verify
from tests.unit.ledger.story import MEMBERS as LIST

STRANGER = Ed25519Signer.from_seed(bytes([9] * 32))


def codes(report):
    return {finding.code for finding in report.findings if finding.outcome is AuditOutcome.FAILED}


def attack(**changes):
    """The honest story, but the bundle of the northern hospital is not what it signed."""
    space = honest()
    bundle = space.bundle(NORTH)
    changed = {name: change(getattr(bundle, name)) for name, change in changes.items()}
    others = space.bundles(without=[NORTH])
    return verify([*others, msgspec.structs.replace(bundle, **changed)])


def assert_caught(report, check, code):
    assert report.outcome is AuditOutcome.FAILED
    assert f"{check.name}.{code}" in codes(report)
    assert NORTH not in report.logs
    assert report.count(ANSWER).verified == 2  # the southern hospital's two; nothing is taken from the forged log
    assert report.count(ANSWER).unverifiable == 2


def test_a_dropped_entry():
    assert_caught(attack(entries=lambda entries: entries[:3] + entries[4:]), ROOT, "wrong_size")


def test_a_dropped_entry_with_another_put_at_the_end():
    assert_caught(attack(entries=lambda entries: (*entries[:3], *entries[4:], entries[0])), ROOT, "wrong_root")


def test_two_swapped_entries():
    report = attack(entries=lambda entries: (entries[1], entries[0], *entries[2:]))
    assert_caught(report, ROOT, "wrong_root")


def test_an_edited_entry():
    report = attack(entries=lambda entries: tuple(text.replace('"round":2', '"round":1') for text in entries))
    assert_caught(report, ROOT, "wrong_root")


def test_an_entry_that_is_no_text():
    assert_caught(attack(entries=lambda entries: (*entries[:-1], "\ud800")), ROOT, "wrong_root")


def test_a_truncated_log():
    assert_caught(attack(entries=lambda entries: entries[:-1]), ROOT, "wrong_size")


def test_an_emptied_log():
    assert_caught(attack(entries=lambda _: ()), ROOT, "wrong_size")


@given(st.data())
@settings(max_examples=30)
def test_any_changed_character_of_any_entry(data):
    space = honest()
    bundle = space.bundle(NORTH)
    number = data.draw(st.integers(0, len(bundle.entries) - 1))
    text = bundle.entries[number]
    place = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(st.characters(codec="utf-8").filter(lambda one: one != text[place]))
    changed = text[:place] + character + text[place + 1 :]
    entries = (*bundle.entries[:number], changed, *bundle.entries[number + 1 :])
    report = verify([msgspec.structs.replace(bundle, entries=entries)])
    assert codes(report) == {"log.root.wrong_root"}


def forged(signer, origin=NORTH):
    tx = honest().transaction(NORTH)
    state = Checkpoint(origin, tx.log.size(), tx.log.frontier.root())
    return lambda _: SignedNote(note.checkpoint_text(state)).signed(origin, signer).render()


def test_a_checkpoint_forged_by_a_stranger():
    assert_caught(attack(checkpoint=forged(STRANGER)), SIGNATURE, "wrong_key")


def test_a_checkpoint_signed_by_another_member():
    assert_caught(attack(checkpoint=forged(story.SIGNERS[SOUTH])), SIGNATURE, "wrong_key")


def test_another_members_checkpoint_over_the_same_entries():
    report = attack(checkpoint=forged(story.SIGNERS[SOUTH], SOUTH))
    assert_caught(report, SIGNATURE, "wrong_key")


def test_a_log_passed_off_as_another_members():
    report = verify([*honest().bundles(without=[NORTH, SOUTH]), honest().bundle(SOUTH)])
    assert report.outcome is AuditOutcome.UNVERIFIABLE
    stolen = msgspec.structs.replace(honest().bundle(NORTH), origin=SOUTH)
    assert codes(verify([stolen])) == {"log.signature.wrong_key"}


def test_a_checkpoint_whose_signature_was_cut_off():
    report = attack(checkpoint=lambda text: text.partition("\n\n")[0] + "\n")
    assert_caught(report, SIGNATURE, "malformed")


def test_a_checkpoint_with_another_size():
    report = attack(checkpoint=lambda text: text.replace("\n11\n", "\n10\n"))
    assert_caught(report, SIGNATURE, "wrong_key")


def test_a_log_of_somebody_who_is_no_member():
    space = honest()
    stranger = "did:web:stranger.example"
    state = note.checkpoint_text(
        Checkpoint(stranger, 0, note.parse(space.bundle(NORTH).checkpoint).text and bytes(32))
    )
    signed = SignedNote(state).signed(stranger, STRANGER).render()
    bundle = msgspec.structs.replace(space.bundle(NORTH), origin=stranger, checkpoint=signed, entries=())
    assert codes(verify([bundle])) == {"log.signature.no_member"}


def test_a_members_list_that_the_authority_did_not_sign():
    report = attack(members=lambda _: "a list of my own")
    assert_caught(report, MEMBERS, "proof.failed")
    assert LIST != "a list of my own"


def rewritten():
    """The northern hospital rewrites its log from the sixth entry on, and signs the new one as well."""
    space = honest()
    space.edit(NORTH, 5, peer_pid="urn:use:rewritten")
    return space


def test_a_split_view_of_one_size():
    shown_to_me, shown_to_you = honest().bundle(NORTH), rewritten().bundle(NORTH)
    assert codes(verify([shown_to_me])) == codes(verify([shown_to_you])) == set()
    report = verify([shown_to_me, shown_to_you])
    assert codes(report) == {"log.history.split_view"}
    assert report.logs == ()


def test_a_split_view_of_two_sizes():
    bundles = [honest().bundle(NORTH, size=9), rewritten().bundle(NORTH)]
    for order in (bundles, bundles[::-1]):
        report = verify(order)
        assert codes(report) == {"log.history.split_view"}
        assert report.logs == ()


def test_a_split_view_shows_even_if_the_other_entries_are_withheld():
    other = msgspec.structs.replace(rewritten().bundle(NORTH), entries=())
    report = verify([honest().bundle(NORTH), other])
    assert codes(report) == {"log.history.split_view", "log.root.wrong_size"}
    assert report.logs == ()


def test_a_split_view_against_a_checkpoint_kept_from_before():
    kept = honest().checkpoint(NORTH, size=9).note
    assert codes(verify([rewritten().bundle(NORTH)], [kept])) == {"log.history.split_view"}
    assert verify([honest().bundle(NORTH)], [kept]).count(HISTORY).verified == 1


def test_an_old_checkpoint_replayed_with_its_old_log():
    kept = honest().checkpoint(NORTH).note
    old = honest().bundle(NORTH, size=9)
    assert codes(verify([old])) == set()
    assert codes(verify([old], [kept])) == {"log.history.cut_off"}


def test_an_old_checkpoint_replayed_with_the_new_log():
    report = attack(checkpoint=lambda _: honest().checkpoint(NORTH, size=9).note)
    assert_caught(report, ROOT, "wrong_size")


def test_a_log_cut_before_its_releases_hides_behind_no_old_checkpoint():
    space = honest()
    size = space.find(NORTH, "use.admitted")
    report = verify([*space.bundles(without=[NORTH]), space.bundle(NORTH, size=size)])
    assert report.outcome is AuditOutcome.UNVERIFIABLE
    assert report.count(ANSWER).unverifiable == 2
    assert {finding.code for finding in report.findings} == {"run.answer.too_short"}


def test_checkpoints_of_others_prove_nothing_against_a_log():
    forged_note = forged(STRANGER)(None)
    other = honest().checkpoint(SOUTH, size=3).note
    report = verify([honest().bundle(NORTH)], [forged_note, other, "no note at all"])
    assert report.outcome is AuditOutcome.UNVERIFIABLE  # for want of the other logs
    assert report.count(HISTORY) == verify([honest().bundle(NORTH)]).count(HISTORY)


@pytest.mark.parametrize("text", ["no note", honest().checkpoint(SOUTH, size=3).note])
def test_earlier_checkpoints_in_a_bundle_must_be_its_own(text):
    assert_caught(attack(earlier=lambda _: (text,)), HISTORY, "not_signed")


def test_the_longer_of_two_consistent_logs_is_believed():
    space = honest()
    report = verify([*space.bundles(), space.bundle(COMPANY, size=9)])
    assert report.outcome is AuditOutcome.VERIFIED
    assert report.entries == sum(len(log) for log in space.logs.values())
