"""A hard limit on how many numbers about persons may leave an asset, over all users."""

from dataclasses import dataclass, replace

from medspace.connector.usage import disclosures
from medspace.connector.usage.calls import AdmissibleStep
from medspace.connector.usage.conditions import PERMITTED, Grounds, Leaving, Neutral
from medspace.connector.usage.model import DISCLOSURES, Disclosed
from medspace.core.decision import Decision
from medspace.core.store import Transaction


@dataclass(frozen=True, slots=True)
class NumbersCondition(Neutral):
    """Refuses what would exceed the limit, before the work where the amount is known; counts what leaves."""

    narrows = False
    guards_exact = True
    grounds: Grounds

    def judge(self, tx: Transaction, asking: AdmissibleStep) -> Decision:
        """Whether one more number may leave; at the first question of a use, as many as it will be answered with."""
        if not asking.new or not self.grounds.brakes.numbers:
            return PERMITTED
        job = asking.visit.job
        first = job.steps == job.rowless
        return disclosures.within(given(tx, self.grounds, job.asset), max(asking.numbers if first else 1, 1))

    def released(self, tx: Transaction, leaving: Leaving) -> Decision:
        """Whether the numbers of an output may leave."""
        if not self.grounds.brakes.numbers:
            return PERMITTED
        return disclosures.within(given(tx, self.grounds, leaving.job.asset), leaving.numbers)

    def left(self, tx: Transaction, leaving: Leaving) -> None:
        """Count the numbers that leave."""
        if leaving.numbers:
            before = disclosed(tx, leaving.job.asset)
            keep(tx, replace(before, numbers=before.numbers + leaving.numbers))


def disclosed(tx: Transaction, asset: str) -> Disclosed:
    """What has left an asset."""
    return tx.get(DISCLOSURES, asset) or Disclosed(asset)


def keep(tx: Transaction, after: Disclosed) -> None:
    """Store what has left an asset."""
    before = tx.get(DISCLOSURES, after.id)
    if before is None:
        tx.insert(DISCLOSURES, after)
    elif before != after:
        tx.replace(DISCLOSURES, before, after)


def given(tx: Transaction, grounds: Grounds, asset: str) -> disclosures.Given:
    """How many numbers have left an asset, over all users, and how many may."""
    return disclosures.Given(grounds.holder.numbers.get(asset, 0), disclosed(tx, asset).numbers)
