"""Why wallets are refused; one code for each rule."""

from medspace.core.errors import InvalidInputError, RefusedError, WaitingError
from medspace.core.text import msgid

_NEW_OFFER = msgid("Ask the hospital for a new invitation.")


class WalletMessageError(InvalidInputError):
    """What a wallet sent cannot be read."""

    code = "wallet.message"
    sentence = msgid("What the wallet sent cannot be read: {reason}.")
    next_step = msgid("Bring the wallet up to date, then try again.")


class OfferUnknownError(RefusedError):
    """No such invitation, used, or expired."""

    code = "wallet.offer"
    sentence = msgid("This invitation does not exist, was used, or is over.")
    next_step = _NEW_OFFER


class OfferPinError(RefusedError):
    """Not the number that was told with the invitation."""

    code = "wallet.pin"
    sentence = msgid("The number is not the one that was told with this invitation.")
    next_step = msgid("Type the number that the hospital gave you; after a few tries you need a new invitation.")


class WalletTokenError(RefusedError):
    """Not a token that stands."""

    code = "wallet.token"
    sentence = msgid("The wallet may not fetch this card, or no longer.")
    next_step = _NEW_OFFER


class WalletProofError(RefusedError):
    """The wallet did not prove that it has the key that the card is to be bound to."""

    code = "wallet.proof"
    sentence = msgid("The wallet did not prove that it has its key.")
    next_step = msgid("Ask for a new nonce and sign it with the key of the wallet.")


class WalletKeyError(RefusedError):
    """The key does not stand for the patient any more."""

    code = "wallet.key"
    sentence = msgid("This key does not stand for the patient, or no longer.")
    next_step = msgid("Use the device that took its place, or ask the hospital for a new invitation.")


class GuardianError(RefusedError):
    """A guardian may not do this."""

    code = "wallet.guardian"
    sentence = msgid("Only the patient can do this, not somebody who acts for them.")
    next_step = msgid("Ask the patient to do it with their own wallet.")


class RequestUsedError(RefusedError):
    """The request was answered before, or is over."""

    code = "wallet.request"
    sentence = msgid("This request was answered before, or is over.")
    next_step = msgid("Begin again: the wallet asks for a new request.")


class MessageNumberError(RefusedError):
    """A message that is not newer than the last one."""

    code = "wallet.number"
    sentence = msgid("Message {number} is not newer than {last}, which was heard before.")
    next_step = msgid("Let the wallet ask how things stand at the hospital, then decide again.")


class ConsentFormError(RefusedError):
    """A consent that says something else than the form that it was given on, or to nobody here."""

    code = "wallet.consent"
    sentence = msgid("This consent cannot be taken: {reason}.")
    next_step = msgid("Open the form of the hospital again, and consent to what it says now.")


class UnknownConsentError(RefusedError):
    """There is no such consent."""

    code = "wallet.consent_unknown"
    sentence = msgid("The hospital has no consent {consent} of this patient.")
    next_step = msgid("Let the wallet ask how things stand at the hospital.")


class UsesUnknownError(WaitingError):
    """This hospital cannot say who used the data."""

    code = "wallet.uses"
    sentence = msgid("This hospital does not tell patients yet who used their data.")
    next_step = msgid("Ask its data office.")


class CommitmentsFullError(WaitingError):
    """More commitments in a minute than are taken."""

    code = "wallet.commitments"
    sentence = msgid("The authority takes no more withdrawals this minute.")
    next_step = msgid("The wallet keeps it, and tries again later by itself.")


class RecoveryError(RefusedError):
    """The printed code does not stand for a patient here."""

    code = "wallet.recovery"
    sentence = msgid("This code does not belong to a wallet at this hospital.")
    next_step = msgid("Type the code again; if it was lost, ask the hospital for a new invitation.")


class NoWalletsError(InvalidInputError):
    """No address of wallets is configured."""

    code = "wallet.none"
    sentence = msgid("This connector has no door for wallets.")
    next_step = msgid("Name its address in the configuration, [wallets] url, and restart the connector.")
