"""One dataset for people: who offers it, what its columns mean, on which terms, and the possible next steps.

Another participant's description may contain anything, so all of it is treated as text and limited to a readable
length.
"""

import asyncio
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from medspace.app.doors.views import Speak, contract
from medspace.app.features.terms.service import Terms
from medspace.app.node.node import Node
from medspace.connector.catalogue import figures
from medspace.connector.catalogue.finding import listed, ruleless
from medspace.connector.errors import UnknownDatasetError
from medspace.connector.model import AGREEMENTS, CATALOGUE, Agreement, Dataset
from medspace.connector.negotiation.messages import message_offer
from medspace.connector.negotiation.rules import in_force
from medspace.connector.usage import ended
from medspace.connector.usage.model import LABELS
from medspace.core.canonical import Json, JsonObject
from medspace.core.text import Text, msgid
from medspace.policy import purposes
from medspace.policy.actions import action_of
from medspace.policy.actions import words as action_words

MOST_COLUMNS = 1_000
MOST_CODES = 200
LONGEST = 2_000  # characters of one text
ROUND = 10  # persons: people are shown no finer number
_PATIENTS = Text(
    msgid("How many patients it is about: its holder does not publish it. A training may say so, by its terms.")
)
_MISSING = Text(msgid("How often a value is missing: its holder does not publish it."))
_QUALITY = Text(msgid("How good the data are, beyond what the dictionary says of units, codes and ranges."))
_CONSENT = Text(msgid("For how many of the patients there is consent to which purpose."))
_PRICE = Text(msgid("A price: no terms ask for one here."))
_FEW = Text(msgid("How many patients it is about: too few for the step in which figures are published."))
_SHARES = Text(msgid("How often a value is missing: too few patients for the steps of such shares."))
_FIELDS = ("name", "type", "description", "unit", "system", "minimum", "maximum")


@dataclass(frozen=True, slots=True)
class Showing:
    """Shows one dataset, one's own or another participant's."""

    terms: Terms

    @property
    def node(self) -> Node:
        """The connector."""
        return self.terms.node

    async def show(self, participant: str, dataset: str, speak: Speak) -> JsonObject:
        """A dataset with its dictionary, its offers in words, and the possible next steps; "" is oneself.

        Raises:
            UnknownDatasetError: there is none with that name.
            ...: as for the other participant's catalogue, where it is unavailable.
        """
        own = participant in ("", self.node.did)
        found = await (self._own(dataset) if own else self._other(participant, dataset))
        holder = self.node.did if own else participant
        agreed = await self._agreements(holder, dataset)
        described = _mapping(found["dictionary"])
        offers = [self._offer(offer, dataset, speak) for offer in found["offers"] if isinstance(offer, dict)]
        return {
            "dataset": dataset,
            "participant": holder,
            "participant_name": self.node.names().get(holder, ""),
            "own": own,
            "offered": found.get("offered", True),
            "title": found["title"],
            "description": found["description"] or _text(described.get("description")),
            "keywords": found["keywords"],
            "formats": found["formats"],
            "digest": found["digest"],
            "persons_about": found.get("persons_about"),
            "figures": found["figures"],
            "reached": [
                {"purpose": name, "words": purposes.words(name).render(speak), "count": count}
                for name, count in found["figures"]["reached"].items()
            ],
            "person": _text(described.get("person")),
            "columns": _columns(described),
            "outcomes": [_text(each) for each in _sequence(described.get("outcomes"))[:MOST_COLUMNS]],
            "offers": offers,
            "uses": [action_words(action_of(one)).render(speak) for one in found["formats"][:MOST_CODES]],
            "unpublished": [text.render(speak) for text in _unpublished(found["figures"], found.get("publish", ()))],
            "label": found.get("label"),
            "agreements": agreed,
            "next": _next(holder, dataset, own=own, agreed=bool(agreed), offers=bool(offers)),
        }

    async def _own(self, dataset: str) -> JsonObject:
        state = next((one for one in self.node.assets.states if one.id == dataset), None)
        published = await self.node.database.read(lambda tx: tx.get(CATALOGUE, dataset))
        labelled = await self.node.database.read(lambda tx: tx.get(LABELS, dataset))
        if state is None and published is None:
            raise UnknownDatasetError(dataset=dataset)
        holding = state.holding if state is not None else None
        shown: Dataset = published or (holding.dataset if holding else state.prepared.dataset)  # type: ignore[union-attr]
        persons = await asyncio.to_thread(lambda: holding.checked.persons) if holding is not None else None
        return {
            "title": shown.title,
            "description": shown.description,
            "keywords": list(shown.keywords),
            "formats": list(shown.formats),
            "digest": shown.digest,
            "dictionary": shown.dictionary,
            "figures": figures.read(shown.figures),
            "publish": state.prepared.publish if state is not None else (),
            "offers": [dict(offer) for offer in shown.offers],
            "offered": published is not None,
            "label": labelled.label if labelled else {},
            "persons_about": None if persons is None else persons // ROUND * ROUND,
        }

    async def _other(self, participant: str, dataset: str) -> JsonObject:
        return listed(participant, await self.terms.finder.dataset(participant, dataset))

    def _offer(self, offer: JsonObject, dataset: str, speak: Speak) -> JsonObject:
        usable = not ruleless(offer)
        told = contract(message_offer(offer, dataset), speak) if usable else []
        return {"id": _text(offer.get("@id")), "usable": usable, "contract": told}

    async def _agreements(self, holder: str, dataset: str) -> list[str]:
        """The agreements in force on the dataset: others' with us as its holder, ours with its holder."""
        where = {"provider": holder, "dataset": dataset}
        where |= {} if holder == self.node.did else {"consumer": self.node.did}
        now = self.node.clock.now()

        def holds(one: Agreement) -> bool:
            return in_force(one, now, self.node.region(one.consumer))

        found = await self.node.database.read(
            lambda tx: [one for one in tx.find(AGREEMENTS, where=where, limit=1_000) if not ended.is_ended(tx, one)]
        )
        return [one.id for one in found if holds(one)]


