"""What a unit of work does with the log: record, sign a checkpoint, prove."""

from collections.abc import Sequence
from datetime import datetime

from medspace.core.clock import stamp
from medspace.core.signing import Signer
from medspace.core.store import Log, Transaction
from medspace.core.text import Text, msgid
from medspace.ledger import merkle, note
from medspace.ledger.errors import BrokenLogError, InconsistentLogError, NoSuchEntryError
from medspace.ledger.merkle import Node
from medspace.ledger.model import (
    CHECKPOINTS,
    Checkpoint,
    ConsistencyProof,
    Entry,
    InclusionProof,
    SignedCheckpoint,
)


def record(tx: Transaction, entry: Entry) -> int:
    """Write an entry into the log, in the same transaction as the effect that it records; returns its index."""
    return tx.log.append(entry.encode())


def root(log: Log, size: int) -> bytes:
    """The root that the log had at that size, from what its store keeps.

    Raises:
        NoSuchEntryError: it has never been so long.
    """
    return merkle.fold(_hashes(log, merkle.span_nodes(0, size), size))


def checkpoint(tx: Transaction, signer: Signer, origin: str, now: datetime) -> SignedCheckpoint:
    """Sign the log as it stands, and keep what was signed; the same size is signed once.

    Raises:
        InconsistentLogError: the log does not begin with what was signed last. A log must never sign two
            inconsistent checkpoints (C2SP tlog-checkpoint, Signatures).
    """
    size = tx.log.size()
    last = latest_checkpoint(tx)
    if last is not None:
        _confirm(tx.log, origin, last)
        if last.size == size:
            return last
    state = Checkpoint(origin, size, root(tx.log, size))
    signed = note.SignedNote(note.checkpoint_text(state)).signed(origin, signer)
    made = SignedCheckpoint(f"{size:016d}", size, stamp(now), signed.render())
    tx.insert(CHECKPOINTS, made)
    return made


def latest_checkpoint(tx: Transaction) -> SignedCheckpoint | None:
    """The checkpoint that was signed last."""
    return next(iter(tx.find(CHECKPOINTS, order_by="size", descending=True, limit=1)), None)


def _confirm(log: Log, origin: str, last: SignedCheckpoint) -> None:
    before = note.read_checkpoint(note.parse(last.note).text)
    if log.size() < before.size or root(log, before.size) != before.root:
        raise InconsistentLogError(origin=origin, size=before.size)


def prove_inclusion(tx: Transaction, index: int, size: int) -> InclusionProof:
    """That the entry is number `index` of the log when it had `size` entries. One look-up of about log2(size) hashes.

    Raises:
        NoSuchEntryError: there is no such entry, or no such size.
    """
    if not 0 <= index < size:
        raise NoSuchEntryError(
            reason=Text(msgid("a log of {size} entries has no entry {index}"), {"size": size, "index": index})
        )
    hashes = _hashes(tx.log, merkle.inclusion_nodes(index, size), size)
    return InclusionProof(index, size, merkle.inclusion_proof(index, size, hashes))


def prove_consistency(tx: Transaction, size1: int, size2: int) -> ConsistencyProof:
    """That the log of `size2` entries begins with the log of `size1` entries.

    Raises:
        NoSuchEntryError: there are no such sizes, in this order; from size 0 there is nothing to prove.
    """
    if not 0 < size1 <= size2:
        facts = {"later": size2, "earlier": size1}
        raise NoSuchEntryError(reason=Text(msgid("a log of {later} entries had no earlier size {earlier}"), facts))
    hashes = _hashes(tx.log, merkle.consistency_nodes(size1, size2), size2)
    return ConsistencyProof(size1, size2, merkle.consistency_proof(size1, size2, hashes))


def _hashes(log: Log, nodes: Sequence[Node], size: int) -> list[bytes]:
    # The last leaf is asked for as well: if it is there, so is all before it, and no second question is needed.
    if size < 0:
        raise NoSuchEntryError(reason=Text(msgid("there is no size {size}"), {"size": size}))
    last = [(0, size - 1)] if size else []
    try:
        found = log.hashes([*nodes, *last])[: len(nodes)]
    except KeyError:
        raise NoSuchEntryError(reason=Text(msgid("it does not have {size} entries yet"), {"size": size})) from None
    if any(len(one) != merkle.HASH_SIZE for one in found):
        raise BrokenLogError(size=merkle.HASH_SIZE)
    return found
