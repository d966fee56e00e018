"""Which uses state that they count a patient, whose they are, and what of them has left."""

from bisect import bisect_left
from dataclasses import dataclass

from medspace.connector.usage.model import JOBS, QUESTIONS, QuestionOutcome
from medspace.core.paging import each
from medspace.core.store import Transaction
from medspace.ledger.model import decode
from medspace.services.consents import commitments
from medspace.services.consents.errors import NoConsentError
from medspace.services.consents.model import COUNTED, PATIENTS, CountedUse

LEAF = 64  # hex digits of a leaf


@dataclass(frozen=True, slots=True)
class TracedUse:
    """A use that counts a patient; `entry` is its first admission, `released` how many outputs have left.

    What has left stays out: what its user owes then, the agreement says.
    """

    use: str
    dataset: str
    agreement: str
    user: str
    kind: str
    purpose: str
    time: str
    running: bool
    entry: int
    released: int


def uses_of(tx: Transaction, patient: str) -> list[TracedUse]:
    """The uses that state that they count a patient, the newest first.

    Raises:
        NoConsentError: nothing is known of her.
    """
    known = tx.get(PATIENTS, patient)
    if known is None:
        raise NoConsentError(patient=patient[:80])
    salt, named = bytes.fromhex(known.salt), dict[str, None]()
    for stated in each(tx, COUNTED, {}) if salt else ():
        if has(stated, commitments.leaf(salt, stated.use)):
            named[stated.use] = None
    found = [one for use in named if (one := _traced(tx, use)) is not None]
    return sorted(found, key=lambda one: one.entry, reverse=True)


def has(kept: CountedUse, leaf: bytes) -> bool:
    """Whether a leaf is among those that a use states; they are sorted."""
    leaves, wanted = range(len(kept.leaves) // LEAF), leaf.hex()
    at = bisect_left(leaves, wanted, key=lambda index: _leaf(kept, index))
    return at < len(leaves) and _leaf(kept, at) == wanted


def _leaf(kept: CountedUse, index: int) -> str:
    return kept.leaves[index * LEAF : (index + 1) * LEAF]


def _traced(tx: Transaction, use: str) -> TracedUse | None:
    job = tx.get(JOBS, use)
    asked = [one for one in each(tx, QUESTIONS, {"job": use}) if not one.rowless]
    if job is None or not asked:
        return None
    first = min(asked, key=lambda one: one.entry)
    (entry,) = map(decode, tx.log.entries(first.entry, first.entry + 1))
    return TracedUse(
        use=use,
        dataset=job.asset,
        agreement=job.agreement,
        user=job.user,
        kind=job.kind,
        purpose=str(entry.facts["purpose"]),
        time=first.time,
        running=not job.over,
        entry=first.entry,
        released=sum(one.outcome is QuestionOutcome.RELEASED for one in asked),
    )
