"""Errors of membership.

MedspaceError
 `- RefusedError
     |- NotAuthorityError     only the space's authority does this
     |- KeyChangedError       the member was admitted with another key
     `- UnknownMemberError
 |- InvalidInputError
 |   `- RegionUnknownError    a region that no terms can name
 `- MembersListError
     `- ForeignAuthorityKeyError   the list is signed with another key than the one given
"""

from medspace.core.errors import InvalidInputError, RefusedError
from medspace.core.text import msgid
from medspace.trust.errors import MembersListError


class NotAuthorityError(RefusedError):
    """Only the authority of the space does this."""

    code = "membership.not_authority"
    sentence = msgid("This connector is not the authority of the space; {authority} is.")
    next_step = msgid("Ask the authority to do it.")


class KeyChangedError(RefusedError):
    """A member shows another key than the one it was admitted with."""

    code = "membership.key_changed"
    sentence = msgid("{did} shows a different key than the one it was admitted with.")
    next_step = msgid("Contact the member; if the new key is right, remove the member and admit it again.")


class UnknownMemberError(RefusedError):
    """There is no such member."""

    code = "membership.unknown"
    sentence = msgid("{did} is not a member of the space.")
    next_step = msgid("See the members with `medspace members`.")


class RegionUnknownError(InvalidInputError):
    """A region that no terms can name."""

    code = "membership.region"
    sentence = msgid("{region} is no region that terms can name, so none would let this member use anything.")
    next_step = msgid("Write the code of a country, such as DE or CN (ISO 3166-1 alpha-2), or EU or EEA.")


class ForeignAuthorityKeyError(MembersListError):
    """The key of the authority that was given signed nothing of a bundle."""

    code = "audit.foreign_key"
    sentence = msgid(
        "The key that was given does not belong to this log: its members list is signed with another one."
    )
    next_step = msgid(
        "Give the key of the authority of that space with --authority-key: `medspace doctor` shows it at each of its "
        "members. If it was the right key, the bundle is forged: do not rely on it."
    )
