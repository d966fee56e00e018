import json

import msgspec
import pytest

from medspace.ledger import audit, entry_proof
from medspace.ledger.entry_proof import EntryProof
from medspace.ledger.errors import MalformedEntryProofError, NoSuchEntryError
from medspace.ledger.report import ENTRIES, INCLUDED, MEMBERS, SIGNATURE, AuditOutcome
from tests.unit.ledger.story import AUTHORITY, COMPANY, NORTH, NOW, SIGNERS, honest, read_list
from tests.unit.ledger.story import MEMBERS as LIST

SPACE = honest()
INDEX = 5


def proven(index=INDEX, signer=None):
    return entry_proof.prove(SPACE.transaction(COMPANY), index, SPACE.checkpoint(COMPANY, signer=signer), LIST)


def failed(proof, key=AUTHORITY):
    report = audit.verify_entries([proof], key, NOW, read_list)
    return {count.check for count in report.counts if count.failed}, report


def changed(**facts):
    return msgspec.structs.replace(proven(), **facts)


def test_every_entry_of_a_log_is_proven_by_itself():
    proofs = [proven(index) for index in range(len(SPACE.logs[COMPANY]))]
    report = audit.verify_entries(proofs, AUTHORITY, NOW, read_list)
    assert report.outcome is AuditOutcome.VERIFIED
    assert (report.entries, report.logs) == (len(proofs), (COMPANY,))


def test_a_proof_is_one_json_file_and_shows_no_other_entry():
    content = msgspec.json.encode(proven())
    assert entry_proof.read(content) == proven()
    told = json.loads(content)
    assert told["entry"] == SPACE.logs[COMPANY][INDEX].encode().decode()
    assert content.count(b"negotiation") + content.count(b"transfer") <= told["entry"].count("negotiation") + 2


@pytest.mark.parametrize(
    ("facts", "check"),
    [
        ({"index": INDEX + 1}, INCLUDED),
        ({"size": proven().size - 1}, INCLUDED),
        ({"entry": proven(INDEX + 1).entry}, INCLUDED),
        ({"hashes": ("0" * 64, *proven().hashes[1:])}, INCLUDED),
        ({"hashes": proven().hashes[:-1]}, INCLUDED),
        ({"checkpoint": proven(signer=SIGNERS[NORTH]).checkpoint}, SIGNATURE),
        ({"checkpoint": "nothing"}, SIGNATURE),
        ({"origin": "did:web:nobody.example"}, SIGNATURE),
        ({"members": "another list"}, MEMBERS),
        ({"entry": "{}"}, ENTRIES),
    ],
)
def test_whatever_is_changed_is_found(facts, check):
    found, report = failed(changed(**facts))
    assert check.name in found
    assert report.outcome is AuditOutcome.FAILED
    assert report.logs == ()


def test_another_authority_proves_nothing():
    assert MEMBERS.name in failed(proven(), bytes(32))[0]


def test_an_entry_that_names_a_stranger_as_its_actor_is_found():
    entry = json.loads(proven().entry) | {"actor": "did:web:stranger.example"}
    assert ENTRIES.name in failed(changed(entry=json.dumps(entry, separators=(",", ":"), sort_keys=True)))[0]


def test_what_is_not_there_has_no_proof():
    with pytest.raises(NoSuchEntryError):
        proven(len(SPACE.logs[COMPANY]))


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format": "medspace-log-1"}', msgspec.json.encode({"hashes": 1})])
def test_a_file_that_is_none_is_refused(content):
    with pytest.raises(MalformedEntryProofError):
        entry_proof.read(content)


@pytest.mark.parametrize("facts", [{"hashes": ["zz"]}, {"index": -1}, {"format": "x"}, {"more": 1}])
def test_a_proof_of_another_form_is_refused(facts):
    told = json.loads(msgspec.json.encode(proven())) | facts
    with pytest.raises(MalformedEntryProofError):
        entry_proof.read(json.dumps(told).encode())


def test_its_form_is_named():
    assert isinstance(proven(), EntryProof)
    assert proven().format == entry_proof.FORMAT
