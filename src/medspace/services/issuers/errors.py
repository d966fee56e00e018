"""The errors of credentials that are received, believed and issued; those of their form are in `trust.credentials`.

ProofError
 |- StatusOlderError        a status list that is older than the one that is known
 |- StatusContradictsError  another status list of the same instant
 |- StatusMissingError      nobody has sent the status list that a credential is on
 |- StatusUnneededError     a status list that no credential here is on
 `- TrustOlderError         a trust list that is older than the one that is known
RefusedError
 |- PresenterError          sent by neither the issuer nor the subject
 |- TooManyCredentialsError a participant has more credentials here than anybody needs
 `- NotTrustKeeperError       only the authority of the space says whom to believe
InvalidInputError
 |- PresentationMessageError a message that cannot be read
 |- IssuingError            a credential that cannot be issued
 `- UnknownCredentialError  no such credential was issued here
"""

from medspace.core.errors import InvalidInputError, ProofError, RefusedError
from medspace.core.text import msgid


class StatusOlderError(ProofError):
    """Older than the one that is known."""

    code = "issuers.status_older"
    sentence = msgid("A status list {list} of {issued} was offered, but the one of {known} is known already.")
    next_step = msgid("Ask its issuer for the current one.")


class StatusContradictsError(ProofError):
    """Another list of the same instant: its issuer has signed both."""

    code = "issuers.status_contradicts"
    sentence = msgid("{issuer} has signed two different status lists {list} of the same instant, {issued}.")
    next_step = msgid("Rely on neither of them, and tell {issuer}.")


class StatusMissingError(ProofError):
    """Nobody has sent the status list that a credential is on, so nobody knows whether it was revoked."""

    code = "issuers.status_missing"
    sentence = msgid("The status list {list} of this credential is not known here.")
    next_step = msgid("Send the list together with the credential.")


class StatusUnneededError(ProofError):
    """A list that no credential here is on: it is not kept."""

    code = "issuers.status_unneeded"
    sentence = msgid("No credential that is known here is on the status list {list}.")
    next_step = msgid("Send the credential first.")


class TrustOlderError(ProofError):
    """Older than the one that is known."""

    code = "issuers.trust_older"
    sentence = msgid("A trust list of {issued} was offered, but the one of {known} is known already.")
    next_step = msgid("Ask the authority of the space for the current one.")


class PresenterError(RefusedError):
    """Sent by neither its issuer nor its subject."""

    code = "issuers.presenter"
    sentence = msgid("A credential is sent by its issuer or by whom it is about, not by {caller}.")
    next_step = msgid("Let one of the two send it.")


class TooManyCredentialsError(RefusedError):
    """A participant has more credentials here than anybody needs."""

    code = "issuers.full"
    sentence = msgid("{subject} has {most} credentials here already.")
    next_step = msgid("Send it again once one of them has ended.")


class NotTrustKeeperError(RefusedError):
    """Only the authority of the space says whom to believe."""

    code = "issuers.authority"
    sentence = msgid("Only the authority of the space says whom to believe for which credentials.")
    next_step = msgid("Ask the authority, {authority}; you can believe fewer with `medspace issuers narrow`.")


class PresentationMessageError(InvalidInputError):
    """A message that cannot be read."""

    code = "issuers.message"
    sentence = msgid("This is no message with credentials and status lists: {reason}.")
    next_step = msgid("Ask the operator of the calling connector to update it.")


class IssuingError(InvalidInputError):
    """A credential that cannot be issued."""

    code = "issuers.wish"
    sentence = msgid("This credential cannot be issued: {reason}.")
    next_step = msgid("Fix it and try again.")


class UnknownCredentialError(InvalidInputError):
    """No such credential was issued here."""

    code = "issuers.unknown"
    sentence = msgid("No credential {credential} was issued here.")
    next_step = msgid("List them with `medspace issuers issued`.")
