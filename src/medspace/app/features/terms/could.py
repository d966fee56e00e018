"""Searching by what one may do: the datasets of others of which some offer would allow a use that is described."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec

from medspace.app.doors.views import Speak, contract
from medspace.app.features.terms import views
from medspace.app.features.terms.searching import CatalogueWishes, Searching
from medspace.app.features.terms.trying import instant_of, kind_of, place, purpose
from medspace.app.node.node import Node
from medspace.connector.catalogue.finding import ruleless
from medspace.connector.catalogue.pace import paced
from medspace.connector.negotiation.messages import message_offer
from medspace.core.canonical import Json, JsonObject
from medspace.core.decision import Decision
from medspace.policy import odrl
from medspace.policy.actions import action_of
from medspace.policy.errors import InvalidPolicyError
from medspace.policy.masks import protection
from medspace.policy.model import UseRequest
from medspace.policy.service import foreign_run

UNREADABLE = "offer.unreadable"


@dataclass(frozen=True, slots=True)
class CouldWishes:
    """A use that somebody would make: its kind, purpose and place, at a time; and words that a dataset has."""

    use: str
    purpose: str = ""
    place: str = ""
    at: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Could:
    """Finds datasets by what one may do with them, as far as their offers say."""

    node: Node
    searching: Searching

    async def search(self, wishes: CouldWishes, speak: Speak) -> JsonObject:
        """The datasets of which an offer allows it, each with that offer in words; how many others say no, and why.

        Of the data of others nobody but their holder knows the label, so a holder may still refuse.

        Raises:
            UseUnknownError, PurposeUnknownError, PlaceUnknownError, InstantError: terms know no such thing.
        """
        request = self._request(wishes)
        found, catalogues = await self.searching.search(CatalogueWishes(words=wishes.words))
        judged = await paced(_judged(found.page, request))
        refused = Counter(code for _, _, code in judged if code)
        return {
            "datasets": [_shown(dataset, offer, speak) for dataset, offer, code in judged if not code],
            "refused": dict(sorted(refused.items())),
            "problems": [views.unheard(did, error, speak) for did, error in catalogues.unheard],
        }

    def _request(self, wishes: CouldWishes) -> UseRequest:
        return UseRequest(
            action=action_of(kind_of(wishes.use, self.node.kinds)),
            assignee=self.node.did,
            purpose=purpose(wishes.purpose) or None,
            region=place(wishes.place) or self.node.region(self.node.did),
            time=instant_of(wishes.at) if wishes.at else self.node.clock.now(),
            count=0,
        )


def _judged(found: Sequence[JsonObject], request: UseRequest) -> Iterator[tuple[JsonObject, JsonObject, str]]:
    """Each dataset with the offer that allows the use, and "", or with the code of the first refusal."""
    for dataset in found:
        refusals: list[str] = []
        for offer in _unpacked(dataset["offers"]):
            code = UNREADABLE if ruleless(offer) else _code(offer, str(dataset["id"]), request)
            if not code:
                yield dataset, offer, ""
                break
            refusals.append(code)
        else:
            yield dataset, {}, refusals[0] if refusals else UNREADABLE


def _unpacked(offers: Json | msgspec.Raw) -> list[JsonObject]:
    """The offers of a dataset, which searches keep as they came."""
    read = msgspec.json.decode(offers) if isinstance(offers, msgspec.Raw) else offers
    return [one for one in read if isinstance(one, dict)] if isinstance(read, list) else []


def _code(offer: JsonObject, dataset: str, request: UseRequest) -> str:
    """Why an offer does not allow a use; "" where it does."""
    try:
        terms = odrl.parse(message_offer(offer, dataset))
    except InvalidPolicyError:
        return UNREADABLE
    made: Decision = foreign_run(terms, replace(request, target=dataset, protection=protection(terms))).decision
    return "" if made.permitted else made.code


def _shown(dataset: JsonObject, offer: JsonObject, speak: Speak) -> JsonObject:
    told = {name: dataset[name] for name in ("id", "title", "participant", "formats")}
    return {**told, "offer": offer.get("@id", ""), "contract": contract(offer, speak)}
