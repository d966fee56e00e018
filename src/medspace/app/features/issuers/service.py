"""Issuers and credentials as people see them: who is believed, who has proved what, what was issued here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medspace.app.doors.views import Speak
from medspace.app.node.lists import PageRequest
from medspace.app.node.node import Node
from medspace.core.canonical import JsonObject
from medspace.core.clock import stamp
from medspace.core.credentials import ANY, Believed
from medspace.core.paging import each, newest
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.policy.credentials import TYPES
from medspace.services.issuers import facts, rules
from medspace.services.issuers.model import (
    CURRENT,
    DELIVERIES,
    ISSUED,
    NARROWED,
    RECEIVED,
    STATUSES,
    TRUST,
    Narrowed,
    ReceivedCredential,
    SignedCredential,
)

if TYPE_CHECKING:
    from medspace.app.features.issuers.arriving import Presented
    from medspace.services.issuers.issuing import IssuingWish

_HOLDS, _REVOKED, _OVER, _UNKNOWN, _EARLY = (
    msgid("holds"),
    msgid("revoked"),
    msgid("over"),
    msgid("counts for nothing: its issuer is not believed, or its status list is missing"),
    msgid("not yet"),
)


@dataclass(frozen=True, slots=True)
class Issuers:
    """Who is believed here, and what was proved and issued."""

    node: Node

    async def believed(self) -> JsonObject:
        """Who is believed for what, and until when the authority has said so."""

        def look(tx: Transaction) -> JsonObject:
            trust, own = tx.get(TRUST, CURRENT), {one.id: one for one in each(tx, NARROWED, {})}
            shown = [] if trust is None else [self._entry(one, own.get(one.type)) for one in trust.believed]
            until = None if trust is None else trust.expires
            return {
                "issuers": shown,
                "until": until,
                "narrowed": {name: list(one.issuers) for name, one in own.items()},
            }

        return await self.node.database.read(look)

    def _entry(self, one: Believed, own: Narrowed | None) -> JsonObject:
        kept = one.issuers if own is None else tuple(did for did in one.issuers if did in own.issuers)
        return {
            "type": one.type,
            "issuers": [self._party(did) for did in kept],
            "left_out": [did for did in one.issuers if did not in kept],
            "claims": None if ANY in one.claims else list(one.claims),
            "where": one.where,
        }

    def _party(self, did: str) -> JsonObject:
        return {"did": did, "name": self.node.names().get(did, "")}

    async def believe(self, wanted: Believed, *, by: str) -> JsonObject:
        """As the authority, say who is believed for a type.

        Raises:
            NotTrustKeeperError, IssuingError: as `believing.believe`.
        """
        from medspace.app.features.issuers.believing import believe  # noqa: PLC0415 - not at the start

        await believe(self.node, wanted, by)
        return await self.believed()

    async def narrow(self, type_: str, issuers: Sequence[str] | None, *, by: str) -> JsonObject:
        """Believe fewer than the authority does; None: as many.

        Raises:
            IssuingError: as `believing.narrow`.
        """
        from medspace.app.features.issuers.believing import narrow  # noqa: PLC0415 - as above

        await narrow(self.node, type_, issuers, by)
        return await self.believed()

    async def refresh(self) -> JsonObject:
        """Fetch the trust list from the authority now; as the authority, sign it anew where it is due.

        Raises:
            TrustListError, TrustOlderError: it does not hold.
        """
        from medspace.app.features.issuers.arriving import refresh_trust  # noqa: PLC0415 - as above
        from medspace.app.features.issuers.believing import renew_trust  # noqa: PLC0415 - as above

        if not await refresh_trust(self.node):
            await renew_trust(self.node)
        return await self.believed()

    # --- received --------------------------------------------------------------------------------------------

    async def received(self, page: PageRequest, speak: Speak, subject: str = "") -> list[JsonObject]:
        """A page of the credentials that were received, newest first; of one participant, if it is named."""
        where = {"subject": subject} if subject else {}
        found = await newest(self.node.database, RECEIVED, where, page.cursor(), page.limit, by="received")
        names = self.node.names()

        def look(tx: Transaction) -> list[JsonObject]:
            return [self._received(tx, one, names, speak) for one in found]

        return await self.node.database.read(look)

    def _received(
        self, tx: Transaction, one: ReceivedCredential, names: Mapping[str, str], speak: Speak
    ) -> JsonObject:
        now, trust = self.node.clock.now(), tx.get(TRUST, CURRENT)
        status = tx.get(STATUSES, one.list) if one.list else None
        found = [] if trust is None else list(rules.proved([(one, status)], trust, facts.narrowing(tx)))
        state = _state(one, [(proof.since <= now, now < proof.until) for proof in found])
        return {
            "id": one.id,
            "types": list(one.types),
            "words": [words_of(name).render(speak) for name in one.types],
            "subject": one.subject,
            "name": names.get(one.subject, ""),
            "issuer": one.issuer,
            "issuer_name": names.get(one.issuer, ""),
            "since": one.since,
            "until": one.until or None,
            "counts_until": stamp(max(proof.until for proof in found)) if found else None,
            "received": one.received,
            "state": state,
            "said": Text(STATES[state]).render(speak),
        }

    async def keep(self, presented: "Presented") -> JsonObject:
        """Keep credentials that a participant has handed over by other means.

        Raises:
            CredentialError, ...: they do not hold.
        """
        from medspace.app.features.issuers.arriving import Arriving  # noqa: PLC0415 - as above

        taken = await Arriving(self.node).take(presented, self.node.did)
        return {"taken": [one.id for one in taken]}

    # --- issued ----------------------------------------------------------------------------------------------

    async def issue(self, wish: "IssuingWish", *, by: str) -> JsonObject:
        """Sign a credential and have it sent.

        Raises:
            IssuingError: it cannot be issued.
        """
        from medspace.app.features.issuers.believing import issuer_of_node  # noqa: PLC0415 - as above
        from medspace.services.issuers import issuing  # noqa: PLC0415 - as above

        issuer, now = issuer_of_node(self.node), self.node.clock.now()
        made = await self.node.database.write(lambda tx: issuing.issue(tx, issuer, wish, now, by))
        return _issued(made, self.node.names())

    async def revoke(self, credential: str, *, by: str) -> JsonObject:
        """Revoke a credential that was issued here; everybody who was sent it is told at once.

        Raises:
            UnknownCredentialError: there is none.
        """
        from medspace.app.features.issuers.believing import issuer_of_node  # noqa: PLC0415 - as above
        from medspace.services.issuers import issuing  # noqa: PLC0415 - as above

        issuer, now = issuer_of_node(self.node), self.node.clock.now()
        made = await self.node.database.write(lambda tx: issuing.revoke(tx, issuer, credential, now, by))
        return _issued(made, self.node.names())

    async def issued(self, page: PageRequest) -> list[JsonObject]:
        """A page of what was issued here, newest first, and who has not taken it yet."""
        found = await newest(self.node.database, ISSUED, {}, page.cursor(), page.limit, by="issued")
        names = self.node.names()

        def look(tx: Transaction) -> list[JsonObject]:
            lists = {one.list for one in found}
            owed = [one for name in lists for one in each(tx, DELIVERIES, {"list": name}) if one.step is not None]
            return [
                _issued(one, names)
                | {"waiting": [{"receiver": d.receiver, "code": d.code} for d in owed if d.credential == one.id]}
                for one in found
            ]

        return await self.node.database.read(look)


STATES = {"holds": _HOLDS, "revoked": _REVOKED, "over": _OVER, "unknown": _UNKNOWN, "early": _EARLY}


def _state(one: ReceivedCredential, times: Sequence[tuple[bool, bool]]) -> str:
    if one.revoked:
        return "revoked"
    if not times:
        return "unknown"
    if any(begun and lasting for begun, lasting in times):
        return "holds"
    return "over" if not any(lasting for _, lasting in times) else "early"


def words_of(name: str) -> Text:
    """A type of credential in words."""
    return TYPES.get(name) or Text("{name}", {"name": name})


def _issued(one: SignedCredential, names: Mapping[str, str]) -> JsonObject:
    return {
        "id": one.id,
        "types": list(one.types),
        "subject": one.subject,
        "name": names.get(one.subject, ""),
        "issued": one.issued,
        "until": one.until,
        "revoked": one.revoked or None,
    }
