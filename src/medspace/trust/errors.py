"""What goes wrong with identities.

    InvalidInputError
     |- DidError                  not a DID that medspace resolves
     |- EnvelopeError             a sealed message that does not open
     `- EnvelopeKeyError          not a public key for sealed messages
    ProofError
     |- DocumentError             a DID document that cannot be had or used
     `- MembersListError          a members list that does not hold (one subclass per reason)
    WaitingError
     `- MembersSourceError        the authority did not hand out its list
    RefusedError
     `- UnauthenticatedError      a call whose caller is not proven (one subclass per reason)

A peer learns nothing but the code of an `UnauthenticatedError`.
"""

from typing import ClassVar

from medspace.core.errors import InvalidInputError, ProofError, RefusedError, WaitingError
from medspace.core.text import msgid

_ASK_PEER = msgid("Ask the operator of the calling connector to update it; its tokens do not follow the rules.")
_ASK_CLOCK = msgid("Compare the clocks of both connectors, then call again with a fresh token.")
_ASK_AUTHORITY = msgid("Ask the authority of the space to put the member and its current key on the list.")
_REPORT = msgid("Do not rely on this list; ask the authority of the space for the current one and report this.")


class DidError(InvalidInputError):
    """Not a DID that medspace resolves."""

    code = "did.invalid"
    sentence = msgid("{did} is not a did:web identifier that can be resolved: {reason}.")
    next_step = msgid("Write it as did:web:HOST or did:web:HOST%3APORT, in lower case.")


class DocumentError(ProofError):
    """A DID document that cannot be had, or that is not the document of its DID."""

    code = "did.document"
    sentence = msgid("The DID document of {did} cannot be used: {reason}.")
    next_step = msgid("Open the document's address in a browser and compare it with the identifier.")


class MembersSourceError(WaitingError):
    """The authority did not hand out its list."""

    code = "members.unavailable"
    sentence = msgid("The authority did not hand out the members list: {reason}.")
    next_step = msgid(
        "The list already here is used until it expires; check that the authority's connector is running."
    )


class MembersListError(ProofError):
    """A members list that does not hold."""

    code = "members.malformed"
    sentence = msgid("This is not a members list: {reason}.")
    next_step = _REPORT


class MembersSignatureError(MembersListError):
    """Not signed by the authority."""

    code = "members.signature"
    sentence = msgid("The members list is not signed by the authority of this space.")


class MembersIssuerError(MembersListError):
    """Signed in the name of somebody else."""

    code = "members.issuer"
    sentence = msgid("The members list is issued by {issuer}, not by the authority of this space.")


class MembersExpiredError(MembersListError):
    """Not valid any more."""

    code = "members.expired"
    sentence = msgid("The members list expired at {expires}.")
    next_step = msgid("Fetch the current list from the authority; until then nobody is a member.")


class MembersPrematureError(MembersListError):
    """Issued in the future."""

    code = "members.premature"
    sentence = msgid("The members list is dated {issued}, which is in the future.")
    next_step = msgid("Compare the clock of this machine with the clock of the authority.")


class MembersRollbackError(MembersListError):
    """Older than the list that is known, or another list of the same instant."""

    code = "members.rollback"
    sentence = msgid("A members list of {issued} was offered, but the list of {known} is known already.")


class UnauthenticatedError(RefusedError):
    """The caller is not authenticated."""

    code = "identity.unauthenticated"
    sentence = msgid("The caller did not prove who it is.")
    next_step = _ASK_PEER
    # Whether the same caller may be proven a moment later, without any change of its own.
    temporary: ClassVar[bool] = False


class TokenMissingError(UnauthenticatedError):
    """There is no token."""

    code = "identity.missing"
    sentence = msgid("The call carries no identity token.")
    next_step = msgid("Send the header `Authorization: Bearer <identity token>`.")


class TokenOversizedError(UnauthenticatedError):
    """Longer than any honest token."""

    code = "identity.oversized"
    sentence = msgid("The identity token is longer than {limit} bytes.")


class TokenMalformedError(UnauthenticatedError):
    """Not a signed token in compact form, or a claim is missing or of the wrong type."""

    code = "identity.malformed"
    sentence = msgid("The identity token is not a signed token in compact form with all its claims.")


class TokenAlgorithmError(UnauthenticatedError):
    """Signed with anything but EdDSA, or not at all."""

    code = "identity.algorithm"
    sentence = msgid("The identity token is not signed with EdDSA.")


class TokenHeaderError(UnauthenticatedError):
    """The header tries to choose the verification key, or requires an extension."""

    code = "identity.header"
    sentence = msgid("The header of the identity token holds {name}, which is never accepted.")


class TokenKeyError(UnauthenticatedError):
    """The key named is not a key of the issuer for this purpose."""

    code = "identity.key"
    sentence = msgid("The identity token names a key that its issuer has not published for this purpose.")


class TokenSignatureError(UnauthenticatedError):
    """The signature is invalid."""

    code = "identity.signature"
    sentence = msgid("The signature of the identity token does not hold.")


class TokenIssuerError(UnauthenticatedError):
    """Issued by a party without a usable DID, or not by the document's party."""

    code = "identity.issuer"
    sentence = msgid("The issuer of the identity token is not a DID that can be resolved.")


