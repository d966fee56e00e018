"""What the log says of consents: how many versions, and commitments to them; nobody's name."""

from medspace.core.text import msgid
from medspace.ledger.kinds import EntryKind, kind

KINDS: tuple[EntryKind, ...] = (
    kind(
        "consent.recorded",
        "first:number last:number root:digest",
        "by:actor",
        says=msgid("What patients consent to was recorded"),
    ),
    kind(
        "consent.edition",
        "asset edition:number upto:number",
        "by:actor",
        says=msgid("A dataset under consent has a new edition"),
    ),
)
