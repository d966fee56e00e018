"""What a patient allows, to whom, and by which provision."""

from dataclasses import dataclass

from medspace.core.store import Transaction
from medspace.policy.consent import deciding
from medspace.policy.consent.model import ConsentAnswer, ConsentParty
from medspace.services.consents import editions
from medspace.services.consents.errors import NoConsentError
from medspace.services.consents.model import ConsentEdition
from medspace.services.consents.register import Register

WHOLE = ""  # all columns of which nothing of their own is said


@dataclass(frozen=True, slots=True)
class Explained:
    """What the consents of a patient answer for a purpose at some columns, and which clause of which decided."""

    dataset: str
    purpose: str
    columns: str
    answer: ConsentAnswer
    consent: str
    clause: str


@dataclass(frozen=True, slots=True)
class ConsentInquiry:
    """For whom it is explained: the DIDs of user and holder, the action, the purposes."""

    parties: dict[ConsentParty, str]
    purposes: tuple[str, ...]
    action: str | None = None


def explain(
    tx: Transaction, register: Register, edition: ConsentEdition, asked: ConsentInquiry, patient: str, now: int
) -> list[Explained]:
    """What a patient allows of a dataset, for each purpose, at each kind of columns.

    Raises:
        NoConsentError: nothing is known of her.
    """
    register.follow(tx)
    consents = register.said(patient)
    if not consents:
        raise NoConsentError(patient=patient[:80])
    found: list[Explained] = []
    for purpose in asked.purposes:
        for column in (WHOLE, *sorted(edition.terms.columns)):
            touched = frozenset({column})
            request = editions.request(edition.terms, purpose, asked.action, asked.parties, touched)
            (one,) = deciding.findings(consents, now, request)
            found.append(Explained(edition.dataset, purpose, column, one.answer, one.consent, one.clause))
    return found
