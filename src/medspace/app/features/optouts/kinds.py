"""What the log says of opt-outs: versions of the registry and who was answered; no person, and no number of them."""

from medspace.core.text import msgid
from medspace.ledger.kinds import EntryKind, kind

KINDS: tuple[EntryKind, ...] = (
    kind("optouts.changed", "version:number", "by:actor", says=msgid("The registry of opt-outs was changed")),
    kind(
        "optouts.allowed",
        "hospital:did most:number",
        "by:actor",
        says=msgid("About how many persons a hospital may ask the registry of opt-outs was said"),
    ),
    kind(
        "optouts.answered",
        "hospital:did version:number said:digest",
        says=msgid("A hospital was told which of its pseudonyms have opted out"),
    ),
    kind(
        "optouts.followed",
        "asset registry:did version:number until:time",
        "by:actor",
        says=msgid("What the registry of opt-outs says of a dataset counts"),
    ),
)
