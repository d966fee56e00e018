"""Credentials, as the doors of one connector call them. What DCP needs is imported once it is used (`parts`)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

from medspace.app.node.node import Node
from medspace.core.canonical import JsonObject
from medspace.core.store import Transaction
from medspace.services.credentials.errors import CredentialUnknownError
from medspace.services.credentials.model import HELD, ISSUED, MADE, OFFERS

if TYPE_CHECKING:
    from medspace.app.features.credentials.parts import CredentialParts

PAGE = 256


class CredentialDesk:
    """The credentials of one connector."""

    def __init__(self, node: Node) -> None:
        self.node = node

    @cached_property
    def parts(self) -> "CredentialParts":
        """The parts of DCP."""
        from medspace.app.features.credentials.parts import CredentialParts  # noqa: PLC0415

        return CredentialParts(self.node)

    async def listed(self) -> Mapping[str, list[JsonObject]]:
        """What is held, what was asked for, what was offered, what was issued; newest first."""

        def view(tx: Transaction) -> Mapping[str, Sequence[Any]]:
            return {
                "held": tx.find(HELD, order_by="received", descending=True, limit=PAGE),
                "requests": tx.find(MADE, order_by="made", descending=True, limit=PAGE),
                "offers": tx.find(OFFERS, order_by="received", descending=True, limit=PAGE),
                "issued": tx.find(ISSUED, order_by="issued", descending=True, limit=PAGE),
            }

        found = await self.node.database.read(view)
        return {name: [_shown(asdict(one)) for one in rows] for name, rows in found.items()}

    async def request(self, issuer: str, credential: str) -> JsonObject:
        """Ask an issuer for a credential, by its type or its id in the issuer's metadata."""
        return asdict(await self.parts.holder.request(issuer, credential))

    async def present(self, credential_type: str, audience: str) -> JsonObject:
        """A presentation of one's newest credential of a type, which only `audience` can use, for some minutes.

        Raises:
            CredentialUnknownError: there is none.
        """
        held = await self.node.database.read(
            lambda tx: tx.find(HELD, where={"type": credential_type}, order_by="received", descending=True, limit=1)
        )
        if not held:
            raise CredentialUnknownError(id=credential_type)
        return {
            "credential": _shown(asdict(held[0])),
            "to": audience,
            "presentation": self.parts.presented(held[0], audience),
        }

    async def revoke(self, credential: str, *, by: str) -> JsonObject:
        """As the issuer, take a credential back, for good.

        Raises:
            CredentialUnknownError: no such credential was issued here.
        """
        if self.parts.issuer is None:
            raise CredentialUnknownError(id=credential)
        return asdict(await self.parts.issuer.revoke(credential, by=by))


def _shown(row: JsonObject) -> JsonObject:
    return {name: value for name, value in row.items() if name != "text"}
