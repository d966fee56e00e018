"""Take what others have signed: credentials with their status lists, and the trust list of the authority.

Verification is pure (`trust.credentials`); who may send what is decided here: a credential comes from its issuer or
its subject, a list only where a credential that is known here is on it. Everything of one message is kept in one
transaction, or nothing.
"""

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from medspace.core.clock import instant, stamp
from medspace.core.hashing import digest_bytes
from medspace.core.paging import each
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.services.issuers import facts, rules
from medspace.services.issuers.errors import (
    PresenterError,
    StatusMissingError,
    StatusUnneededError,
    TooManyCredentialsError,
    TrustOlderError,
)
from medspace.services.issuers.model import (
    CURRENT,
    RECEIVED,
    STATUSES,
    TRUST,
    KeptTrust,
    KnownStatus,
    ReceivedCredential,
)
from medspace.trust.credentials.believed import TrustList
from medspace.trust.credentials.errors import (
    CredentialError,
    CredentialIssuerError,
    CredentialMalformedError,
    CredentialSubjectError,
    StatusListError,
)
from medspace.trust.credentials.model import Credential, StatusEntry, StatusList
from medspace.trust.credentials.status import check_status, unpack
from medspace.trust.credentials.vcjwt import VALIDITY
from medspace.trust.jws import encode

BASE_TYPE = "VerifiableCredential"


@dataclass(frozen=True, slots=True)
class Arrival:
    """What one message brought, each verified: credentials, and status lists by their address."""

    credentials: Sequence[Credential]
    lists: Mapping[str, StatusList]


def take(tx: Transaction, did: str, arrived: Arrival, caller: str, now: datetime) -> list[ReceivedCredential]:
    """Keep what a member sent; what came twice changes nothing.

    Raises:
        PresenterError, CredentialSubjectError: it is not the caller's to send.
        CredentialIssuerError: nobody here believes its issuer for any of its types.
        CredentialRevokedError, StatusListError, StatusMissingError: its status list says so, or does not say.
        StatusOlderError, StatusContradictsError, StatusUnneededError: a list that is not kept.
        TooManyCredentialsError: of one participant.
    """
    taken = [_received(one, caller, now) for one in arrived.credentials]
    for one in taken:
        _believed(tx, one)
    for address, listed in arrived.lists.items():
        keep_status(tx, did, listed, now, needed=any(one.list == address for one in taken))
    return [_kept(tx, did, one, now) for one in taken]


def _received(one: Credential, caller: str, now: datetime) -> ReceivedCredential:
    if caller not in (one.issuer, one.subject):
        raise (
            CredentialSubjectError(subject=one.subject, holder=caller)
            if one.subject != one.issuer
            else PresenterError(caller=caller)
        )
    entries = [entry for entry in one.status if entry.purpose in VALIDITY]
    if len(entries) > 1:
        raise CredentialMalformedError(reason=Text(msgid("it is on more than one status list")))
    status = entries[0] if entries else StatusEntry("", -1, "")
    return ReceivedCredential(
        id=digest_bytes(one.text.encode()),
        subject=one.subject,
        issuer=one.issuer,
        types=tuple(name for name in one.types if name != BASE_TYPE),
        claims=dict(one.claims),
        since=stamp(one.valid_from),
        until="" if one.valid_until is None else stamp(one.valid_until),
        received=stamp(now),
        list=status.url,
        index=status.index,
        purpose=status.purpose,
        text=one.text,
    )


def _believed(tx: Transaction, one: ReceivedCredential) -> None:
    trust, own = tx.get(TRUST, CURRENT), facts.narrowing(tx)
    if trust is None or not any(rules.believed(trust, own, name, one.issuer) for name in one.types):
        raise CredentialIssuerError(issuer=one.issuer, type=", ".join(one.types) or "-")


