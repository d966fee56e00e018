"""What the log says of duties: digests, clauses and times only.

`duty` is the digest that both parties compute, `transfer` the holder's pid of the use. In the user's log a duty is
fulfilled: `objects` are the digests of the models that were deleted, reported or attributed, `sites` the hospitals
that these name as their sources. In the holder's log that is proven, or the duty is broken; `one` and `other` are the
digests of two checkpoints that a user signed of one length of its log.
"""

from medspace.core.text import msgid
from medspace.ledger.kinds import EntryKind, kind

_DUTY = "duty:digest agreement transfer clause action"

KINDS: tuple[EntryKind, ...] = (
    kind("duty.owed", f"{_DUTY} counterparty:did due:time", says=msgid("A use is over, and a duty begins")),
    kind(
        "duty.fulfilled",
        f"{_DUTY} objects:digests",
        "outcome rounds:number task:digest sites:dids by:actor",
        says=msgid("A duty was fulfilled"),
    ),
    kind("duty.proven", f"{_DUTY} user:did state", says=msgid("A user proved that a duty was fulfilled")),
    kind("duty.broken", f"{_DUTY} user:did due:time", says=msgid("A duty is overdue")),
    kind("duty.waived", f"{_DUTY} user:did", "by:actor", says=msgid("A duty was waived")),
    kind(
        "duty.forked",
        "user:did size:number one:digest other:digest",
        says=msgid("A user showed two logs of the same length"),
    ),
    kind(
        "duty.forgotten",
        "user:did size:number",
        "by:actor",
        says=msgid("The owner began anew with the log of a user"),
    ),
    kind(
        "duty.clock", "latest:time now:time", "by:actor", says=msgid("The owner said that the clock had been wrong")
    ),
)
