"""Consents that patients have signed in wallets: they count like those that the data office records.

A wallet's consent is a FHIR R4 Consent of its own identity; here it is about the patient as rows name her. It is
never the version of another one, so a paper consent beside it stands until the data office withdraws it.
"""

from medspace.core.canonical import JsonObject
from medspace.core.store import Transaction
from medspace.services.consents import recording, tracing
from medspace.services.consents.errors import NoConsentError
from medspace.services.consents.model import PATIENTS, ConsentPatient
from medspace.services.consents.recording import Office
from medspace.services.wallets.ports import SignedConsent, SignedWithdrawal, UseOfPatient

GUARDIAN = "guardian"


def accept(tx: Transaction, office: Office, consent: SignedConsent) -> None:
    """Record a signed consent; it counts from the next edition of each dataset on.

    Raises:
        ConsentDocumentError: it is no consent.
    """
    recording.record(tx, office, [document(consent)])


def withdraw(tx: Transaction, office: Office, withdrawal: SignedWithdrawal) -> None:
    """Record its withdrawal. One that was never recorded counts for nothing: there is nothing to withdraw."""
    try:
        recording.withdraw(tx, office, withdrawal.patient, withdrawal.consent)
    except NoConsentError:
        return


def document(consent: SignedConsent) -> JsonObject:
    """What was signed, about the patient as rows name her."""
    named: JsonObject = {"patient": {"identifier": {"value": consent.patient}}, "id": consent.id}
    if consent.guardian:
        named |= {"performer": [{"identifier": {"value": GUARDIAN}}]}
    return consent.consent | named | {"meta": {"versionId": str(consent.number)}}


def salt_of(tx: Transaction, patient: str, fresh: str) -> str:
    """The salt of a patient (hex), by which uses commit to her; `fresh` from now on, if she has none."""
    known = tx.get(PATIENTS, patient)
    if known is not None and known.salt:
        return known.salt
    tx.insert(PATIENTS, ConsentPatient(patient, fresh))
    return fresh


def uses(tx: Transaction, patient: str, most: int) -> list[UseOfPatient]:
    """Who used the data of a patient and for what, the newest first; nothing, where nothing is known of her."""
    try:
        found = tracing.uses_of(tx, patient)[:most]
    except NoConsentError:
        return []
    return [UseOfPatient(one.time, one.user, one.purpose, one.running, one.entry) for one in found]
