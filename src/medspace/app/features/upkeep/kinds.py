"""What the log says of maintenance."""

from medspace.core.text import msgid
from medspace.ledger.kinds import EntryKind, kind

KINDS: tuple[EntryKind, ...] = (
    kind("backup.made", "by:actor entries:number bytes:number", says=msgid("A backup was made for a download")),
)
