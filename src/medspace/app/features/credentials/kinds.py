"""The entries that credentials write into the log: never what a credential says, and never of whom but by DID."""

from medspace.core.text import msgid
from medspace.ledger.kinds import EntryKind, kind

_CREDENTIAL = "holder:did credential:digest"
_REQUEST = "holder:did request:digest"
KINDS: tuple[EntryKind, ...] = (
    kind("credential.issued", _CREDENTIAL, says=msgid("A credential was issued")),
    kind("credential.granted", _REQUEST, "by:actor", says=msgid("A request for credentials was granted")),
    kind("credential.refused", _REQUEST, "by:actor", says=msgid("A request for credentials was refused")),
    kind("credential.revoked", _CREDENTIAL, "by:actor", says=msgid("A credential was revoked")),
)
