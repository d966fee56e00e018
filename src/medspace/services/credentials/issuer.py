"""A small issuer: takes requests, decides by rules or by a person, delivers, and keeps the status lists (DCP 1.0, 6).

What was decided is delivered by `deliver_due`, again until the holder has taken it. A status list is signed when
something on it is revoked, and when somebody asks for it after a quarter of its time.
"""

import asyncio
import gzip
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from medspace.core.actors import NOBODY
from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock, Randomness, instant, stamp
from medspace.core.errors import MedspaceError
from medspace.core.hashing import digest
from medspace.core.ids import new_id
from medspace.core.store import Database, Transaction
from medspace.core.text import Text, msgid
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.services.credentials import messages
from medspace.services.credentials.deciding import check_room, claims_stated, reason_stated, waiting
from medspace.services.credentials.errors import (
    CredentialPeerError,
    CredentialUnknownError,
    NotIssuedError,
    UnsupportedCredentialError,
)
from medspace.services.credentials.model import (
    DELIVERED,
    ISSUED,
    RECEIVED,
    REJECTED,
    STATUS,
    TAKEN,
    IssuedCredential,
    StatusBits,
    TakenRequest,
)
from medspace.services.credentials.ports import CredentialPeers, Issuable, IssuanceVerdict, KeyDocuments
from medspace.trust.credentials.idtokens import Proven, issue_id_token
from medspace.trust.credentials.jose import PartyKeys
from medspace.trust.credentials.keys import CREDENTIAL_SERVICE
from medspace.trust.credentials.model import CredentialProfile, StatusEntry
from medspace.trust.credentials.status import (
    FEWEST_BITS,
    SignedList,
    StatusDraft,
    new_bits,
    set_bit,
    sign_next_list,
    unpack,
)
from medspace.trust.credentials.vcjwt import CredentialDraft, sign_credential
from medspace.trust.jws import encode

LIST_VALID = timedelta(hours=12)  # what a revocation waits for where the issuer cannot be reached
PAUSE, LONGEST_PAUSE, MOST_TRIES = 1.0, 3600.0, 32  # seconds between deliveries, doubled each time
PAGE = 64
ISSUED_ENTRY, REVOKED_ENTRY = "credential.issued", "credential.revoked"
GRANTED_ENTRY, REFUSED_ENTRY = "credential.granted", "credential.refused"


