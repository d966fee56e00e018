from datetime import UTC, datetime

import pytest

from medspace.core.signing import Ed25519Signer
from medspace.ledger import merkle, note, service
from medspace.ledger.errors import BrokenLogError, InconsistentLogError, NoSuchEntryError
from medspace.ledger.model import CHECKPOINTS, Entry, decode
from tests.unit.ledger.memory import MemoryTransaction

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ORIGIN = "did:web:cleveland.example"
SIGNER = Ed25519Signer.from_seed(bytes(32))


def admitted(number):
    return Entry("member.admitted", "2026-11-23T12:00:00.000Z", ORIGIN, {"member": f"did:web:m{number}.example"})


def filled(count):
    tx = MemoryTransaction()
    for number in range(count):
        assert service.record(tx, admitted(number)) == number
    return tx


def test_what_is_recorded_is_what_the_log_keeps():
    tx = filled(3)
    assert [decode(content) for content in tx.log.entries(0, 3)] == [admitted(number) for number in range(3)]


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8])
def test_a_checkpoint_signs_size_and_root(count):
    tx = filled(count)
    signed = service.checkpoint(tx, SIGNER, ORIGIN, NOW)
    read = note.parse(signed.note)
    state = note.read_checkpoint(read.text)
    assert read.signed_by(ORIGIN, SIGNER.public_key)
    assert (state.origin, state.size, state.root) == (ORIGIN, count, tx.log.frontier.root())
    assert tx.get(CHECKPOINTS, signed.id) == signed == service.latest_checkpoint(tx)


def test_the_same_size_is_signed_once():
    tx = filled(2)
    first = service.checkpoint(tx, SIGNER, ORIGIN, NOW)
    assert service.checkpoint(tx, SIGNER, ORIGIN, NOW.replace(hour=13)) == first
    service.record(tx, admitted(9))
    assert service.checkpoint(tx, SIGNER, ORIGIN, NOW).size == 3


def test_a_log_that_was_changed_signs_nothing():
    tx = filled(3)
    service.checkpoint(tx, SIGNER, ORIGIN, NOW)
    rewritten = filled(0)
    rewritten.records = tx.records
    with pytest.raises(InconsistentLogError):
        service.checkpoint(rewritten, SIGNER, ORIGIN, NOW)
    for number in (0, 7, 2, 3):
        service.record(rewritten, admitted(number))
    with pytest.raises(InconsistentLogError) as caught:
        service.checkpoint(rewritten, SIGNER, ORIGIN, NOW)
    assert "no longer begins with the 3 entries" in str(caught.value)


def test_proofs_take_one_lookup_and_hold():
    tx = filled(13)
    tx.log.lookups = 0
    included = service.prove_inclusion(tx, 4, 11)
    grown = service.prove_consistency(tx, 6, 13)
    assert tx.log.lookups == 2
    leaf = merkle.leaf_hash(tx.log.content[4])
    root6, root11, root13 = (service.root(tx.log, size) for size in (6, 11, 13))
    assert merkle.verify_inclusion(included.index, included.size, leaf, included.hashes, root11)
    assert merkle.verify_consistency(grown.size1, grown.size2, grown.hashes, root6, root13)


@pytest.mark.parametrize(
    "ask",
    [
        lambda tx: service.prove_inclusion(tx, 3, 3),
        lambda tx: service.prove_inclusion(tx, -1, 3),
        lambda tx: service.prove_inclusion(tx, 0, 4),
        lambda tx: service.prove_inclusion(tx, 3, 4),
        lambda tx: service.prove_consistency(tx, 3, 2),
        lambda tx: service.prove_consistency(tx, 0, 4),
        lambda tx: service.prove_consistency(tx, 4, 4),
        lambda tx: service.prove_consistency(tx, 2, 4),
        lambda tx: service.root(tx.log, 4),
        lambda tx: service.root(tx.log, -1),
    ],
)
def test_what_the_log_has_not_reached_is_not_proved(ask):
    with pytest.raises(NoSuchEntryError):
        ask(filled(3))


def test_what_is_no_hash_is_not_put_into_a_proof():
    tx = filled(3)
    for wrong in (b"", b"short", bytes(33)):
        tx.log.nodes[0, 0] = wrong
        with pytest.raises(BrokenLogError):
            service.prove_inclusion(tx, 1, 3)