class TokenSubjectError(UnauthenticatedError):
    """Issuer and subject differ."""

    code = "identity.subject"
    sentence = msgid("The identity token is not about its own issuer.")


class TokenAudienceError(UnauthenticatedError):
    """Meant for somebody else, or for several."""

    code = "identity.audience"
    sentence = msgid("The identity token is not meant for this connector alone.")


class TokenExpiredError(UnauthenticatedError):
    """Expired."""

    code = "identity.expired"
    sentence = msgid("The identity token has expired.")
    next_step = _ASK_CLOCK


class TokenPrematureError(UnauthenticatedError):
    """Issued in the future, or not valid yet."""

    code = "identity.premature"
    sentence = msgid("The identity token is dated in the future.")
    next_step = _ASK_CLOCK


class TokenLifetimeError(UnauthenticatedError):
    """Valid for longer than any honest token."""

    code = "identity.lifetime"
    sentence = msgid("The identity token is valid for longer than {limit} seconds.")


class TokenIdError(UnauthenticatedError):
    """No jti, or one that cannot be stored."""

    code = "identity.token-id"
    sentence = msgid("The identity token has no usable jti, so that its single use cannot be checked.")


class TokenReplayedError(UnauthenticatedError):
    """Used before."""

    code = "identity.replayed"
    sentence = msgid("The identity token was used before.")
    next_step = msgid("Issue a fresh token for every call.")


class NotMemberError(UnauthenticatedError):
    """Not on the list."""

    code = "identity.not-member"
    sentence = msgid("{did} is not a member of this space.")
    next_step = _ASK_AUTHORITY


class KeyMismatchError(UnauthenticatedError):
    """The party's document and the authority's list name different keys."""

    code = "identity.key-mismatch"
    sentence = msgid("{did} publishes another key than the one on the members list.")
    next_step = _ASK_AUTHORITY


class DocumentUnavailableError(UnauthenticatedError):
    """The caller's DID document could not be fetched."""

    code = "identity.document"
    sentence = msgid("The DID document of {did} cannot be had or used.")
    next_step = msgid("Look whether the caller's DID document can be reached from this connector, then call again.")
    temporary = True


class NoMembersListError(UnauthenticatedError):
    """There is no valid list, so nobody is a member."""

    code = "identity.no-list"
    sentence = msgid("This connector has no valid members list, so it can recognise nobody.")
    next_step = msgid("Look whether the authority's connector can be reached; nobody is let in until then.")
    temporary = True


class EnvelopeError(InvalidInputError):
    """A message that was not sealed for this party in this context, not signed by its sender, or is too large."""

    code = "envelope.invalid"
    sentence = msgid("The sealed message from {sender} cannot be used: it is for something else, or damaged.")
    next_step = msgid("Ask the sender to send it again for this run; do not use anything of it.")


class EnvelopeUnreadableError(EnvelopeError):
    """A message that its sender signed for this party in this context, but that cannot be opened."""

    code = "envelope.unreadable"
    sentence = msgid("The sealed message from {sender} cannot be opened, although {sender} has signed it.")


class EnvelopeKeyError(InvalidInputError):
    """Not a public key of ML-KEM-768 and X25519."""

    code = "envelope.key"
    sentence = msgid("That is not a public key for sealed messages.")
    next_step = msgid("Ask the party for its key of this run again.")


class SignatureError(InvalidInputError):
    """Not signed by this party, for this purpose, with the required algorithms."""

    code = "signature.invalid"
    sentence = msgid("That is not signed by {did}, or it was signed for something else.")
    next_step = msgid("Ask {did} for it again; do not use anything of it.")


class SignatureSingleError(InvalidInputError):
    """Signed with one algorithm, by a party that has keys for two or where two are needed."""

    code = "signature.single"
    sentence = msgid("{did} signed with Ed25519 alone, where Ed25519 and ML-DSA-65 must both hold.")
    next_step = msgid("Ask {did} to bring its connector up to date; do not use anything of it.")


class MldsaKeyMissingError(InvalidInputError):
    """The members list names no ML-DSA-65 key of a party."""

    code = "signature.no-key"
    sentence = msgid("The members list names no ML-DSA-65 key of {did}, so its signatures do not hold twice.")
    next_step = msgid("The authority takes the key up with `medspace keys take {did}`, once that connector runs.")


class MldsaKeyUnknownError(InvalidInputError):
    """Signed with an ML-DSA-65 key that the members list does not name."""

    code = "signature.key-unknown"
    sentence = msgid("{did} signed with an ML-DSA-65 key that the members list does not name.")
    next_step = msgid("Where {did} has changed its key, the authority takes it up with `medspace keys take {did}`.")


class MldsaKeyEndedError(InvalidInputError):
    """Signed with an ML-DSA-65 key outside its time of validity."""

    code = "signature.key-ended"
    sentence = msgid("The ML-DSA-65 key of {did} is not valid at this time.")
    next_step = msgid("{did} makes a new one with `medspace keys rotate`, and the run is started again.")


class MldsaKeyRevokedError(InvalidInputError):
    """Signed with an ML-DSA-65 key that was revoked."""

    code = "signature.key-revoked"
    sentence = msgid("The ML-DSA-65 key of {did} was revoked: what is signed with it proves nothing.")
    next_step = msgid("Ask {did} what happened; once the list names its new key, start the run again.")
