"""Renewing and amending an agreement: what would differ, in words; then both sign anew, on an offer of its holder.

The Dataspace Protocol does not change an agreement (DSP 2025-1, 7): what is agreed next is another one, which both
sign as the first. The one before stays in force until it ends or its holder ends it, so several may stand beside each
other, and each use names its own.
"""

from dataclasses import dataclass

from medspace.app.doors.views import Speak
from medspace.app.features.terms.service import Terms
from medspace.connector.catalogue.finding import listed, ruleless
from medspace.connector.errors import OfferError, UnknownAgreementError
from medspace.connector.model import AGREEMENTS, Agreement, Negotiation
from medspace.connector.negotiation.messages import message_offer
from medspace.core.actors import NOBODY
from medspace.core.canonical import JsonObject
from medspace.core.errors import RefusedError
from medspace.core.hashing import digest, same_secret
from medspace.core.text import Text, msgid
from medspace.policy import odrl, words
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
    """Agreements that one has with others, and what their holders offer now."""

    terms: Terms

    async def preview(self, agreement: str, speak: Speak, offer: str = "") -> JsonObject:
        """What would differ under an offer of the same dataset: the one named, or the first that differs.

        Nothing is asked for. `seen` is the digest of the terms that are shown.

        Raises:
            UnknownAgreementError: there is none as user.
            OfferError: there is no such offer that can be read; SameTermsError: none differs.
        """
        made, chosen, differs = await self._chosen(agreement, offer)
        return {
            "agreement": made.id,
            "dataset": made.dataset,
            "holder": made.provider,
            "offer": chosen["@id"],
            "changes": [text.render(speak) for text in differs],
            "seen": digest(chosen),
        }

    async def renew(self, agreement: str, seen: str, offer: str = "", *, by: str = NOBODY) -> Negotiation:
        """Ask for the agreement that was previewed; both sign it, as every other.

        Raises:
            RenewalMovedError: the terms are not those that were seen.
            ...: as `preview`, and as for a negotiation.
        """
        made, chosen, _ = await self._chosen(agreement, offer)
        if not same_secret(seen, digest(chosen)):
            raise RenewalMovedError(holder=made.provider)
        return await self.terms.negotiate(made.provider, made.dataset, str(chosen["@id"]), by=by)

    async def _chosen(self, agreement: str, offer: str) -> tuple[Agreement, JsonObject, list[Text]]:
        made = await self.terms.node.database.read(lambda tx: tx.get(AGREEMENTS, agreement))
        if made is None or made.consumer != self.terms.node.did:
            raise UnknownAgreementError(agreement=agreement[:200])
        described = listed(made.provider, await self.terms.finder.dataset(made.provider, made.dataset))
        before = odrl.parse(made.policy)
        offered = [one for one in described["offers"] if offer in ("", one.get("@id")) and not ruleless(one)]
        if not offered:
            raise OfferError(reason=Text(msgid("the dataset has no offer {offer}"), {"offer": offer[:200] or "-"}))
        for one in offered:
            terms = _read(one, made.dataset)
            if terms is not None and not odrl.same_terms(before, terms):
                return made, one, words.difference(before, terms)
        raise SameTermsError(holder=made.provider, agreement=made.id)


def _read(offer: JsonObject, dataset: str) -> Policy | None:
    try:
        return odrl.parse(message_offer(offer, dataset))
    except InvalidPolicyError:
        return None
