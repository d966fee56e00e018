"""The holders of a run: as many as all conditions want, and the same from beginning to end."""

from dataclasses import dataclass

from medspace.connector.usage import brakes
from medspace.connector.usage.calls import Asking, sites_digest
from medspace.connector.usage.conditions import PERMITTED, Grounds, Neutral
from medspace.core.decision import Decision, combine
from medspace.core.store import Transaction


@dataclass(frozen=True, slots=True)
class SitesCondition(Neutral):
    """Whether a run names enough holders. Nobody proves here that they are asked as well."""

    grounds: Grounds

    def judge(self, tx: Transaction, asking: Asking) -> Decision:
        """This holder is among them, and they are those that the use began with."""
        if not self.grounds.brakes.sites:
            return PERMITTED
        visit, holder = asking.visit, self.grounds.holder.did
        return combine(
            brakes.named(visit.step.sites, holder, asking.grant.min_sites),
            brakes.same_sites(visit.job.sites, sites_digest(visit.step.sites)),
        )
