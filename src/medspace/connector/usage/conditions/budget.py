"""The privacy budget: a use with noise is paid for whole, before its first question; without noise there is none.

The holder sets what an asset may give in a year, one agreement and one task. A use takes all that it may cost at its
first question that is put to rows, in the transaction that admits it; whatever it does not let out is given back once
it is over (`connector.usage.settling`).
"""

from dataclasses import dataclass

from medspace.connector.usage import accounts, budgets
from medspace.connector.usage.budgets import Standing
from medspace.connector.usage.calls import AdmissibleStep
from medspace.connector.usage.conditions import PERMITTED, Grounds, Leaving, Neutral
from medspace.connector.usage.model import ACCOUNTS, DEBITS, Outcome
from medspace.core.decision import Decision
from medspace.core.store import Transaction
from medspace.policy import odrl
from medspace.policy.budgets import strictest


@dataclass(frozen=True, slots=True)
class BudgetCondition(Neutral):
    """Refuses what the budget has no room for, debits what is asked, notes what left."""

    narrows = False
    grounds: Grounds

    def judge(self, tx: Transaction, asking: AdmissibleStep) -> Decision:
        """Whether the whole use fits, at its first question; whether it has a question left, at each further one."""
        if not asking.new or not self.grounds.brakes.budget:
            return PERMITTED
        visit, cost = asking.visit, asking.cost
        account = tx.get(ACCOUNTS, visit.job.asset)
        terms = strictest(odrl.parse(visit.agreement.policy))
        if cost is None:
            return budgets.exact_answers(account, terms)
        debit = tx.get(DEBITS, visit.job.id)
        if debit is not None:
            failed = sum(one.counted and one.outcome is Outcome.FAILED for one in visit.asked)
            return budgets.one_more(account, debit, failed)
        taken = accounts.taken_by(tx, visit.job.agreement)
        return budgets.noisy_answers(Standing(account, terms, taken, visit.agreement.finalized, visit.now), cost)

    def spend(self, tx: Transaction, asking: AdmissibleStep) -> None:
        """All that the use costs, at its first question."""
        if asking.cost is not None and self.grounds.brakes.budget:
            accounts.debit(tx, self.grounds.holder.did, asking, asking.cost)

    def left(self, tx: Transaction, leaving: Leaving) -> None:
        """One total more that somebody has; what carries no noise was never paid for, so no debit is looked for."""
        if leaving.bounded:
            accounts.let_out(tx, leaving.job.id, leaving.step.name)
