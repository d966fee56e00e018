"""The members of the space: visible to everyone, managed by the authority."""

from collections.abc import Sequence
from dataclasses import dataclass

from medspace.app.features.members.keys import SigningKeys
from medspace.app.node.node import Node
from medspace.connector.catalogue.finding import NoConnectorError, not_found
from medspace.core.actors import NOBODY
from medspace.core.text import Text, msgid
from medspace.policy.regions import unnamed_region
from medspace.services.membership.errors import NotAuthorityError, RegionUnknownError
from medspace.trust.did import base_url
from medspace.trust.errors import DocumentError
from medspace.trust.model import Member


@dataclass(frozen=True, slots=True)
class Members:
    """The members of the space, and one's own signing keys."""

    node: Node
    signing: SigningKeys

    def members(self) -> tuple[Member, ...]:
        """The members of the space, by the latest list."""
        return self.node.members()

    async def admit(
        self, did: str, name: str, region: str, roles: Sequence[str], operator: str = "", *, by: str = NOBODY
    ) -> Member:
        """As the authority: put a participant on the list, with the key that its DID document shows now.

        Raises:
            NotAuthorityError: this connector is not the authority.
            DidError: the operator is not a did:web; two seats with the same operator would go unnoticed.
            NoConnectorError: the participant has no document with a key.
            AwayError: its connector does not answer.
            RegionUnknownError: terms have no name for the region.
        """
        if self.node.authority is None:
            raise NotAuthorityError(authority=self.node.config.space.authority)
        if unnamed_region(region) is not None:
            raise RegionUnknownError(region=region)
        if operator:
            base_url(operator)
        try:
            document = await self.node.documents.document(did)
        except DocumentError as error:
            raise not_found(did, error) from error
        if not document.keys:
            raise NoConnectorError(did=did, reason=Text(msgid("its DID document shows no key")))
        key = document.keys[0].public_key
        member = Member(did, name, region, tuple(roles), key, operator, document.mldsa)
        await self.node.authority.admit(member, by=by)
        return member

    async def remove(self, did: str, *, by: str = NOBODY) -> None:
        """As the authority: take a member off the list. The others learn of it within an hour.

        Raises:
            NotAuthorityError: this connector is not the authority.
            UnknownMemberError: it is not on the list.
        """
        if self.node.authority is None:
            raise NotAuthorityError(authority=self.node.config.space.authority)
        await self.node.authority.remove(did, by=by)

    async def refresh(self) -> None:
        """Fetch the members list again."""
        if self.node.authority is None:
            await self.node.book.refresh()
