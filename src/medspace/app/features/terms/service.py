"""Finding what others offer, and agreeing on it."""

from dataclasses import dataclass

from medspace.app.doors.views import version_of
from medspace.app.node.lists import FIRST, PageRequest
from medspace.app.node.node import Node
from medspace.connector.catalogue.finding import Finder, RulelessError, listed, ruleless
from medspace.connector.errors import MovedError, OfferError
from medspace.connector.model import (
    AGREEMENTS,
    CATALOGUE,
    NEGOTIATIONS,
    Agreement,
    Dataset,
    Negotiation,
    NegotiationState,
    Role,
)
from medspace.connector.negotiation.messages import message_offer
from medspace.connector.negotiation.rules import counted, in_force
from medspace.connector.usage.spent import begun, exhausted
from medspace.core.actors import NOBODY
from medspace.core.canonical import JsonObject
from medspace.core.paging import each
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.policy import odrl, templates

DOWNLOAD = "HttpData-PULL"


@dataclass(frozen=True, slots=True)
class Terms:
    """Catalogues, negotiations, agreements, as this participant's people ask for them."""

    node: Node
    finder: Finder

    async def datasets(self, page: PageRequest = FIRST) -> list[Dataset]:
        """A page of one's own published datasets, by identity."""
        after = page.after or None
        return await self.node.database.read(lambda tx: tx.find(CATALOGUE, after=after, limit=page.limit))

    async def negotiate(self, participant: str, dataset: str, offer: str = "", *, by: str = NOBODY) -> Negotiation:
        """Ask for an agreement on an offer of the dataset, exactly as it is published.

        Terms that bound the number of uses are agreed only once: while they are in force and not used up, the
        existing negotiation is returned; so is an open one on these terms. A used-up agreement is never returned: the
        holder is asked again, and decides for itself whether it counts uses as we do.

        Raises:
            UnknownDatasetError: there is no such dataset.
            OfferError: it has no such offer.
        """
        described = listed(participant, await self.finder.dataset(participant, dataset))
        chosen = [o for o in described["offers"] if offer in ("", o.get("@id"))]
        if chosen and all(map(ruleless, chosen)):
            raise RulelessError
        chosen = [o for o in chosen if not ruleless(o)]
        if not chosen:
            raise OfferError(reason=Text(msgid("the dataset has no offer {offer}"), {"offer": offer or "-"}))
        terms = message_offer(chosen[0], dataset)
        held = await self._agreement_on(participant, dataset)
        if held is not None and self._bounds(held, terms) and not await self._used_up(held):
            return await self.node.negotiations.find(held.negotiation)
        asked = await self._open_on(participant, terms) if counted(odrl.parse(terms)) else None
        if asked is not None:  # a person may have to answer it; asking twice would give them two to answer
            return asked
        return await self._request(participant, dataset, chosen[0], by)

    async def _used_up(self, held: Agreement) -> bool:
        """Whether an agreement may have no uses left: as many were begun as it allows, or the holder said so."""
        count, refused = await self.node.database.read(lambda tx: begun(tx, held.id))
        return refused or exhausted(held, count, self.node.clock.now())

    async def _open_on(self, participant: str, terms: JsonObject) -> Negotiation | None:
        """Our negotiation on these terms that awaits the participant's answer, if there is one."""
        where = {"role": Role.CONSUMER, "counterparty": participant, "state": NegotiationState.REQUESTED}
        wanted, target = odrl.parse(terms), terms["target"]

        def look(tx: Transaction) -> Negotiation | None:
            open_ = (n for n in each(tx, NEGOTIATIONS, where) if n.dataset == target)
            return next((n for n in open_ if odrl.same_terms(odrl.parse(n.offer), wanted)), None)

        return await self.node.database.read(look)

    def _bounds(self, held: Agreement, offer: JsonObject) -> bool:
        """Whether an agreement in force has the terms of the offer, and they bound the number of uses."""
        policy = odrl.parse(held.policy)
        same = counted(policy) and odrl.same_terms(policy, odrl.parse(offer))
        return same and in_force(held, self.node.clock.now(), self.node.region(held.consumer))

    async def download(self, participant: str, dataset: str, *, by: str = NOBODY) -> JsonObject:
        """Ask for the rows: by a transfer under an agreement in force, or by negotiating an agreement to download.

        Raises:
            UnknownDatasetError: there is no such dataset.
            OfferError: it has no offer.
        """
        agreement = await self._agreement_on(participant, dataset)
        if agreement is not None:
            transfer = await self.node.transfers.request_transfer(agreement.id, DOWNLOAD, by=by)
            return {"id": transfer.id, "path": "transfers", "counterparty": participant}
        described = listed(participant, await self.finder.dataset(participant, dataset))
        if not described["offers"]:
            raise OfferError(reason=Text(msgid("the dataset has no offer {offer}"), {"offer": "-"}))
        wish = templates.build("download", offer_id=str(described["offers"][0].get("@id")))
        negotiation = await self._request(participant, dataset, wish, by)
        return {"id": negotiation.id, "path": "negotiations", "counterparty": participant}

    async def _request(self, participant: str, dataset: str, offer: JsonObject, by: str) -> Negotiation:
        address = await self.finder.address(participant)
        return await self.node.negotiations.request_negotiation(participant, address, offer, dataset, by=by)

    async def _agreement_on(self, participant: str, dataset: str) -> Agreement | None:
        where = {"provider": participant, "consumer": self.node.did, "dataset": dataset}
        found = await self.node.database.read(
            lambda tx: tx.find(AGREEMENTS, where=where, order_by="finalized", descending=True, limit=1)
        )
        return found[0] if found else None

    async def negotiations(self, page: PageRequest = FIRST) -> list[Negotiation]:
        """A page of negotiations, the newest first."""
        return await self.node.negotiations.recent(after=page.cursor(), limit=page.limit)

    async def negotiation(self, pid: str) -> Negotiation:
        """One negotiation."""
        return await self.node.negotiations.find(pid)

    async def answer(self, pid: str, *, approve: bool, reason: str, by: str = NOBODY, seen: str = "") -> Negotiation:
        """A person's decision on a negotiation that waits for it, in the version that they have `seen`.

        Raises:
            MovedError: it has another one by now.
        """

        def still(found: Negotiation) -> None:
            if seen and version_of(found) != seen:
                raise MovedError

        if approve:
            return await self.node.negotiations.approve(pid, by=by, still=still)
        return await self.node.negotiations.reject(pid, reason, by=by, still=still)
