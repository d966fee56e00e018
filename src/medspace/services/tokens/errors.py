"""Errors of tokens.

MedspaceError
 |- InvalidInputError
 |   `- TokenWishError        no such token can be made
 `- RefusedError
     |- TokenRefusedError     the token is missing or wrong
     |- AccessTokenExpiredError     it was right, and has expired
     |- TokenRevokedError     it was right, and was revoked
     |- TokenScopeError       it is right, and made for other things
     |- TokenGrantError       a token makes or revokes no token that may do more than itself
     `- TokenUnknownError     there is no such token to revoke
"""

from medspace.core.errors import InvalidInputError, RefusedError
from medspace.core.text import msgid


class TokenRefusedError(RefusedError):
    """The private token is missing or wrong."""

    code = "private.token"
    sentence = msgid("The management API needs the connector's private token.")
    next_step = msgid(
        "Read it from the file that the configuration names under [private], or ask for a token of your own."
    )


class AccessTokenExpiredError(RefusedError):
    """The token was right once."""

    code = "token.expired"
    sentence = msgid("This token expired at {time}.")
    next_step = msgid("Ask whoever keeps the tokens here for a new one: `medspace token new`.")


class TokenRevokedError(RefusedError):
    """The token was right once."""

    code = "token.revoked"
    sentence = msgid("This token was revoked at {time}.")
    next_step = msgid("Ask whoever keeps the tokens here for a new one: `medspace token new`.")


class TokenScopeError(RefusedError):
    """The token is made for other things."""

    code = "token.scope"
    sentence = msgid("This token may not do that: it needs the scope {needed}, and has {held}.")
    next_step = msgid("Ask whoever keeps the tokens here for one with that scope, or use the owner's.")


class TokenGrantError(RefusedError):
    """Nobody hands on more than they have."""

    code = "token.grant"
    sentence = msgid("With this token you make and revoke no token that may do more, or lives longer: {reason}.")
    next_step = msgid("Ask for less, or let the owner do it.")


class TokenUnknownError(RefusedError):
    """There is no such token."""

    code = "token.unknown"
    sentence = msgid("There is no token {token}.")
    next_step = msgid("`medspace token list` lists them.")


class TokenWishError(InvalidInputError):
    """No such token can be made."""

    code = "token.wish"
    sentence = msgid("No such token can be made: {reason}.")
    next_step = msgid("Say for whom it is, what for (--scope), and for how many days: `medspace token new --help`.")