def _unpublished(said: JsonObject, publish: Collection[str]) -> Sequence[Text]:
    """What people look for on a card and is not published: silence would be taken for an answer.

    `publish` is what oneself publishes, of one's own dataset: only its holder is told that the patients are too few.
    """
    patients, missing = said["persons"] is None, not said["missing"]
    first = [_FEW if figures.SIZE in publish else _PATIENTS] if patients else []
    second = [_SHARES if figures.MISSING in publish else _MISSING] if missing else []
    consent = [] if said["reached"] else [_CONSENT]
    return (*first, *second, _QUALITY, *consent, _PRICE)


def _columns(described: Mapping[str, Json]) -> list[JsonObject]:
    """The columns of a dictionary, which anyone may have written."""
    shown: list[JsonObject] = []
    for column in _sequence(described.get("columns"))[:MOST_COLUMNS]:
        said = _mapping(column)
        one: JsonObject = {name: text for name in _FIELDS if (text := _text(said.get(name)))}
        codes = {_text(code): _text(means) for code, means in list(_mapping(said.get("codes")).items())[:MOST_CODES]}
        missing = [_text(each) for each in _sequence(said.get("missing"))[:MOST_CODES]]
        more: JsonObject = {"codes": codes, "missing": missing}
        more |= {name: True for name in ("required", "others") if said.get(name) is True}
        shown.append(one | {name: value for name, value in more.items() if value})
    return shown


def _next(holder: str, dataset: str, *, own: bool, agreed: bool, offers: bool) -> list[str]:
    """The possible next steps, as commands that can be copied and run."""
    name = shlex.quote(dataset)
    if own:
        return [f"medspace offer change {name}", f"medspace label {name}", f"medspace policy try {name}"]
    if agreed:
        return [f"medspace train TASK.toml --dataset {name}"]
    return [f"medspace negotiate {shlex.quote(holder)} {name}"] if offers else []


def _text(value: Json) -> str:
    return value[:LONGEST] if isinstance(value, str) else ""


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _sequence(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list | tuple) else ()
