"""What a patient allows, to whom, and by which provision."""

from dataclasses import dataclass

from medspace.core.store import Transaction
from medspace.policy.consent import deciding
from medspace.policy.consent.model import ConsentAnswer, ConsentParty, Finding
from medspace.services.consents import decisions, editions
from medspace.services.consents.errors import NoConsentError
from medspace.services.consents.model import ConsentEdition
from medspace.services.consents.register import Register

DECIDED = "decided"  # by a person, not by a clause
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
        decided = decisions.allowed(tx, edition, purpose, register.number)
        for column in (WHOLE, *sorted(edition.terms.columns)):
            touched = frozenset({column})
            request = editions.request(edition.terms, purpose, asked.action, asked.parties, touched)
            (one,) = deciding.findings(consents, now, request)
            if one.answer is ConsentAnswer.ABSTAIN and patient in decided:
                one = Finding(ConsentAnswer.ALLOW, clause=DECIDED)
            found.append(Explained(edition.dataset, purpose, column, one.answer, one.consent, one.clause))
    return found


def undecided(
    tx: Transaction, register: Register, edition: ConsentEdition, inquiry: ConsentInquiry, now: int
) -> list[str]:
    """The patients on whom a person has to decide, for a use of all columns for the first purpose."""
    register.follow(tx)
    (purpose, *_) = inquiry.purposes
    asked = editions.request(edition.terms, purpose, inquiry.action, inquiry.parties, None)
    key, number = (*editions.key(edition, asked), "undecided"), register.number  # newcomers as well
    found = register.reached(asked, key, now, number, after_death=edition.terms.after_death)
    decided = {one.patient for one in decisions.standing(tx, edition.dataset, purpose, number)}
    return sorted(found.undecided - decided)
