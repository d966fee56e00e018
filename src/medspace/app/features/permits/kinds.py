"""What the log says of permits: cases, parties, digests of what was said; no name of a person, and no words."""

from medspace.core.text import msgid
from medspace.ledger.kinds import EntryKind, kind

KINDS: tuple[EntryKind, ...] = (
    kind("permit.applied", "case body:did said:digest", "by:actor", says=msgid("A data permit was applied for")),
    kind("permit.received", "case applicant:did said:digest", says=msgid("An application for a data permit came")),
    kind("permit.asked", "case said:digest", "by:actor", says=msgid("The applicant was asked something")),
    kind("permit.answered", "case said:digest", "by:actor", says=msgid("The access body was answered")),
    kind("permit.withdrawn", "case", "by:actor", says=msgid("An application was withdrawn")),
    kind("permit.decided", "case decision said:digest", "by:actor", says=msgid("An application was decided on")),
    kind("permit.revoked", "case said:digest", "by:actor", says=msgid("A data permit was revoked")),
    kind("permit.heard", "case decision", says=msgid("The other side has said how an application stands")),
    kind("permit.opt_outs", "asset", "by:actor", says=msgid("The rows of persons who opted out were named")),
)
