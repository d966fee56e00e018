"""A hospital, an authority and wallets, on a database in memory, for tests."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from medspace.adapters.memory import MemoryDatabase, SeededRandomness
from medspace.core.canonical import canonical
from medspace.core.clock import stamp
from medspace.core.sealing import Sealer
from medspace.core.signing import Ed25519Signer
from medspace.services.wallets import holder, issuing
from medspace.services.wallets.asking import client_id, hear, request_for
from medspace.services.wallets.consents import PatientDesk, consent_id
from medspace.services.wallets.forms import consent_of
from medspace.services.wallets.issuing import CardIssuer
from medspace.services.wallets.model import FORMS, ConsentForm
from medspace.trust.credentials.jose import Ed25519Key
from medspace.trust.sdjwt.vc import verify_issued

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
WORDS = {"title": "Heart research", "what": "To find out who falls ill", "who": "Universities"}
FORM = ConsentForm(
    "hearts",
    1,
    "HRESCH",
    {"en": WORDS, "zh": {"title": "心脏研究", "what": "了解谁会患病", "who": "大学"}},
    {
        "type": "permit",
        "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HRESCH"}],
    },
)


ORIGIN, DID = "https://wallet.hospital.example", "did:web:hospital.example"


class Listening:
    """A consent store that remembers what it was told; it refuses where it was told to."""

    def __init__(self):
        self.accepted, self.withdrawn, self.refuses = [], [], None

    def accept(self, tx, consent):
        if self.refuses is not None:
            raise self.refuses
        self.accepted.append(consent)

    def withdraw(self, tx, withdrawal):
        self.withdrawn.append(withdrawal)


class Hospital:
    """A hospital with its desk for patients; `call` runs a unit of work at its clock."""

    def __init__(self, origin=ORIGIN, did=DID, seed=1, uses=None):
        self.now, self.database, self.store = NOW, MemoryDatabase(), Listening()
        self.randomness = SeededRandomness(seed)
        key = Ed25519Key(f"{did}#key-1", Ed25519Signer.from_seed(self.randomness.token_bytes(32)))
        sealer = Sealer(self.randomness.token_bytes(32), self.randomness)
        self.issuer = CardIssuer(origin, did, key, sealer, self.randomness)
        self.desk = PatientDesk(self.issuer, (self.store,), uses)

    async def call(self, work, *args, **more):
        return await self.database.write(lambda tx: work(tx, self.issuer, *args, now=self.now, **more))

    async def publish(self, form=FORM):
        def unit(tx):
            before = tx.get(FORMS, form.id)
            tx.insert(FORMS, form) if before is None else tx.replace(FORMS, before, form)

        await self.database.write(unit)

    async def invite(self, patient="p-17", **more):
        return await self.database.write(lambda tx: issuing.offer(tx, self.issuer, patient, self.now, **more))

    async def redeem(self, invitation, pin=None):
        code = holder.read_offer(invitation.link).code
        found = await self.call(issuing.redeem, code, pin or invitation.pin)
        issuing.insist(found)
        return found

    async def hears(self, answer):
        def unit(tx):
            heard = hear(tx, self.issuer, {"vp_token": answer.vp_token, "state": answer.state}, self.now)
            return self.desk.act(tx, heard, self.now)

        return await self.database.write(unit)

    def request(self, said):
        return request_for(self.issuer, said, self.now)

    def entries(self):
        return self.database.read(lambda tx: [msgspec.json.decode(one) for one in tx.log.entries(0, tx.log.size())])


@dataclass
class Patient:
    """A wallet at one hospital."""

    hospital: Hospital
    seed: bytes = b"0123456789abcdef"
    pem: str = ""
    held: object = None
    number: int = 0
    receipts: list = field(default_factory=list)

    @property
    def key(self):
        return holder.key_of(self.pem)

    def proof(self, nonce=None, key=None, **more):
        at = self.hospital
        nonce = nonce or issuing.new_nonce(at.issuer, at.now)
        return holder.proof_of(key or self.key, at.issuer.origin, nonce, at.now, **more)

    async def receive(self, invitation=None):
        at = self.hospital
        self.pem = holder.new_key(at.randomness)
        token = await at.redeem(invitation or await at.invite())
        recovery = holder.recovery_key(self.seed, at.issuer.origin).public.thumbprint
        text = await at.call(issuing.card_for, token, self.proof(), recovery=recovery)
        self.held = verify_issued(text, at.issuer.keys, at.now)
        return self

    def sign(self, said, key=None):
        at = self.hospital
        asked = at.request(said)
        verifier = client_id(at.issuer)
        return holder.answer(self.held, key or self.key, at.issuer.keys, verifier, asked["request"], said, at.now)

    async def say(self, act, **said):
        if act not in ("state", "uses") and "number" not in said:
            self.number += 1
            said["number"] = self.number
        return await self.hospital.hears(self.sign({"act": act, **said}))

    async def consent(self, form=FORM, **changes):
        at = self.hospital
        pseudonym = self.held.disclosed.claims["patient"]
        given = consent_of(form, at.issuer.origin, pseudonym, stamp(at.now)) | changes
        found = await self.say("consent", form=form.id, consent=given)
        self.receipts.append(verify_issued(found["receipt"], at.issuer.keys, at.now))
        return found

    async def withdraw(self, consent, salt=b"s" * 32, **more):
        committed = holder.commitment_of({"consent": consent}, salt)
        return await self.say("withdraw", consent=consent, commitment=committed, **more)


def name_of(patient, number):
    return consent_id(patient.held.disclosed.claims["patient"], number)


__all__ = ["DID", "FORM", "NOW", "ORIGIN", "Hospital", "Patient", "canonical", "name_of", "timedelta"]
