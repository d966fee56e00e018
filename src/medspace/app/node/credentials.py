"""The settings of credentials."""

from collections import Counter
from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

from medspace.core.text import Text, msgid

MOST_DAYS = 3660
LONGEST_TYPE = 64  # characters, as in terms
ClaimValue: TypeAlias = str | int | bool | tuple[str, ...]


class BelievedIssuers(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """As the authority: the issuers that are believed for a type of credential, and the claims that count then.

    `where` is an address at which people read how to obtain such a credential.
    """

    type: str
    issuers: tuple[str, ...]
    claims: tuple[str, ...] = ("*",)
    where: str = ""


class IssuedType(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A type of credential that this connector issues to those who ask for it by the protocol.

    `claims` are in each of them; `stated` are the names of those that the person states who grants a request. They
    hold for `days`. With `decided = "at_once"` each member gets one that asks; else a request waits for a person
    (`medspace credentials grant`). With `strangers`, parties that are not on the members list may ask as well.
    """

    type: str
    claims: dict[str, ClaimValue] = {}
    stated: tuple[str, ...] = ()
    days: int = 30
    decided: Literal["at_once", "by_a_person"] = "by_a_person"
    strangers: bool = False


class CredentialSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Credentials: with `dcp`, others may talk to this connector by the Decentralized Claims Protocol 1.0.

    `show` are the types of its own credentials that those whom it calls may read; `ask` are those that callers have
    to show who are not on the members list. `algorithm` is that of signatures for whoever is not a member, and
    of what it issues: with ES256 the connector makes a key of P-256, for readers that know nothing else. `issued` are
    the types that it issues itself. As the authority, `believed` are the issuers with which its trust list begins;
    `medspace issuers trust` replaces them by type, and a member leaves some out by `medspace issuers narrow`.
    """

    dcp: bool = False
    algorithm: Literal["EdDSA", "ES256"] = "EdDSA"
    show: tuple[str, ...] = ("MembershipCredential",)
    ask: tuple[str, ...] = ("MembershipCredential",)
    issued: tuple[IssuedType, ...] = ()
    believed: tuple[BelievedIssuers, ...] = ()


def flaws(settings: CredentialSettings) -> Iterator[Text]:
    """Reasons not to issue credentials as the settings say."""
    if settings.issued and not settings.dcp:
        yield Text(msgid("credentials.issued needs credentials.dcp = true: nobody could ask for them"))
    for name, count in Counter(one.type for one in settings.issued).items():
        if count > 1:
            yield Text(msgid("credentials.issued has the type {type} twice"), {"type": name})
    for one in settings.issued:
        reason = _flaw(one)
        if reason is not None:
            yield Text(msgid("credentials.issued, type {type}: {reason}"), {"type": one.type[:80], "reason": reason})


def _flaw(one: IssuedType) -> Text | None:
    from medspace.policy.credentials import MEMBERSHIP  # noqa: PLC0415 - most configurations do without it

    if not (one.type.isascii() and one.type.isidentifier() and len(one.type) <= LONGEST_TYPE):
        return Text(msgid("its type is not a name"))
    if one.type == MEMBERSHIP:
        return Text(msgid("memberships are the authority's, which issues them as the members list says"))
    if not 0 < one.days <= MOST_DAYS:
        return Text(msgid("days must be from 1 to {most}"), {"most": MOST_DAYS})
    if set(one.stated) & set(one.claims) or "id" in {*one.stated, *one.claims}:
        return Text(msgid("a claim is in both claims and stated, or is called id"))
    if one.decided == "at_once" and (one.stated or one.strangers):
        return Text(msgid("stated and strangers need a person who decides"))
    return None
