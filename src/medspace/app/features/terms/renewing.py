"""Renewing and amending an agreement: what would differ, in words; then both sign a new one.

The Dataspace Protocol does not change an agreement (DSP 2025-1, 7): what is agreed next is another one, which both
sign as the first. A renewal stands beside the one before, which stays in force until it ends, and each use names its
own. An amendment takes its place: the new agreement names it (`dct:replaces`), so that both sign that as well, and it
ends on either side in the transaction that stores the new one. The user proposes one on an offer that the holder
publishes, the holder on an offer of its own; the other side sees the differences and answers.
"""

from dataclasses import dataclass

from medspace.app.doors.views import Speak
from medspace.app.features.terms.service import Terms
from medspace.connector.catalogue.finding import listed, ruleless
from medspace.connector.errors import OfferError, UnknownAgreementError
from medspace.connector.model import AGREEMENTS, CATALOGUE, Agreement, Negotiation
from medspace.connector.negotiation.messages import message_offer
from medspace.core.actors import NOBODY
from medspace.core.canonical import JsonObject
from medspace.core.errors import RefusedError
from medspace.core.hashing import digest, same_secret
from medspace.core.text import Text, msgid
from medspace.policy import odrl
from medspace.policy.changes import PolicyChange, compare
from medspace.policy.errors import InvalidPolicyError
from medspace.policy.model import Policy


class RenewalMovedError(RefusedError):
    """What the offer says now is not what was seen when the renewal was confirmed."""

    code = "agreement.renewal_moved"
    sentence = msgid("The offer of {holder} is not the one that you have seen.")
    next_step = msgid("Look at the differences again, and confirm them.")


class SameTermsError(RefusedError):
    """There is nothing to renew: the offer has the terms of the agreement."""

    code = "agreement.same_terms"
    sentence = msgid("No offer of {holder} differs from the agreement {agreement}.")
    next_step = msgid("Ask the holder for other terms, or negotiate again if the agreement is used up.")


@dataclass(frozen=True, slots=True)
class Renewing:
    """The agreements that one has with others, and what is offered now."""

    terms: Terms

    async def preview(self, agreement: str, speak: Speak, offer: str = "") -> JsonObject:
        """What would differ under an offer of the same dataset: the one named, or the first that differs.

        Nothing is asked for. `seen` is the digest of the terms that are shown.

        Raises:
            UnknownAgreementError: there is none.
            OfferError: there is no such offer that can be read; SameTermsError: none differs.
        """
        made, chosen, differs = await self._chosen(agreement, offer)
        return {
            "agreement": made.id,
            "role": "provider" if made.provider == self.terms.node.did else "consumer",
            "dataset": made.dataset,
            "holder": made.provider,
            "offer": chosen["@id"],
            "changes": [shown(one, speak) for one in differs],
            "seen": digest(chosen),
        }

    async def renew(self, agreement: str, seen: str, offer: str = "", *, by: str = NOBODY) -> Negotiation:
        """As the user, ask for the agreement that was previewed, beside the one before; both sign it.

        Raises:
            RenewalMovedError: the terms are not those that were seen.
            ...: as `preview`, and as for a negotiation.
        """
        made, chosen = await self._confirmed(agreement, seen, offer)
        if made.consumer != self.terms.node.did:
            raise UnknownAgreementError(agreement=agreement[:200])
        return await self.terms.negotiate(made.provider, made.dataset, str(chosen["@id"]), by=by)

    async def amend(self, agreement: str, seen: str, offer: str = "", *, by: str = NOBODY) -> Negotiation:
        """Propose the agreement that was previewed, in place of the one before; as its user or its holder.

        Raises:
            RenewalMovedError: the terms are not those that were seen.
            ...: as `preview`, and as for a negotiation.
        """
        made, chosen = await self._confirmed(agreement, seen, offer)
        node = self.terms.node
        holds = made.provider == node.did
        other, propose = made.provider, node.negotiations.request_negotiation
        if holds:
            other, propose = made.consumer, node.negotiations.offer_to
        address = await self.terms.finder.address(other)
        return await propose(other, address, chosen, made.dataset, replaces=made.id, by=by)

    async def _confirmed(self, agreement: str, seen: str, offer: str) -> tuple[Agreement, JsonObject]:
        made, chosen, _ = await self._chosen(agreement, offer)
        if not same_secret(seen, digest(chosen)):
            raise RenewalMovedError(holder=made.provider)
        return made, chosen

    async def _chosen(self, agreement: str, offer: str) -> tuple[Agreement, JsonObject, list[PolicyChange]]:
        made = await self.terms.node.database.read(lambda tx: tx.get(AGREEMENTS, agreement))
        if made is None:
            raise UnknownAgreementError(agreement=agreement[:200])
        before = odrl.parse(made.policy)
        offered = [one for one in await self._offers(made) if offer in ("", one.get("@id")) and not ruleless(one)]
        if not offered:
            raise OfferError(reason=Text(msgid("the dataset has no offer {offer}"), {"offer": offer[:200] or "-"}))
        for one in offered:
            terms = _read(one, made.dataset)
            if terms is not None and not odrl.same_terms(before, terms):
                return made, one, compare(before, terms)
        raise SameTermsError(holder=made.provider, agreement=made.id)

    async def _offers(self, made: Agreement) -> list[JsonObject]:
        if made.provider != self.terms.node.did:
            return list(listed(made.provider, await self.terms.finder.dataset(made.provider, made.dataset))["offers"])
        found = await self.terms.node.database.read(lambda tx: tx.get(CATALOGUE, made.dataset))
        return [] if found is None else list(found.offers)


async def changes_of(terms: Terms, negotiation: Negotiation, speak: Speak) -> list[JsonObject]:
    """What a negotiation would change in the agreement whose place it takes; nothing where there is none."""
    table = negotiation.agreement or negotiation.offer
    replaced = table.get(odrl.REPLACES)
    made = await terms.node.database.read(lambda tx: tx.get(AGREEMENTS, str(replaced))) if replaced else None
    if made is None or negotiation.counterparty not in (made.provider, made.consumer):
        return []
    return [shown(one, speak) for one in compare(odrl.parse(made.policy), odrl.parse(table))]


def shown(change: PolicyChange, speak: Speak) -> JsonObject:
    """A change as people and programs see it."""
    sides = {"before": change.before, "after": change.after}
    said = {name: None if text is None else text.render(speak) for name, text in sides.items()}
    return {"effect": change.effect.value, **said, "sentence": change.text.render(speak)}


def _read(offer: JsonObject, dataset: str) -> Policy | None:
    try:
        return odrl.parse(message_offer(offer, dataset))
    except InvalidPolicyError:
        return None
