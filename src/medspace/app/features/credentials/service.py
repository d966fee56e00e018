"""Credentials, as the doors of one connector call them. What DCP needs is imported once it is used (`parts`)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

from medspace.app.node.node import Node
from medspace.core.canonical import JsonObject
from medspace.core.store import Transaction
from medspace.services.credentials.errors import CredentialUnknownError
from medspace.services.credentials.model import HELD, ISSUED, MADE, OFFERS, RECEIVED, TAKEN, TakenRequest

if TYPE_CHECKING:
    from medspace.app.features.credentials.parts import CredentialParts
    from medspace.services.credentials.issuer import CredentialIssuer

PAGE = 256
MOST_SHOWN = 512  # characters of a name that nothing has


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

    async def waiting(self) -> list[JsonObject]:
        """The requests on which a person has to decide, the oldest first, each with the claims to be stated."""
        found = await self.node.database.read(lambda tx: tx.find(TAKEN, order_by="waiting", after="", limit=PAGE))
        names = self.node.names()
        return [self._taken(one, names) for one in found]

    async def grant(self, request: str, claims: JsonObject, *, by: str) -> JsonObject:
        """As the issuer, have the credentials of a request issued, with the claims that are to be stated.

        Raises:
            CredentialUnknownError, RequestDecidedError: there is no such request that waits.
            DecisionError: a claim is missing, or is not to be stated.
            NotIssuedError: this holder does not get it any more.
        """
        decided = await self._issuer(request).grant(request, claims, by=by)
        return self._taken(decided, self.node.names())

    async def refuse(self, request: str, reason: str, *, by: str) -> JsonObject:
        """As the issuer, refuse a request; its holder is told the reason.

        Raises:
            CredentialUnknownError, RequestDecidedError: there is no such request that waits.
            DecisionError: there is no reason.
        """
        decided = await self._issuer(request).refuse(request, reason, by=by)
        return self._taken(decided, self.node.names())

    def _issuer(self, name: str) -> "CredentialIssuer":
        if not self.node.config.credentials.dcp or self.parts.issuer is None:
            raise CredentialUnknownError(id=name[:MOST_SHOWN])
        return self.parts.issuer

    def _taken(self, one: TakenRequest, names: Mapping[str, str]) -> JsonObject:
        kinds = [one_of for one_of in self.node.config.credentials.issued if _asks(one, one_of.type)]
        return {
            "id": one.id,
            "holder": one.holder,
            "name": names.get(one.holder, ""),
            "credentials": list(one.credentials),
            "state": "GRANTED" if one.granted and one.state == RECEIVED else one.state,
            "taken": one.taken,
            "reason": one.reason,
            "stated": list(dict.fromkeys(name for kind in kinds for name in kind.stated)),
        }

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
        return asdict(await self._issuer(credential).revoke(credential, by=by))


def _asks(request: TakenRequest, credential_type: str) -> bool:
    return not {credential_type, f"{credential_type}-1.1"}.isdisjoint(request.credentials)


def _shown(row: JsonObject) -> JsonObject:
    return {name: value for name, value in row.items() if name != "text"}
