"""The logs of users, as their proofs showed them here: each later one begins with the one before.

Security model: a proof shows an entry in a log of a certain size and root, signed by its owner. Whoever keeps two
logs could show one holder that a duty was fulfilled and everybody else that it was not. So a holder keeps the last
checkpoint of each user, and takes no proof from a log that does not grow from it (RFC 9162, 2.1.4). Two checkpoints
of one size with different roots, both signed, prove to anybody that their owner keeps two histories. That a user
shows different logs to different holders is found by whoever compares them: an audit of both, or a place where
checkpoints are published.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from medspace.connector.duties.errors import UnknownLogError
from medspace.core.clock import stamp
from medspace.core.hashing import digest
from medspace.core.store import Collection, Transaction
from medspace.ledger import merkle
from medspace.ledger.model import Checkpoint, Entry
from medspace.ledger.note import parse, read_checkpoint
from medspace.ledger.service import record

MOST_HASHES = 128  # of a consistency proof between the largest logs


class Growth(StrEnum):
    """How a log that is shown now relates to the one that was shown before."""

    GROWN = "grown"
    UNPROVEN = "unproven"
    FORKED = "forked"


@dataclass(frozen=True, slots=True)
class SeenLog:
    """The log of a user as it was seen last: its size, and the checkpoint that its owner signed.

    `other` is another checkpoint of this size or "": the proof that there are two histories.
    """

    id: str  # DID of the owner
    size: int
    checkpoint: str
    time: str
    other: str = ""


SEEN_LOGS = Collection("seen_logs", SeenLog, keys=("time",))
COLLECTIONS = (SEEN_LOGS,)


def growth(before: Checkpoint, after: Checkpoint, hashes: Sequence[bytes]) -> Growth:
    """Whether the log of `after` begins with that of `before`, by the hashes of a consistency proof."""
    if before.size == after.size and before.root != after.root:
        return Growth.FORKED
    grown = not before.size or merkle.verify_consistency(before.size, after.size, hashes, before.root, after.root)
    return Growth.GROWN if grown else Growth.UNPROVEN


def follow(tx: Transaction, did: str, user: str, checkpoint: str, hashes: Sequence[bytes], now: datetime) -> Growth:
    """Take the checkpoint of a user, whose signature was checked, if it grows from the one seen before.

    A fork is kept, with an entry in the log: from then on the answer stays the same, until `forget`.
    """
    seen, shown = tx.get(SEEN_LOGS, user), read_checkpoint(parse(checkpoint).text)
    if seen is None:
        tx.insert(SEEN_LOGS, SeenLog(user, shown.size, checkpoint, stamp(now)))
        return Growth.GROWN
    found = Growth.FORKED if seen.other else growth(read_checkpoint(parse(seen.checkpoint).text), shown, hashes)
    if found is Growth.GROWN and shown.size > seen.size:
        tx.replace(SEEN_LOGS, seen, SeenLog(user, shown.size, checkpoint, stamp(now)))
    if found is Growth.FORKED and not seen.other:
        tx.replace(SEEN_LOGS, seen, replace(seen, other=checkpoint))
        facts = {"user": user, "size": seen.size, "one": digest(seen.checkpoint), "other": digest(checkpoint)}
        record(tx, Entry("duty.forked", stamp(now), did, facts))
    return found


def forget(tx: Transaction, did: str, user: str, now: datetime, by: str) -> None:
    """Begin anew with the next log that a user shows, such as after it restored a backup; the log here keeps that.

    Raises:
        UnknownLogError: no log of that user was seen.
    """
    seen = tx.get(SEEN_LOGS, user)
    if seen is None:
        raise UnknownLogError(user=user[:256])
    tx.delete(SEEN_LOGS, seen)
    facts = {"user": user, "size": seen.size} | ({"by": by} if by else {})
    record(tx, Entry("duty.forgotten", stamp(now), did, facts))
