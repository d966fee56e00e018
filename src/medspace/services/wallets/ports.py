"""Where signed consents go, and where it is known who used the data; filled by whoever decides about uses.

Both are called within the transaction that keeps what the patient has signed, so that a consent that is acknowledged
is one that counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from medspace.core.canonical import JsonObject
from medspace.core.store import Transaction


@dataclass(frozen=True, slots=True)
class SignedConsent:
    """A consent as the hospital has heard it.

    `patient` is who the hospital knows the patient as, `pseudonym` what the patient is called in `consent` (FHIR R4).
    `salt` (hex) is the patient's own, from the receipt; `evidence` is what was signed, to be shown in a dispute.
    """

    id: str
    patient: str
    pseudonym: str
    number: int
    time: str
    consent: JsonObject
    salt: str
    evidence: str


@dataclass(frozen=True, slots=True)
class SignedWithdrawal:
    """A withdrawal of the consent of that id, with a number above the consent's."""

    consent: str
    patient: str
    number: int
    time: str
    evidence: str


@dataclass(frozen=True, slots=True)
class UseOfPatient:
    """One use of the patient's data: when, by whom, for what, whether it still runs, and the entry that says so."""

    time: str
    user: str
    purpose: str
    running: bool
    entry: int


class ConsentStore(Protocol):
    """What decides about uses by consents."""

    def accept(self, tx: Transaction, consent: SignedConsent) -> None:
        """Have a consent count from now on.

        Raises:
            MedspaceError: it cannot count; nothing of it is kept then.
        """
        ...

    def withdraw(self, tx: Transaction, withdrawal: SignedWithdrawal) -> None:
        """Have a consent count no longer: new uses at once, running ones at their next step."""
        ...


class UsesOfPatients(Protocol):
    """What knows who used a patient's data."""

    def uses(self, tx: Transaction, patient: str) -> Sequence[UseOfPatient]:
        """The newest uses first."""
        ...
