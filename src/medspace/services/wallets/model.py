"""The records of wallets at a hospital, and of commitments at the authority."""

from dataclasses import dataclass, field
from enum import StrEnum

from medspace.core.canonical import JsonObject
from medspace.core.store import Collection

IDENTITY, RECEIPT = "urn:medspace:patient:1", "urn:medspace:consent-receipt:1"  # the types of cards


class CardRole(StrEnum):
    """For whom the holder of a card acts."""

    SELF = "self"
    GUARDIAN = "guardian"


@dataclass(frozen=True, slots=True)
class CardOffer:
    """An invitation to fetch a card: `id` is the digest of its code, `pin` that of the number told beside it.

    `token` is the digest of the token that the code was redeemed for, "" before; an invitation is used once.
    """

    id: str
    patient: str
    role: CardRole
    created: str
    expires: str
    until: str = ""  # of a guardian
    pin: str = field(default="", repr=False)
    tries: int = 0
    token: str = ""
    used: bool = False


@dataclass(frozen=True, slots=True)
class HolderKey:
    """A key that stands for a patient here: `id` is its thumbprint, `place` that of its card on the status list.

    `until` is the end of a guardian's card; `recovery` is the thumbprint of the key that the printed code makes.
    """

    id: str
    patient: str
    role: CardRole
    place: int
    since: str
    until: str
    retired: str = ""
    recovery: str = ""


@dataclass(frozen=True, slots=True)
class PatientRecord:
    """A patient with a wallet: the number of the last message, and the salt of the patient's receipts (sealed)."""

    id: str  # as the hospital knows the patient
    pseudonym: str
    last: int
    salt: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ConsentForm:
    """What the hospital asks patients for: one purpose, in words for patients by language, and the FHIR provision."""

    id: str
    version: int
    purpose: str
    words: dict[str, dict[str, str]]
    provision: JsonObject
    offered: bool = True


@dataclass(frozen=True, slots=True)
class KeptConsent:
    """A consent that was heard, with what was signed; and its withdrawal, if there was one."""

    id: str
    patient: str
    form: str
    number: int
    time: str
    consent: JsonObject = field(repr=False)
    evidence: str = field(repr=False)
    withdrawn: str = ""
    withdrawal_number: int = 0
    withdrawal_evidence: str = field(default="", repr=False)
    commitment: str = ""


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """A nonce that was answered, by its digest; kept until `expires`."""

    id: str
    expires: str


@dataclass(frozen=True, slots=True)
class KeptCommitment:
    """At the authority: a commitment, and when it came."""

    id: str
    time: str
    entry: int


OFFERS = Collection("wallet_offers", CardOffer, keys=("patient", "token", "expires"))
HOLDERS = Collection("wallet_keys", HolderKey, keys=("patient", "place", "recovery"), unique=(("place",),))
PATIENTS = Collection("wallet_patients", PatientRecord, keys=("pseudonym",), unique=(("pseudonym",),))
FORMS = Collection("wallet_forms", ConsentForm)
KEPT = Collection("wallet_consents", KeptConsent, keys=("patient", "number"))
ANSWERED = Collection("wallet_answered", AnsweredRequest, keys=("expires",))
COMMITMENTS = Collection("wallet_commitments", KeptCommitment, keys=("time",))
COLLECTIONS = (OFFERS, HOLDERS, PATIENTS, FORMS, KEPT, ANSWERED, COMMITMENTS)
