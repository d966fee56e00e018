"""The set of holders with which an asset is summed under masks: fixed until its holder changes it.

The terms may name the set; otherwise the first run fixes it. The totals of two sets differ by the holders that were
added or left out, and three overlapping sets can expose one holder even where no two of them do (`privacy.overlaps`).
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from medspace.connector.model import Agreement
from medspace.connector.usage import disclosures
from medspace.connector.usage.calls import AdmissibleStep
from medspace.connector.usage.conditions import PERMITTED, Grounds, Leaving, Neutral
from medspace.connector.usage.conditions.numbers import disclosed, keep
from medspace.connector.usage.conditions.seats import manifest_of
from medspace.core.decision import Decision
from medspace.core.engine import MASKED
from medspace.core.store import Transaction
from medspace.policy import odrl
from medspace.policy.limits import holders
from medspace.runs.manifest import Manifest
from medspace.runs.masked.messages import OPEN


@dataclass(frozen=True, slots=True)
class SitesCondition(Neutral):
    """Holds runs under masks to the one set of the asset."""

    narrows = False
    guards_exact = True
    grounds: Grounds

    def judge(self, tx: Transaction, asking: AdmissibleStep) -> Decision:
        """Whether the seats of the run are that set."""
        manifest = _masked(tx, asking.visit.job.id)
        if manifest is None or not self.grounds.brakes.sets:
            return PERMITTED
        kept = disclosed(tx, asking.visit.job.asset).sites
        return disclosures.same_sites(kept or self._named(asking.visit.agreement), manifest.sites)

    def spend(self, tx: Transaction, asking: AdmissibleStep) -> None:
        """The first contribution fixes the set."""
        manifest = _masked(tx, asking.visit.job.id)
        if manifest is not None:
            before = disclosed(tx, asking.visit.job.asset)
            keep(tx, disclosures.told(replace(before, sites=before.sites or manifest.sites), manifest.sites))

    def left(self, tx: Transaction, leaving: Leaving) -> None:
        """Records the smaller set where a site has left and its own terms allow opening the total without it."""
        if leaving.step.name != OPEN or _masked(tx, leaving.job.id) is None:
            return
        texts = leaving.step.inputs.get("texts")
        if isinstance(texts, dict):
            keep(tx, disclosures.told(disclosed(tx, leaving.job.asset), texts))

    def _named(self, agreement: Agreement) -> Collection[str]:
        """The set that the terms name: the other holders, and this one."""
        others = holders(odrl.parse(agreement.policy))
        return others | {self.grounds.holder.did} if others else ()


def _masked(tx: Transaction, use: str) -> Manifest | None:
    manifest = manifest_of(tx, use)
    return manifest if manifest is not None and manifest.protocol in MASKED else None
