"""The questions of an asset: a small number a year with freely chosen inputs, over all users together."""

from dataclasses import dataclass
from datetime import datetime

from medspace.connector.usage import brakes
from medspace.connector.usage.calls import AdmissibleStep
from medspace.connector.usage.conditions import PERMITTED, Grounds, Neutral
from medspace.connector.usage.model import SPENT
from medspace.core.decision import Decision
from medspace.core.store import Transaction


@dataclass(frozen=True, slots=True)
class QuestionsCondition(Neutral):
    """Counts the new questions that an asset is asked."""

    narrows = False
    guards_exact = True
    grounds: Grounds

    def judge(self, tx: Transaction, asking: AdmissibleStep) -> Decision:
        """Whether the asset answers one more question."""
        if not asking.new or not self.grounds.brakes.questions:
            return PERMITTED
        return brakes.within_year(allowance(tx, self.grounds, asking.visit.job.asset, asking.visit.now))

    def spend(self, tx: Transaction, asking: AdmissibleStep) -> None:
        """Count one more today."""
        asset, now = asking.visit.job.asset, asking.visit.now
        spent = tx.get(SPENT, asset)
        if spent is None:
            tx.insert(SPENT, brakes.one_more(asset, None, now))
        else:
            tx.replace(SPENT, spent, brakes.one_more(asset, spent, now))


def allowance(tx: Transaction, grounds: Grounds, asset: str, now: datetime) -> brakes.Allowance:
    """How many questions an asset was asked, over all users, and how many it still answers this year."""
    return brakes.allowance(grounds.holder.questions.get(asset, 0), tx.get(SPENT, asset), now)
