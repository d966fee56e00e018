"""Members lists as logs are proven against them: what the authority of a space has signed."""

from medspace.core.text import msgid
from medspace.ledger.membership import MembersList
from medspace.trust.errors import MembersListError, MembersSignatureError
from medspace.trust.members import read_members


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


def read_list(text: str, key: bytes) -> MembersList:
    """The content of a members list, if the authority signed it; the authority's own key is added to its keys.

    An expired list still says who signed what while it was valid: an old bundle can always be audited.

    Raises:
        ForeignAuthorityKeyError: it is signed with another key.
        MembersListError: it cannot be read.
    """
    try:
        listed = read_members(text, key)
    except MembersSignatureError:
        raise ForeignAuthorityKeyError from None
    keys = {member.did: member.public_key for member in listed.members} | {listed.issuer: key}
    return MembersList(text, listed.issuer, listed.issued, listed.expires, keys)
