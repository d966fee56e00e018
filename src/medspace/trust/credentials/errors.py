"""What is wrong with a credential, a presentation or a status list; one code for each rule.

ProofError
 `- CredentialError
     |- CredentialMalformedError   not a signed credential of a profile that is read here
     |- CredentialAlgorithmError, CredentialHeaderError, CredentialKeyError, CredentialSignatureError
     |- CredentialIssuerError, CredentialSubjectError, CredentialTypeError, CredentialSchemaError
     |- CredentialExpiredError, CredentialPrematureError
     |- CredentialRevokedError, CredentialSuspendedError
     |- StatusListError            a status list that does not hold (missing, stale, of somebody else, ...)
     `- PresentationError          a presentation that does not hold
"""

from medspace.core.errors import ProofError
from medspace.core.text import msgid

_ASK_HOLDER = msgid("Ask {issuer} for a new credential, and present that one.")
_ASK_ISSUER = msgid("Report this to the issuer; until it is put right, the credential counts for nothing.")


class CredentialError(ProofError):
    """A credential that does not hold."""

    code = "credential.invalid"
    sentence = msgid("The credential does not hold: {reason}.")
    next_step = _ASK_ISSUER


class CredentialMalformedError(CredentialError):
    """Not a signed credential of a profile that is read here."""

    code = "credential.malformed"
    sentence = msgid("That is not a credential that can be read: {reason}.")


class CredentialAlgorithmError(CredentialError):
    """SignedParts with an algorithm that is not accepted, or not at all."""

    code = "credential.algorithm"
    sentence = msgid("The credential is not signed with ES256, ES384 or EdDSA.")


class CredentialHeaderError(CredentialError):
    """The header tries to choose the verification key, or requires an extension."""

    code = "credential.header"
    sentence = msgid("The header of the credential holds {name}, which is never accepted.")


class CredentialKeyError(CredentialError):
    """The key named is not a key of the issuer for this purpose."""

    code = "credential.key"
    sentence = msgid("The credential names a key that {issuer} has not published for this purpose.")


class CredentialSignatureError(CredentialError):
    """The signature is invalid."""

    code = "credential.signature"
    sentence = msgid("The signature of {issuer} on the credential does not hold.")


class CredentialIssuerError(CredentialError):
    """Issued by somebody else than who signed, or by somebody who is not believed for this type."""

    code = "credential.issuer"
    sentence = msgid("{issuer} is not believed for credentials of the type {type}.")
    next_step = msgid("Present a credential of an issuer on the authority's list of believed issuers.")


class CredentialSubjectError(CredentialError):
    """About somebody else than who presents it."""

    code = "credential.subject"
    sentence = msgid("The credential is about {subject}, but {holder} presents it.")
    next_step = msgid("Present a credential that was issued to {holder}.")


class CredentialTypeError(CredentialError):
    """Not of the type that was asked for."""

    code = "credential.type"
    sentence = msgid("A credential of the type {type} is needed, and none was shown that holds.")
    next_step = msgid("Ask an issuer that is believed for {type} to issue it, then ask again.")


class CredentialSchemaError(CredentialError):
    """Against the schema that it names itself."""

    code = "credential.schema"
    sentence = msgid("The credential breaks the schema that it names, or the schema cannot be had: {reason}.")


class CredentialExpiredError(CredentialError):
    """Not valid any more."""

    code = "credential.expired"
    sentence = msgid("The credential of {issuer} expired at {until}.")
    next_step = _ASK_HOLDER


class CredentialPrematureError(CredentialError):
    """Not valid yet."""

    code = "credential.premature"
    sentence = msgid("The credential of {issuer} is valid from {since} only.")
    next_step = msgid("Wait until then; if that time has passed, compare the clocks of both machines.")


class CredentialRevokedError(CredentialError):
    """Taken back by its issuer."""

    code = "credential.revoked"
    sentence = msgid("{issuer} has revoked the credential.")
    next_step = _ASK_HOLDER


class CredentialSuspendedError(CredentialError):
    """Suspended by its issuer."""

    code = "credential.suspended"
    sentence = msgid("{issuer} has suspended the credential.")
    next_step = msgid("Ask {issuer} why, and for how long.")


class StatusListError(CredentialError):
    """A status list that does not hold, so nothing that depends on it counts."""

    code = "credential.status"
    sentence = msgid("The status list {url} cannot be used: {reason}.")
    next_step = msgid("Look whether the issuer's connector can be reached and its list is valid, then try again.")


class PresentationError(CredentialError):
    """A presentation that does not hold."""

    code = "credential.presentation"
    sentence = msgid("The presentation of credentials does not hold: {reason}.")
    next_step = msgid("Ask the operator of the presenting connector to bring it up to date.")


class TrustListError(CredentialError):
    """A list of believed issuers that does not hold."""

    code = "credential.trust-list"
    sentence = msgid("The list of believed issuers cannot be used: {reason}.")
    next_step = msgid("Fetch the current list from the authority; until then no credential counts.")