def _kept(tx: Transaction, did: str, one: ReceivedCredential, now: datetime) -> ReceivedCredential:
    known = tx.get(RECEIVED, one.id)
    if known is not None:
        return known
    if one.list:
        status = tx.get(STATUSES, one.list)
        if status is None:
            raise StatusMissingError(list=one.list)
        check_status(_entry(one), one.issuer, read(status), now)
    facts.over(tx, one.subject, now)
    if len(tx.find(RECEIVED, where={"subject": one.subject}, limit=facts.MOST)) >= facts.MOST:
        raise TooManyCredentialsError(subject=one.subject, most=facts.MOST)
    tx.insert(RECEIVED, one)
    said = {"credential": one.id, "subject": one.subject, "issuer": one.issuer}
    record(tx, Entry("proof.received", stamp(now), did, said))
    return one


def keep_status(tx: Transaction, did: str, listed: StatusList, now: datetime, *, needed: bool) -> bool:
    """Keep a list that is newer than the known one, and mark what it revokes; whether anything changed.

    Raises:
        StatusUnneededError: no credential that is known here is on it, and none that came with it (`needed`).
        StatusListError: it is of another issuer than the credentials on it, or has no end.
        StatusOlderError, StatusContradictsError: as `rules.newer`.
    """
    if listed.valid_until is None:
        raise StatusListError(url=listed.url, reason=Text(msgid("it does not say until when it is valid")))
    on_it = list(each(tx, RECEIVED, {"list": listed.url}))
    known = tx.get(STATUSES, listed.url)
    if not on_it and not needed and known is None:
        raise StatusUnneededError(list=listed.url)
    if any(one.issuer != listed.issuer for one in on_it) or (known and known.issuer != listed.issuer):
        raise StatusListError(url=listed.url, reason=Text(msgid("it is the list of somebody else")))
    offered = KnownStatus(
        id=listed.url,
        issuer=listed.issuer,
        issued=exact(listed.issued),
        until=exact(listed.valid_until),
        purposes=listed.purposes,
        bits=encode(gzip.compress(listed.bits, mtime=0)),
        text=listed.text,
    )
    if not rules.newer(known, offered):
        return False
    if known is None:
        tx.insert(STATUSES, offered)
    else:
        tx.replace(STATUSES, known, offered)
    for one in on_it:
        _mark(tx, did, one, listed, now)
    return True


def _mark(tx: Transaction, did: str, one: ReceivedCredential, listed: StatusList, now: datetime) -> None:
    """What a list says of one credential; where it does not say, the credential counts for nothing."""
    try:
        check_status(_entry(one), one.issuer, listed, now)
        revoked = ""
    except CredentialError:
        revoked = exact(min(listed.issued, now))
    if bool(revoked) is bool(one.revoked):
        return
    tx.replace(RECEIVED, one, replace(one, revoked=revoked))
    kind = "proof.revoked" if revoked else "proof.restored"
    record(tx, Entry(kind, stamp(now), did, {"credential": one.id, "subject": one.subject, "issuer": one.issuer}))


def keep_trust(tx: Transaction, trusted: TrustList, text: str) -> bool:
    """Keep a verified trust list that is newer than the known one; whether anything changed.

    Raises:
        TrustOlderError: the known one is newer, or another one of the same instant.
    """
    known = tx.get(TRUST, CURRENT)
    new = KeptTrust(CURRENT, exact(trusted.issued), exact(trusted.expires), trusted.believed, text)
    if known is None:
        tx.insert(TRUST, new)
        return True
    if known.text == text:
        return False
    if instant(known.issued) >= trusted.issued:
        raise TrustOlderError(issued=new.issued, known=known.issued)
    tx.replace(TRUST, known, new)
    return True


def exact(time: datetime) -> str:
    """An instant with its microseconds: lists of one issuer are ordered by it."""
    return time.isoformat(timespec="microseconds")


def read(status: KnownStatus) -> StatusList:
    """A list that was verified when it came."""
    issued, until = instant(status.issued), instant(status.until)
    bits = unpack(status.bits, status.id)
    return StatusList(status.id, status.issuer, status.purposes, issued, until, bits, status.text)


def _entry(one: ReceivedCredential) -> StatusEntry:
    return StatusEntry(one.list, one.index, one.purpose)
