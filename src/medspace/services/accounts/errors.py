"""Errors of accounts.

MedspaceError
 |- InvalidInputError
 |   |- AccountWishError        no such account can be made or changed
 |   `- PreferenceError         there is no such setting
 |- WaitingError
 |   `- LoginUnavailableError   the hospital's login cannot be reached, or answers nonsense
 `- RefusedError
     |- AccountKeeperError     accounts are the owner's to make and change
     |- AccountUnknownError     there is no such account
     |- LinkRefusedError        the link is wrong, used up or expired
     |- SessionEndedError       nobody is signed in with that
     |- PasskeyRefusedError     the passkey does not prove what it should
     |- LoginRefusedError       the answer of the hospital's login does not hold
     |- LoginRoleError          the hospital's login gives the person nothing to do here
     `- ConfirmationNeededError     a passkey has to say first that it is still the same person
"""

from medspace.core.errors import InvalidInputError, RefusedError, WaitingError
from medspace.core.text import msgid


class AccountWishError(InvalidInputError):
    """No such account can be made."""

    code = "account.wish"
    sentence = msgid("This cannot be done with an account: {reason}.")
    next_step = msgid(
        "`medspace account list` lists the accounts; `medspace account new --help` says what they need."
    )


class PreferenceError(InvalidInputError):
    """There is no such setting."""

    code = "account.preference"
    sentence = msgid("There is no such setting: {reason}.")
    next_step = msgid("Choose one of those that the page offers.")


class AccountKeeperError(RefusedError):
    """Accounts are the owner's to make, change and close, as are links for others."""

    code = "account.keeper"
    sentence = msgid("Only the owner of this connector makes, changes and closes accounts.")
    next_step = msgid("Ask the owner.")


class AccountUnknownError(RefusedError):
    """There is no such account, or it is closed."""

    code = "account.unknown"
    sentence = msgid("There is no open account {account}.")
    next_step = msgid("Ask the owner of this connector to make one: `medspace account new`.")


class LinkRefusedError(RefusedError):
    """A link that opens nothing. Which of the reasons it is would help nobody but who tries links."""

    code = "link.refused"
    sentence = msgid("This sign-in link is wrong, was used already, or has expired.")
    next_step = msgid(
        "Make a new one with `medspace portal`, or ask the owner of this connector for one. If somebody else used "
        "it, tell the owner."
    )


class SessionEndedError(RefusedError):
    """Nobody is signed in, or not any more."""

    code = "session.ended"
    sentence = msgid("You are not signed in, or your session has ended.")
    next_step = msgid("Sign in with your passkey, or with a new link: `medspace portal`.")


class PasskeyRefusedError(RefusedError):
    """A passkey that proves nothing here."""

    code = "passkey.refused"
    sentence = msgid("The passkey was not accepted: {reason}.")
    next_step = msgid(
        "Try again. If it keeps failing, ask the owner of this connector for a link that resets your passkeys."
    )


class ConfirmationNeededError(RefusedError):
    """It is some time since a passkey said who this is, or no passkey has."""

    code = "passkey.needed"
    sentence = msgid("This needs your passkey first.")
    next_step = msgid("Confirm with your passkey, then do it again within {minutes} minutes.")


class LoginRefusedError(RefusedError):
    """An answer of the hospital's login that does not hold here."""

    code = "login.refused"
    sentence = msgid("You were not signed in with the login of your hospital: {reason}.")
    next_step = msgid("Start again from the page where people sign in. If it keeps failing, tell your IT department.")


class LoginRoleError(RefusedError):
    """Somebody whom the hospital's login knows, and who has nothing to do here."""

    code = "login.role"
    sentence = msgid("Your hospital knows you, but nobody said what you may do at this connector.")
    next_step = msgid("Ask your IT department for one of the groups that this connector knows (claim {claim}).")


class LoginUnavailableError(WaitingError):
    """The hospital's login cannot be reached, or answers what nobody can use."""

    code = "login.unavailable"
    sentence = msgid("The login of your hospital ({issuer}) cannot be used now: {reason}.")
    next_step = msgid(
        "Try again later, or sign in with a link: `medspace portal`. `medspace doctor` says what is missing."
    )
