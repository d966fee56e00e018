"""What the log says of wallets: roles, forms and commitments; nothing of who a patient is."""

from medspace.core.text import msgid
from medspace.ledger.kinds import EntryKind, kind

KINDS: tuple[EntryKind, ...] = (
    kind("wallet.invited", "role", "by:actor", says=msgid("A patient was invited to have a wallet")),
    kind("wallet.bound", "role", says=msgid("A wallet stands for a patient")),
    kind("wallet.retired", "role", "by:actor", says=msgid("A wallet stands for a patient no longer")),
    kind("wallet.form", "form version:number", "by:actor", says=msgid("A form of consent was published")),
    kind("wallet.consented", "form commitment", says=msgid("A patient gave consent")),
    kind("wallet.withdrawn", "commitment", says=msgid("A patient withdrew consent")),
    kind("withdrawal.committed", "commitment", says=msgid("A withdrawal was committed to")),
)
