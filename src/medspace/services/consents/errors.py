"""What is refused about consents."""

from medspace.core.errors import InvalidInputError, ProofError, RefusedError
from medspace.core.text import msgid


class ConsentVersionError(RefusedError):
    """A version of a consent that is older than what is known, or another text under the same number."""

    code = "consent.version"
    sentence = msgid("Version {version} of the consent {consent} is not newer than version {known}, which counts.")
    next_step = msgid("Numbers of versions only grow: import it under a higher one if it is to count.")


class NoConsentError(RefusedError):
    """Nothing is known of a patient's consents."""

    code = "consent.no_patient"
    sentence = msgid("No consent of {patient} is recorded.")
    next_step = msgid(
        "Write the name as the rows of the dataset do, or import her consents: `medspace consent import`."
    )


class NotUnderConsentError(RefusedError):
    """Nobody said how a dataset is used under consent."""

    code = "consent.no_terms"
    sentence = msgid("Nobody said how {dataset} is used under consent.")
    next_step = msgid("Say which column names the patients: `medspace consent dataset {dataset} --column COLUMN`.")


class MalformedCountedProofError(InvalidInputError):
    """A file that is not the proof of what a use states of a patient."""

    code = "consent.proof_malformed"
    sentence = msgid("This is not the proof of what a use states of a patient: {reason}.")
    next_step = msgid("Ask the hospital for it again: `medspace consent proof USE PATIENT --out FILE`.")


class CountedProofError(ProofError):
    """What a use states of a patient does not hold."""

    code = "consent.proof"
    sentence = msgid("What the use states of this patient is not proven: {reason}.")
    next_step = msgid("Check that the salt is that of the receipt; if it is, do not rely on this file.")


class ConsentTermsError(InvalidInputError):
    """What was said of a dataset under consent cannot be used."""

    code = "consent.terms"
    sentence = msgid("This cannot be said of a dataset under consent: {reason}.")
    next_step = msgid("See docs/consent.md for what can be said.")