@dataclass(frozen=True, slots=True)
class CredentialIssuer:
    """Issues the credentials of `issuables`; `base` is the address of its service, under which its lists are."""

    did: str
    keys: PartyKeys
    base: str
    issuables: Sequence[Issuable]
    documents: KeyDocuments
    peers: CredentialPeers
    database: Database
    clock: Clock
    randomness: Randomness
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def metadata(self) -> JsonObject:
        """Answer GET /metadata."""
        supported = [
            {
                "id": one.id,
                "type": "CredentialObject",
                "credentialType": one.type,
                "credentialSchema": next(iter(one.schemas), ""),
                "offerReason": "issuance",
                "bindingMethods": ["did:web"],
                "profile": one.profile,
            }
            for one in self.issuables
        ]
        return messages.written("IssuerMetadata", issuer=self.did, credentialsSupported=supported)

    # --- requests ------------------------------------------------------------------------------------------------

    async def request(self, proven: Proven, content: bytes) -> str:
        """Answer POST /credentials: the id of the request that was taken.

        Raises:
            CredentialMessageError: it cannot be read.
            UnsupportedCredentialError: one of the credentials is not issued here.
            NotIssuedError: this holder does not get it, or has too many undecided requests.
        """
        message = messages.read(content, messages.Request)
        wanted = tuple(dict.fromkeys(one.id for one in message.credentials))
        if not wanted:
            raise UnsupportedCredentialError(id="")
        verdicts = {one: self._issuable(one).rule(proven.caller.did) for one in wanted}
        for one, verdict in verdicts.items():
            if verdict.refused:  # at once: a stranger gets no place here, and is not called back
                raise NotIssuedError(type=one, holder=proven.caller.did, reason=verdict.refused)
        now = stamp(self.clock.now())
        by_a_person = any(one.claims is None for one in verdicts.values())
        name = str(UUID(new_id(self.randomness)))
        taken = TakenRequest(
            name,
            proven.caller.did,
            message.holder_pid,
            wanted,
            RECEIVED,
            now,
            due=None if by_a_person else now,
            waiting=now if by_a_person else None,
        )

        def work(tx: Transaction) -> None:
            check_room(tx, taken)
            tx.insert(TAKEN, taken)

        await self.database.write(work)
        self.wake.set()
        return name

    async def status(self, proven: Proven, name: str) -> JsonObject:
        """Answer GET /requests/{id}: only who made a request learns of it.

        Raises:
            CredentialUnknownError: there is no such request of this caller.
        """
        taken = await self.database.read(lambda tx: tx.get(TAKEN, name))
        if taken is None or taken.holder != proven.caller.did:
            raise CredentialUnknownError(id=name[: messages.LONGEST_NAME])
        return messages.written(
            "CredentialStatus", issuerPid=taken.id, holderPid=taken.holder_pid, status=taken.state
        )

    def _issuable(self, name: str) -> Issuable:
        found = next((one for one in self.issuables if name in (one.id, one.type)), None)
        if found is None:
            raise UnsupportedCredentialError(id=name[: messages.LONGEST_NAME])
        return found

    # --- decisions and deliveries --------------------------------------------------------------------------------

    async def deliver_due(self) -> int:
        """Decide and deliver what is due; how many were looked at."""
        now = stamp(self.clock.now())
        due = await self.database.read(lambda tx: tx.find(TAKEN, order_by="due", after="", limit=PAGE))
        ready = [one for one in due if one.due is not None and one.due <= now]
        for one in ready:
            await self._settle(one)
        return len(ready)

    async def run(self) -> None:
        """Deliver what is due, for ever."""
        while True:
            self.wake.clear()
            if not await self.deliver_due():
                with suppress(TimeoutError):
                    async with asyncio.timeout(PAUSE):
                        await self.wake.wait()

    async def grant(self, name: str, claims: JsonObject, *, by: str) -> TakenRequest:
        """As the person who decides (`by`): have the credentials of a request issued and delivered.

        `claims` are those that the configuration leaves to this person, each of them and no other.

        Raises:
            CredentialUnknownError, RequestDecidedError: there is no such request that waits.
            DecisionError: a claim is missing, or is not to be stated.
            NotIssuedError: this holder does not get it any more.
        """

        def work(tx: Transaction) -> TakenRequest:
            taken = waiting(tx, name)
            kinds = [self._issuable(one) for one in taken.credentials]
            for kind in kinds:
                refused = kind.rule(taken.holder).refused
                if refused:
                    raise NotIssuedError(type=kind.type, holder=taken.holder, reason=refused)
            stated = claims_stated(taken, kinds, claims)
            now = stamp(self.clock.now())
            granted = replace(taken, waiting=None, due=now, granted=True, claims=stated)
            return self._decided(tx, taken, granted, GRANTED_ENTRY, by)

        return await self._woken(work)

    async def refuse(self, name: str, reason: str, *, by: str) -> TakenRequest:
        """As the person who decides (`by`): refuse a request, with a reason that its holder is told.

        Raises:
            CredentialUnknownError, RequestDecidedError: there is no such request that waits.
            DecisionError: there is no reason, or a very long one.
        """

        def work(tx: Transaction) -> TakenRequest:
            taken = waiting(tx, name)
            said, now = reason_stated(taken, reason), stamp(self.clock.now())
            refused = replace(taken, waiting=None, due=now, state=REJECTED, reason=said)
            return self._decided(tx, taken, refused, REFUSED_ENTRY, by)

        return await self._woken(work)

    def _decided(self, tx: Transaction, old: TakenRequest, new: TakenRequest, entry: str, by: str) -> TakenRequest:
        tx.replace(TAKEN, old, new)
        said = {"holder": new.holder, "request": digest(new.id), **({"by": by} if by else {})}
        record(tx, Entry(entry, stamp(self.clock.now()), self.did, said))
        return new

    async def _woken(self, work: Callable[[Transaction], TakenRequest]) -> TakenRequest:
        decided = await self.database.write(work)
        self.wake.set()
        return decided

    async def _settle(self, taken: TakenRequest) -> None:
        verdicts = [self._verdict(one, taken) for one in taken.credentials]
        refused = taken.reason or next((one.refused for one in verdicts if one.refused), "")
        if not refused and any(one.claims is None for one in verdicts):  # as the configuration says meanwhile
            later = replace(taken, due=None, waiting=stamp(self.clock.now()))
            return await self.database.write(lambda tx: tx.replace(TAKEN, taken, later))
        try:
            texts = [] if refused else await self._issue(taken, verdicts)
            await self._deliver(taken, texts, refused)
        except MedspaceError:
            return await self._put_off(taken, self._later(taken))
        state = REJECTED if refused else DELIVERED
        done = replace(taken, state=state, due=None, reason=refused)
        return await self.database.write(lambda tx: tx.replace(TAKEN, taken, done))

    def _verdict(self, name: str, taken: TakenRequest) -> IssuanceVerdict:
        """What the rule says; where it leaves it to a person who has said yes, the claims that were decided."""
        kind = self._issuable(name)
        verdict = kind.rule(taken.holder)
        if verdict.refused or verdict.claims is not None or not taken.granted:
            return verdict
        stated = {claim: taken.claims[claim] for claim in kind.stated if claim in taken.claims}
        return IssuanceVerdict({**kind.claims, **stated})

    def _later(self, taken: TakenRequest) -> str | None:
        if taken.tries >= MOST_TRIES:
            return None
        pause = min(PAUSE * 2**taken.tries, LONGEST_PAUSE)
        return stamp(self.clock.now() + timedelta(seconds=pause))

    async def _put_off(self, taken: TakenRequest, due: str | None) -> None:
        later = replace(taken, due=due, tries=taken.tries + 1)
        await self.database.write(lambda tx: tx.replace(TAKEN, taken, later))

    async def _issue(self, taken: TakenRequest, verdicts: Sequence[IssuanceVerdict]) -> list[tuple[str, str, str]]:
        """Type, profile and text of each credential of a request; a second try signs the same ones anew."""
        found = []
        for name, verdict in zip(taken.credentials, verdicts, strict=True):
            kind = self._issuable(name)
            text, _ = await self.issue(kind, taken.holder, verdict.claims or {}, request=f"{taken.id}/{kind.id}")
            found.append((kind.type, kind.profile, text))
        return found

    async def issue(
        self, kind: Issuable, holder: str, claims: JsonObject, *, request: str = ""
    ) -> tuple[str, IssuedCredential]:
        """Sign a credential for a holder, with an entry in a status list; the same `request` gets the same entry."""
        profile, now = CredentialProfile(kind.profile), self.clock.now()
        name = f"urn:uuid:{UUID(new_id(self.randomness))}"
        listing = "2021" if profile is CredentialProfile.VC11 else "bits"
        until = now + timedelta(days=kind.days)
        made = IssuedCredential(name, holder, kind.type, request, listing, 0, stamp(now), stamp(until))
        made = await self.database.write(lambda tx: self._entered(tx, made))
        entry = StatusEntry(self.list_url(made.listing), made.index, "revocation")
        draft = CredentialDraft(
            made.id,
            (kind.type,),
            self.did,
            holder,
            claims,
            instant(made.issued),
            instant(made.until),
            (entry,),
            kind.schemas,
        )
        return sign_credential(draft, self.keys.signing, profile), made

    def _entered(self, tx: Transaction, made: IssuedCredential) -> IssuedCredential:
        """The credential with the next free bit of its list; the one that was made for the same request before."""
        before = tx.find(ISSUED, where={"request": made.request}, limit=1) if made.request else []
        if before:
            return before[0]
        kept = _bits(tx, made.listing)
        if kept.taken >= FEWEST_BITS:
            raise NotIssuedError(type=made.type, holder=made.holder, reason=Text(msgid("its status list is full")))
        tx.replace(STATUS, kept, replace(kept, taken=kept.taken + 1))
        entered = replace(made, index=kept.taken)
        tx.insert(ISSUED, entered)
        self._note(tx, ISSUED_ENTRY, entered, made.issued, {})
        return entered

    def _note(self, tx: Transaction, entry: str, made: IssuedCredential, now: str, more: JsonObject) -> None:
        record(tx, Entry(entry, now, self.did, {"holder": made.holder, "credential": digest(made.id), **more}))

    async def _deliver(self, taken: TakenRequest, texts: Sequence[tuple[str, str, str]], refused: str) -> None:
        credentials = [{"credentialType": kind, "format": form, "payload": text} for kind, form, text in texts]
        outcome = {"status": "REJECTED", "rejectionReason": refused} if refused else {"status": "ISSUED"}
        message = messages.written(
            "CredentialMessage", issuerPid=taken.id, holderPid=taken.holder_pid, credentials=credentials, **outcome
        )
        await self._send(taken.holder, "/credentials", message)

    async def offer(self, holder: str, names: Sequence[str]) -> None:
        """Offer credentials to a holder, for it to ask for them.

        Raises:
            UnsupportedCredentialError: one is not issued here.
            DidError, DocumentError, CredentialPeerError: the holder cannot be reached, or did not take it.
        """
        kinds = [self._issuable(one) for one in names]
        listed = self.metadata()["credentialsSupported"]
        offered = [one for one in listed if one["id"] in {kind.id for kind in kinds}]
        await self._send(
            holder, "/offers", messages.written("CredentialOfferMessage", issuer=self.did, credentials=offered)
        )

    async def _send(self, holder: str, path: str, message: JsonObject) -> None:
        service = (await self.documents.document(holder)).services.get(CREDENTIAL_SERVICE)
        if service is None:
            raise CredentialPeerError(did=holder, reason=Text(msgid("its DID document names no such service")))
        token = issue_id_token(
            self.keys.toward(holder), self.did, holder, now=self.clock.now(), token_id=new_id(self.randomness)
        )
        answer = await self.peers.post(service + path, message, token, messages.LARGEST_QUERY)
        if not 200 <= answer.status < 300:  # noqa: PLR2004 - RFC 9110 15.3
            reason = Text(msgid("it answered with status {status}"), {"status": answer.status})
            raise CredentialPeerError(did=holder, reason=reason)

    # --- status --------------------------------------------------------------------------------------------------

    def list_url(self, listing: str) -> str:
        """Where a status list of ours is."""
        return f"{self.base}/status/{listing}"

    async def revoke(self, name: str, *, by: str = NOBODY) -> IssuedCredential:
        """Take a credential back, for good: every list that is signed from now on says so.

        `by` is the person or the token that wants it (`core.actors`).

        Raises:
            CredentialUnknownError: no such credential was issued here.
        """
        now = stamp(self.clock.now())

        def work(tx: Transaction) -> IssuedCredential:
            made = tx.get(ISSUED, name)
            if made is None:
                raise CredentialUnknownError(id=name[: messages.LONGEST_NAME])
            if made.revoked:
                return made
            kept = _bits(tx, made.listing)
            self._sign(tx, kept, replace(kept, bits=_packed(set_bit(unpack(kept.bits), made.index, on=True))))
            revoked = replace(made, revoked=now)
            tx.replace(ISSUED, made, revoked)
            self._note(tx, REVOKED_ENTRY, revoked, now, {"by": by} if by else {})
            return revoked

        return await self.database.write(work)

    async def status_list(self, listing: str) -> str:
        """The signed text of a status list of ours, as it is now.

        Raises:
            CredentialUnknownError: there is no such list.
        """
        kept = await self.database.read(lambda tx: tx.get(STATUS, listing))
        if kept is None:
            raise CredentialUnknownError(id=listing[: messages.LONGEST_NAME])
        if not kept.text or _signed(kept).is_due(self.clock.now()):
            kept = await self.database.write(lambda tx: self._renewed(tx, listing))
        return kept.text

    def _renewed(self, tx: Transaction, listing: str) -> StatusBits:
        kept = _bits(tx, listing)
        return self._sign(tx, kept, kept)

    def _sign(self, tx: Transaction, old: StatusBits, kept: StatusBits) -> StatusBits:
        """The next list, signed and kept, so that asking for it writes nothing."""
        now = self.clock.now()
        draft = StatusDraft(self.list_url(kept.id), self.did, kept.purpose, now, now + LIST_VALID, unpack(kept.bits))
        profile = CredentialProfile.VC11 if kept.id == "2021" else CredentialProfile.VC20
        made = sign_next_list(self.keys.signing, draft, instant(kept.signed) if kept.signed else None, profile)
        signed = replace(kept, text=made.text, signed=_exact(made.issued), until=_exact(made.until))
        tx.replace(STATUS, old, signed)
        return signed


def _bits(tx: Transaction, listing: str) -> StatusBits:
    kept = tx.get(STATUS, listing)
    if kept is None:
        kept = StatusBits(listing, "revocation", 0, _packed(new_bits()))
        tx.insert(STATUS, kept)
    return kept


def _signed(kept: StatusBits) -> SignedList:
    return SignedList(kept.text, instant(kept.signed), instant(kept.until))


def _exact(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")


def _packed(bits: bytes) -> str:
    return encode(gzip.compress(bits, mtime=0))
