"""What is wrong with an SD-JWT, its presentation or its status; one code for each rule.

ProofError
 `- SdJwtError
     |- SdJwtMalformedError, SdJwtAlgorithmError, SdJwtHeaderError, SdJwtSignatureError
     |- SdJwtTypeError, SdJwtIssuerError, SdJwtExpiredError, SdJwtPrematureError
     |- CardPartError, DisclosureTwiceError, DisclosureUnusedError, DisclosureNameError
     |- HolderKeyError              it is bound to no key, so nobody can show that it is theirs
     |- KeyBindingError             the holder's signature does not hold
     |   |- KeyBindingMissingError, KeyBindingNonceError, KeyBindingAudienceError
     |   `- KeyBindingHashError, KeyBindingTimeError
     `- TokenStatusError            the status list does not say
         `- CardRevokedError, CardSuspendedError
"""

from medspace.core.errors import ProofError
from medspace.core.text import msgid

_ASK_ISSUER = msgid("Ask {issuer} for a new card, and show that one.")
_ASK_WALLET = msgid("Show the card again from the wallet that holds it, for this request.")


class SdJwtError(ProofError):
    """A card that does not hold."""

    code = "sdjwt.invalid"
    sentence = msgid("The card does not hold: {reason}.")
    next_step = msgid("Ask who issued the card for a new one.")


class SdJwtMalformedError(SdJwtError):
    """Not an SD-JWT as it is read here."""

    code = "sdjwt.malformed"
    sentence = msgid("That is not a card that can be read: {reason}.")


class SdJwtAlgorithmError(SdJwtError):
    """Signed with an algorithm that is not accepted, or not at all."""

    code = "sdjwt.algorithm"
    sentence = msgid("The card is not signed with ES256, ES384 or EdDSA.")


class SdJwtHeaderError(SdJwtError):
    """The header tries to choose the key, or requires an extension."""

    code = "sdjwt.header"
    sentence = msgid("The header of the card holds {name}, which is never accepted.")


class SdJwtSignatureError(SdJwtError):
    """Not signed by a key of the issuer."""

    code = "sdjwt.signature"
    sentence = msgid("The signature of {issuer} on the card does not hold.")


class SdJwtTypeError(SdJwtError):
    """Of another type than was asked for."""

    code = "sdjwt.type"
    sentence = msgid("The card is of the type {found}, but {wanted} is asked for.")
    next_step = msgid("Show a card of the type that is asked for.")


class SdJwtIssuerError(SdJwtError):
    """Issued by somebody else than is believed."""

    code = "sdjwt.issuer"
    sentence = msgid("The card is of {found}, but one of {wanted} is asked for.")
    next_step = msgid("Show a card of the issuer that is asked for.")


class SdJwtExpiredError(SdJwtError):
    """Not valid any more."""

    code = "sdjwt.expired"
    sentence = msgid("The card of {issuer} expired at {until}.")
    next_step = _ASK_ISSUER


class SdJwtPrematureError(SdJwtError):
    """Not valid yet."""

    code = "sdjwt.premature"
    sentence = msgid("The card of {issuer} is valid from {since} only.")
    next_step = msgid("Wait until then; if that time has passed, compare the clocks of both machines.")


class CardPartError(SdJwtError):
    """A disclosure that RFC 9901 7.1 refuses."""

    code = "sdjwt.disclosure"
    sentence = msgid("A part of the card cannot be read: {reason}.")
    next_step = _ASK_WALLET


class DisclosureTwiceError(CardPartError):
    """The same disclosure or digest more than once."""

    code = "sdjwt.disclosure.twice"
    sentence = msgid("A part of the card is there twice.")


class DisclosureUnusedError(CardPartError):
    """A disclosure that nothing signed refers to."""

    code = "sdjwt.disclosure.unused"
    sentence = msgid("A part was added to the card that its issuer has not signed.")


class DisclosureNameError(CardPartError):
    """A disclosure with a name that is reserved, never hidden, or taken."""

    code = "sdjwt.disclosure.name"
    sentence = msgid("A part of the card has the name {name}, which it may not have.")


class HolderKeyError(SdJwtError):
    """Bound to no key."""

    code = "sdjwt.holder_key"
    sentence = msgid("The card is bound to no key, so nobody can show that it is theirs.")


class KeyBindingError(SdJwtError):
    """The holder's signature does not hold."""

    code = "sdjwt.key_binding"
    sentence = msgid("Who shows the card does not have its key.")
    next_step = _ASK_WALLET


class KeyBindingMissingError(KeyBindingError):
    """Shown without the holder's signature."""

    code = "sdjwt.key_binding.missing"
    sentence = msgid("The card is shown without the signature of its holder.")


class KeyBindingNonceError(KeyBindingError):
    """Signed for another request."""

    code = "sdjwt.key_binding.nonce"
    sentence = msgid("The card was shown for another request.")


class KeyBindingAudienceError(KeyBindingError):
    """Signed for another verifier."""

    code = "sdjwt.key_binding.audience"
    sentence = msgid("The card was shown to somebody else.")


class KeyBindingHashError(KeyBindingError):
    """Signed over other disclosures."""

    code = "sdjwt.key_binding.sd_hash"
    sentence = msgid("The holder has signed for other parts of the card than these.")


class KeyBindingTimeError(KeyBindingError):
    """Signed too long ago, or in the future."""

    code = "sdjwt.key_binding.time"
    sentence = msgid("The card was signed for showing at another time than now.")


class TokenStatusError(SdJwtError):
    """A status list that does not hold, so no card on it counts."""

    code = "sdjwt.status"
    sentence = msgid("The status list {url} cannot be used: {reason}.")
    next_step = msgid("Look whether the issuer can be reached and its list is valid, then try again.")


class CardRevokedError(TokenStatusError):
    """Taken back by its issuer."""

    code = "sdjwt.revoked"
    sentence = msgid("{issuer} has taken back the card.")
    next_step = _ASK_ISSUER


class CardSuspendedError(TokenStatusError):
    """Suspended by its issuer."""

    code = "sdjwt.suspended"
    sentence = msgid("{issuer} has suspended the card.")
    next_step = msgid("Ask {issuer} why, and for how long.")
