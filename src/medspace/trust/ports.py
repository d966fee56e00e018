"""What the trust room needs from outside."""

from typing import Protocol

from medspace.trust.model import DidDocument, Member


class Documents(Protocol):
    """Where DID documents come from."""

    async def document(self, did: str) -> DidDocument:
        """The document of a DID, fetched anew or from a cache.

        Raises:
            DidError: the DID has no document that can be used.
            DocumentError: it could not be fetched or is not a document of this DID.
        """
        ...


class MembersSource(Protocol):
    """Where the signed members list comes from."""

    async def members(self) -> str:
        """The list as the authority signed it (a compact JWS).

        Raises:
            MembersSourceError: it could not be fetched.
        """
        ...


class Directory(Protocol):
    """Knows who belongs to the space."""

    def member(self, did: str) -> Member:
        """The member of that DID on a list that is valid now.

        Raises:
            UnauthenticatedError: no such member, or no valid list.
        """
        ...
