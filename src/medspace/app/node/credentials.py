"""The settings of credentials."""

import msgspec


class BelievedIssuers(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """As the authority: the issuers that are believed for a type of credential, and the claims that count then.

    `where` is an address at which people read how to obtain such a credential.
    """

    type: str
    issuers: tuple[str, ...]
    claims: tuple[str, ...] = ("*",)
    where: str = ""


class CredentialSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Credentials: with `dcp`, others may talk to this connector by the Decentralized Claims Protocol 1.0.

    `show` are the types of its own credentials that those whom it calls may read; `ask` are those that callers have
    to show who are not on the members list. As the authority, `believed` are the issuers with which its trust list
    begins; `medspace issuers trust` replaces them by type, and a member leaves some out by `medspace issuers narrow`.
    """

    dcp: bool = False
    show: tuple[str, ...] = ("MembershipCredential",)
    ask: tuple[str, ...] = ("MembershipCredential",)
    believed: tuple[BelievedIssuers, ...] = ()
