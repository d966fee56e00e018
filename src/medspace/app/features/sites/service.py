"""The hospitals with which one's own datasets are summed under masks, as people see and change them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from medspace.connector.errors import UnknownDatasetError
from medspace.connector.local import Local
from medspace.connector.model import CATALOGUE
from medspace.connector.usage.conditions.numbers import disclosed, keep
from medspace.connector.usage.model import Disclosed
from medspace.core.actors import NOBODY
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.limits import SEATS
from medspace.core.store import Database, Transaction
from medspace.core.text import Text, msgid
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.privacy import overlaps
from medspace.privacy.masking.thresholds import LEAST_SITES
from medspace.trust.did import base_url


class SitesWishError(InvalidInputError):
    """A set of holders in which nothing can be summed."""

    code = "sites.wish"
    sentence = msgid("A dataset cannot be summed up in this set of hospitals: {reason}.")
    next_step = msgid(
        "Name every hospital of the set by its DID, your own among them: `medspace members` lists them."
    )


@dataclass(frozen=True, slots=True)
class SetsOfSites:
    """The set in force for each dataset, and the sets in which totals may have been opened."""

    database: Database
    local: Local

    async def of(self, dataset: str) -> JsonObject:
        """The sets of one dataset.

        Raises:
            UnknownDatasetError: it is not one's own dataset.
        """
        return shown(await self.database.read(lambda tx: self._known(tx, dataset)))

    async def change(self, dataset: str, sites: Sequence[str], *, accept: bool, by: str = NOBODY) -> JsonObject:
        """What another set would expose; with `accept`, it takes effect.

        Raises:
            UnknownDatasetError: it is not one's own dataset.
            SitesWishError: nothing can be summed in that set.
            DidError: a site is not a did:web.
        """
        new = tuple(sorted(set(sites)))
        self._check(new)

        def work(tx: Transaction) -> JsonObject:
            before = self._known(tx, dataset)
            after = replace(before, sites=new) if accept else before
            if accept:
                keep(tx, after)
                facts: JsonObject = {"asset": dataset, "sites": list(new)} | ({"by": by} if by else {})
                record(tx, Entry("sites.accepted", self.local.now(), self.local.did, facts))
            return shown(after) | {"exposes": exposure(before.sets, new)}

        return await self.database.write(work)

    def _check(self, sites: Sequence[str]) -> None:
        if not LEAST_SITES <= len(sites) <= SEATS:
            least = {"least": LEAST_SITES, "most": SEATS}
            raise SitesWishError(reason=Text(msgid("it has fewer than {least} members, or more than {most}"), least))
        if self.local.did not in sites:
            raise SitesWishError(reason=Text(msgid("your own hospital is not in it")))
        for site in sites:
            base_url(site)

    @staticmethod
    def _known(tx: Transaction, dataset: str) -> Disclosed:
        if tx.get(CATALOGUE, dataset) is None:
            raise UnknownDatasetError(dataset=dataset)
        return disclosed(tx, dataset)


def shown(kept: Disclosed) -> JsonObject:
    """`sites` is the set in force, empty before the first run.

    `sets` are all in which totals may have been opened.
    """
    return {"dataset": kept.id, "sites": list(kept.sites), "sets": [list(one) for one in kept.sets]}


def exposure(sets: Sequence[Sequence[str]], new: Sequence[str]) -> JsonObject:
    """What totals over one more set reveal, combined with those over the earlier sets; DIDs.

    `differences` are the hospitals whose sums make up the difference to each earlier set. `given_away` are those
    whose own sums follow; `nearly` are those whose own sums would follow if others were summed in the accompanying
    set, of which this connector need not learn.
    """
    others = [one for one in sets if set(one) != set(new)]
    before = overlaps.given_away(others)
    nearly: Mapping[str, frozenset[str]] = overlaps.completing(others, new)
    return {
        "differences": [sorted(overlaps.changed(one, new)) for one in others],
        "given_away": sorted(overlaps.given_away([*others, new]) - before),
        "nearly": {site: sorted(more) for site, more in nearly.items()},
    }
