"""Decisions by a person, where the consents of a patient leave open whether a use is allowed.

A consent may name a condition that no program can evaluate, or be less exact than the data. Then no row passes by
itself; a person of the holder decides for one patient, one dataset and one purpose, and says why. A decision never
overrides a denial, and is over once the patient says something new. Whom one lets in counts from the next edition on,
like every newcomer.
"""

from dataclasses import dataclass

from medspace.core.clock import stamp
from medspace.core.hashing import digest
from medspace.core.paging import each
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.services.consents import recording
from medspace.services.consents.errors import ConsentTermsError, NoConsentError
from medspace.services.consents.model import DECISIONS, VERSIONS, ConsentDecision, ConsentEdition
from medspace.services.consents.recording import Office

LONGEST_REASON = 1_000


@dataclass(frozen=True, slots=True)
class ConsentVerdict:
    """What a person decides, and why."""

    patient: str
    dataset: str
    purpose: str
    allowed: bool
    reason: str


def decide(tx: Transaction, office: Office, verdict: ConsentVerdict) -> ConsentDecision:
    """Record a decision; the newest counts.

    Raises:
        NoConsentError: nothing is known of the patient.
        ConsentTermsError: it has no reason, or too long a one.
    """
    if not recording.newest_of(tx, verdict.patient):
        raise NoConsentError(patient=verdict.patient[:80])
    if not 0 < len(verdict.reason.strip()) <= LONGEST_REASON:
        raise ConsentTermsError(reason=Text(msgid("a decision needs a reason, in at most 1000 characters")))
    said = [verdict.dataset, verdict.purpose, verdict.allowed, verdict.reason]
    number = recording.mark(tx, office, verdict.patient, f"decided {digest(said)}")
    new = ConsentDecision(
        id=digest([verdict.patient, number]),
        patient=verdict.patient,
        dataset=verdict.dataset,
        purpose=verdict.purpose,
        allowed=verdict.allowed,
        number=number,
        time=stamp(office.now),
        reason=verdict.reason,
        by=office.by,
    )
    tx.insert(DECISIONS, new)
    return new


def allowed(tx: Transaction, edition: ConsentEdition, purpose: str, number: int) -> frozenset[str]:
    """The patients whom a purpose reaches by a decision that stood when `number` versions were recorded."""
    found = standing(tx, edition.dataset, purpose, number)
    return frozenset(one.patient for one in found if one.allowed and one.number <= edition.upto)


def standing(tx: Transaction, dataset: str, purpose: str, number: int) -> list[ConsentDecision]:
    """The newest decision on each patient that stood when `number` versions were recorded."""
    newest: dict[str, ConsentDecision] = {}
    for one in each(tx, DECISIONS, {"dataset": dataset}):
        before = newest.get(one.patient)
        if one.purpose == purpose and one.number <= number and (before is None or before.number < one.number):
            newest[one.patient] = one
    return [one for one in newest.values() if _stands(tx, one, number)]


def _stands(tx: Transaction, decision: ConsentDecision, number: int) -> bool:
    """Whether the patient has said nothing since; other decisions about the same consents leave it standing."""
    later = (
        one for one in each(tx, VERSIONS, {"patient": decision.patient}) if decision.number < one.number <= number
    )
    return not any(one.consent or one.why == recording.PERSON for one in later)
