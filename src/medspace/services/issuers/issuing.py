"""Issue credentials, revoke them, and sign the status lists that they are on; each unit of work with its entry.

A credential takes a place on a status list that nobody can foresee. A list is valid for a day: as long as a
revocation may take to be noticed by somebody whom nobody reaches.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from medspace.core.canonical import JsonObject
from medspace.core.clock import Randomness, instant, stamp
from medspace.core.hashing import digest_bytes
from medspace.core.ids import new_id
from medspace.core.paging import each
from medspace.core.signing import Signer
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.services.issuers.errors import IssuingError, UnknownCredentialError
from medspace.services.issuers.model import (
    DELIVERIES,
    ISSUED,
    LISTS,
    SEND,
    IssuedList,
    OwedDelivery,
    SignedCredential,
)
from medspace.services.issuers.places import STATUS_DOOR
from medspace.services.issuers.receiving import exact
from medspace.trust.credentials.jose import Ed25519Key
from medspace.trust.credentials.model import StatusEntry
from medspace.trust.credentials.status import FEWEST_BITS, SignedList, StatusDraft, new_bits, set_bit, sign_next_list
from medspace.trust.credentials.vcjwt import CredentialDraft, sign_credential
from medspace.trust.did import key_id

VALID = timedelta(hours=24)
REVOCATION = "revocation"
FULL = FEWEST_BITS // 4  # so that a free place is found at once
MOST_RECEIVERS = 128


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who issues: its DID, the base URL of its public door, its signer, its randomness."""

    did: str
    base: str
    signer: Signer
    randomness: Randomness

    @property
    def key(self) -> Ed25519Key:
        """The key that signs credentials."""
        return Ed25519Key(key_id(self.did, self.signer.public_key), self.signer)


@dataclass(frozen=True, slots=True)
class IssuingWish:
    """What is to be issued: types without the base type, and whom it is sent to beside its subject."""

    subject: str
    types: tuple[str, ...]
    claims: JsonObject
    since: datetime
    until: datetime
    receivers: tuple[str, ...] = ()


def issue(tx: Transaction, issuer: Issuer, wish: IssuingWish, now: datetime, by: str) -> SignedCredential:
    """Sign a credential, and have it sent to its subject and the receivers.

    Raises:
        IssuingError: it has no end, no type, or too many receivers.
    """
    reason = _flaw(wish, now)
    if reason is not None:
        raise IssuingError(reason=reason)
    listed, place = _place(tx, issuer, now)
    name = new_id(issuer.randomness)
    status = (StatusEntry(listed.id, place, REVOCATION),)
    draft = CredentialDraft(name, wish.types, issuer.did, wish.subject, wish.claims, wish.since, wish.until, status)
    text = sign_credential(draft, issuer.key)
    issued = SignedCredential(name, wish.subject, wish.types, listed.id, place, stamp(now), stamp(wish.until), text)
    tx.insert(ISSUED, issued)
    for receiver in dict.fromkeys((wish.subject, *wish.receivers)):
        _deliver(tx, issued, receiver)
    said = {"credential": digest_bytes(text.encode()), "subject": wish.subject, "by": by}
    _note(tx, "proof.issued", issuer.did, now, said)
    return issued


def _flaw(wish: IssuingWish, now: datetime) -> Text | None:
    if wish.until <= max(wish.since, now):
        return Text(msgid("its end is over, or before its beginning"))
    if not wish.types or not all(name.isascii() and name.isidentifier() for name in wish.types):
        return Text(msgid("its type is not a name"))
    if len(wish.receivers) > MOST_RECEIVERS:
        return Text(msgid("it is sent to too many"))
    return None


