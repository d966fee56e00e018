"""The privacy budget: a use with noise is paid for in full before its first question.

A use without noise has no cost.

The holder sets what an asset may spend in a year, for one agreement and for one task. The full cost of a use is
debited at its first question that is put to rows, in the transaction that admits it; what the use does not release is
refunded once it has ended (`connector.usage.settling`).
"""

from dataclasses import dataclass

from medspace.connector.usage import accounts, budgets
from medspace.connector.usage.budgets import BudgetState
from medspace.connector.usage.calls import AdmissibleStep
from medspace.connector.usage.conditions import PERMITTED, Grounds, Leaving, Neutral
from medspace.connector.usage.model import ACCOUNTS, DEBITS, QuestionOutcome
from medspace.core.decision import Decision
from medspace.core.store import Transaction
from medspace.policy import odrl
from medspace.policy.budgets import strictest


@dataclass(frozen=True, slots=True)
class BudgetCondition(Neutral):
    """Refuses what exceeds the budget, debits what is asked, records what left."""

    narrows = False
    grounds: Grounds

    def judge(self, tx: Transaction, asking: AdmissibleStep) -> Decision:
        """Whether the whole use fits, at its first question; whether it has a question left, at each later one."""
        if not asking.new or not self.grounds.brakes.budget:
            return PERMITTED
        visit, cost = asking.visit, asking.cost
        account = tx.get(ACCOUNTS, visit.job.asset)
        terms = strictest(odrl.parse(visit.agreement.policy))
        if cost is None:
            return budgets.exact_answers(account, terms)
        debit = tx.get(DEBITS, visit.job.id)
        if debit is not None:
            failed = sum(one.counted and one.outcome is QuestionOutcome.FAILED for one in visit.asked)
            return budgets.one_more(account, debit, failed)
        taken = accounts.taken_by(tx, visit.job.agreement)
        return budgets.noisy_answers(BudgetState(account, terms, taken, visit.agreement.finalized, visit.now), cost)

    def spend(self, tx: Transaction, asking: AdmissibleStep) -> None:
        """The full cost of the use, at its first question."""
        if asking.cost is not None and self.grounds.brakes.budget:
            accounts.debit(tx, self.grounds.holder.did, asking, asking.cost)

    def left(self, tx: Transaction, leaving: Leaving) -> None:
        """Records one more released total; an output without noise was never paid for, so it has no debit."""
        if leaving.bounded:
            accounts.let_out(tx, leaving.job.id, leaving.step.name)
