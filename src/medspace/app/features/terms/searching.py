"""Searching what members offer: by words and by facets, in catalogues that may have been read a while ago."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from medspace.app.doors.views import Speak
from medspace.app.features.terms.service import Terms
from medspace.app.node.lists import PageError
from medspace.connector.catalogue import facets
from medspace.connector.catalogue.facets import FacetIndex, FoundDatasets
from medspace.connector.catalogue.finding import Unheard
from medspace.connector.catalogue.pace import paced
from medspace.connector.catalogue.shares import BoundedLook, PartlySearchedError, within_shares
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid
from medspace.policy.actions import action_of
from medspace.policy.actions import words as action_words
from medspace.policy.purposes import words as purpose_words

MOST_KEPT = 20_000  # datasets of all members that are searched at once and kept for the next search ...
LARGEST_KEPT = 64 << 20  # ... and bytes of them
OLDEST = 600  # seconds
Members = tuple[tuple[str, str, str | None], ...]  # each with its name and its region


@dataclass(frozen=True, slots=True)
class CatalogueWishes:
    """What to look for: words, values of facets; at one participant, or at all members ("").

    Catalogues that were read at most `age` seconds ago are not asked for again. Each facet is told with its `most`
    commonest values; 0 tells none.
    """

    words: str = ""
    chosen: Mapping[str, Sequence[str]] = field(default_factory=dict)
    participant: str = ""
    age: float = 0.0
    after: str = ""
    limit: int = MOST_KEPT
    most: int = 0

    @property
    def narrow(self) -> bool:
        """Whether more than a list of everything is wanted."""
        return bool(self.words.split() or self.most or any(self.chosen.values()))


@dataclass(frozen=True, slots=True)
class Catalogues:
    """The catalogues of several members as they were at one time, and who was not searched in full."""

    read: datetime
    members: Members
    index: FacetIndex
    unheard: Sequence[Unheard]


class Searching:
    """Searches the catalogues of the others."""

    def __init__(self, terms: Terms, timer: Callable[[], float] = time.perf_counter) -> None:
        self._terms = terms
        self._timer = timer
        self._kept: Catalogues | None = None
        self._reading = asyncio.Lock()

    async def search(self, wishes: CatalogueWishes) -> tuple[FoundDatasets, Catalogues]:
        """What is found, and in what.

        Raises:
            PageError: the page begins behind a dataset that is not there (any more).
            ...: as for the catalogue of the one participant that was named.
        """
        catalogues = await self._catalogues(wishes)
        if wishes.after and not catalogues.index.knows(wishes.after):
            raise PageError(text=wishes.after)
        steps = catalogues.index.searching(
            wishes.words, wishes.chosen, after=wishes.after, limit=wishes.limit, most=wishes.most
        )
        (found,) = [one for one in await paced(steps) if one is not None]
        return found, catalogues

    async def _catalogues(self, wishes: CatalogueWishes) -> Catalogues:
        if wishes.participant:
            return await self._indexed(await self._terms.finder.catalog(wishes.participant), [], narrow=wishes.narrow)
        if not wishes.age:
            return await self._read(narrow=wishes.narrow)
        async with self._reading:  # whoever comes meanwhile needs the same
            kept = self._kept
            if kept is None or not self._fresh(kept, wishes.age):
                kept = await self._read(narrow=True)
            return kept

    def _fresh(self, kept: Catalogues, age: float) -> bool:
        young = self._terms.node.clock.now() - kept.read <= timedelta(seconds=age)
        return young and kept.members == self._members()

    def _members(self) -> Members:
        others = (member for member in self._terms.node.members() if member.did != self._terms.node.did)
        return tuple((member.did, member.name, self._terms.node.region(member.did)) for member in others)

    async def _read(self, *, narrow: bool) -> Catalogues:
        found, unheard = await self._terms.finder.everywhere([did for did, _, _ in self._members()])
        made = await self._indexed(found, unheard, narrow=narrow, shared=narrow)
        if narrow:
            self._kept = made
        return made

    async def _indexed(
        self, found: list[JsonObject], unheard: list[Unheard], *, narrow: bool, shared: bool = False
    ) -> Catalogues:
        read, members, cut = self._terms.node.clock.now(), self._members(), Counter[str]()
        found.sort(key=lambda one: (one["title"], one["participant"], one["id"]))
        if shared:
            found, out = within_shares(found, MOST_KEPT, LARGEST_KEPT)
            cut.update(out)
        if narrow:
            look = BoundedLook(self._timer)
            known = {did: (name, region) for did, name, region in members}
            facts = [one for one in await paced(look.facts(found, known)) if one is not None]
            cut.update(look.cut)
        else:
            facts = [facets.NOTHING] * len(found)
        index = FacetIndex()
        await paced(index.building(zip(found, facts, strict=True)))
        partly = [(did, PartlySearchedError(did=did, count=count)) for did, count in cut.items() if count]
        return Catalogues(read, members, index, [*unheard, *partly])


def label(facet: str, value: str, names: Mapping[str, str], speak: Speak) -> str:
    """What a value of a facet is called."""
    if facet == facets.HOLDER:
        return names.get(value) or value
    if facet == facets.PURPOSE:
        return purpose_words(value).render(speak)
    if facet == facets.KIND:
        return action_words(action_of(value)).render(speak)
    if facet == facets.SIZE:
        return Text(msgid("at least {count} patients"), {"count": value}).render(speak)
    return speak(msgid("without an end")) if (facet, value) == (facets.UNTIL, facets.OPEN) else value