def revoke(tx: Transaction, issuer: Issuer, name: str, now: datetime, by: str) -> SignedCredential:
    """Revoke a credential: sign the next list, and have it sent to everybody who was sent one that is on it.

    Raises:
        UnknownCredentialError: none of that id was issued here.
    """
    found = tx.get(ISSUED, name)
    if found is None:
        raise UnknownCredentialError(credential=name[:80])
    if found.revoked:
        return found
    listed = tx.get(LISTS, found.list)
    if listed is None:
        raise UnknownCredentialError(credential=name[:80])
    revoked = replace(found, revoked=stamp(now))
    tx.replace(ISSUED, found, revoked)
    _sign(tx, issuer, listed, replace(listed, revoked=tuple(sorted({*listed.revoked, found.index}))), now)
    said = {"credential": digest_bytes(found.text.encode()), "subject": found.subject, "by": by}
    _note(tx, "proof.withdrawn", issuer.did, now, said)
    return revoked


def renew(tx: Transaction, issuer: Issuer, now: datetime) -> int:
    """Sign anew the lists that are a quarter through their time; how many."""
    due = [one for one in each(tx, LISTS, {}) if _signed(one).is_due(now)]
    for one in due:
        _sign(tx, issuer, one, one, now)
    return len(due)


def _signed(listed: IssuedList) -> SignedList:
    return SignedList(listed.text, instant(listed.issued), instant(listed.until))


def _place(tx: Transaction, issuer: Issuer, now: datetime) -> tuple[IssuedList, int]:
    """The list that has room, and a free place on it that nobody can foresee."""
    lists = sorted(each(tx, LISTS, {}), key=lambda one: int(one.id.rpartition("/")[2]))
    if not lists or len(lists[-1].taken) >= FULL:
        new = IssuedList(f"{issuer.base}{STATUS_DOOR}/{len(lists) + 1}", (), (), "", "", "")
        lists.append(_sign(tx, issuer, None, new, now))
    listed = lists[-1]
    while True:
        place = int.from_bytes(issuer.randomness.token_bytes(4)) % FEWEST_BITS
        if place not in listed.taken:
            break
    taken = replace(listed, taken=(*listed.taken, place))
    tx.replace(LISTS, listed, taken)
    return taken, place


def _sign(tx: Transaction, issuer: Issuer, old: IssuedList | None, new: IssuedList, now: datetime) -> IssuedList:
    """The list, signed; each receiver of a credential on it is sent it."""
    bits = new_bits()
    for place in new.revoked:
        bits = set_bit(bits, place, on=True)
    draft = StatusDraft(new.id, issuer.did, REVOCATION, now, now + VALID, bits)
    before = instant(old.issued) if old is not None and old.issued else None
    made = sign_next_list(issuer.key, draft, before)
    signed = replace(new, issued=exact(made.issued), until=exact(made.until), text=made.text)
    if old is None:
        tx.insert(LISTS, signed)
    else:
        tx.replace(LISTS, old, signed)
    for one in list(each(tx, DELIVERIES, {"list": new.id})):
        if one.step is None:
            tx.replace(DELIVERIES, one, replace(one, step=SEND))
    return signed


def _deliver(tx: Transaction, issued: SignedCredential, receiver: str) -> None:
    name = digest_bytes(f"{issued.id} {receiver}".encode())
    tx.insert(DELIVERIES, OwedDelivery(name, receiver, issued.id, issued.list))


def message(tx: Transaction, owed: Sequence[OwedDelivery]) -> JsonObject:
    """What one receiver is sent: its credentials, and the lists that they are on."""
    texts = [found.text for one in owed if (found := tx.get(ISSUED, one.credential)) is not None]
    lists = {one.list: listed.text for one in owed if (listed := tx.get(LISTS, one.list)) is not None}
    return {"credentials": texts, "lists": lists}


def delivered(tx: Transaction, name: str, listed: str, code: str = "") -> None:
    """A receiver has taken a credential with the list of that text, or refused it with a code."""
    one = tx.get(DELIVERIES, name)
    if one is None:
        return
    newest = tx.get(LISTS, one.list)
    current = newest is not None and newest.text == listed
    after = replace(one, step=None if current and not code else SEND, code=code)
    if after != one:
        tx.replace(DELIVERIES, one, after)


def _note(tx: Transaction, kind: str, did: str, now: datetime, said: dict[str, str]) -> None:
    record(tx, Entry(kind, stamp(now), did, {name: value for name, value in said.items() if value}))
