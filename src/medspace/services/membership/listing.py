"""Members lists as logs are proven against them: what the authority of a space has signed."""

from medspace.ledger.membership import MembersList
from medspace.services.membership.errors import ForeignAuthorityKeyError
from medspace.trust.errors import MembersSignatureError
from medspace.trust.members import read_members


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
