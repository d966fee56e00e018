"""What the log says of credentials: digests, parties and times; never a claim, and never what somebody was shown."""

from medspace.core.text import msgid
from medspace.ledger.kinds import EntryKind, kind

_CREDENTIAL = "credential:digest subject:did"

KINDS: tuple[EntryKind, ...] = (
    kind("issuer.believed", "kind issuers:dids", "by:actor", says=msgid("The authority said whom to believe")),
    kind("issuer.narrowed", "kind issuers:dids", "by:actor", says=msgid("Fewer issuers are believed here")),
    kind("proof.received", f"{_CREDENTIAL} issuer:did", says=msgid("A credential was received")),
    kind("proof.revoked", f"{_CREDENTIAL} issuer:did", says=msgid("A credential is revoked, by its status list")),
    kind(
        "proof.restored",
        f"{_CREDENTIAL} issuer:did",
        says=msgid("A credential is not revoked any more, by its status list"),
    ),
    kind("proof.issued", _CREDENTIAL, "by:actor", says=msgid("A credential was issued")),
    kind("proof.withdrawn", _CREDENTIAL, "by:actor", says=msgid("A credential was revoked by its issuer")),
)
