"""Stand-in (e), one half: a condition that keeps a budget of its own.

    python -m tests.e2e.house.budget CONFIG    runs a connector that keeps it

Every question costs what its task says; each agreement has so much. The condition keeps its account as a record of
the connector's own database, so that a debit and the admission that it pays for are one transaction. Its table is
its own business: one that belongs to the product comes with a migration.
"""

from dataclasses import dataclass, field

from medspace.adapters.sql import engines, open_database, schema
from medspace.app.compose.conditions import CONDITIONS
from medspace.app.compose.connector import ENGINES, ConnectorParts
from medspace.connector.usage.conditions import PERMITTED, Neutral
from medspace.core.decision import Decision, Premise, Verdict
from medspace.core.engine import COORDINATOR_SEES_SUMS, OutputForm, StepLimits
from medspace.core.material import Form
from medspace.core.store import Collection
from medspace.core.text import Text
from medspace.core.usage import Grant, Output
from tests.e2e.house.coin import hold
from tests.e2e.house.killable import live

STATISTICS = "medspace:statistics"
ALL = 5  # of one agreement


@dataclass(frozen=True, slots=True)
class Account:
    """What an agreement has spent; `debits` are the digests of the questions, in their order."""

    id: str  # the agreement
    spent: int = 0
    debits: tuple[str, ...] = ()


ACCOUNTS = Collection("test_accounts", Account)


@dataclass(frozen=True)
class BudgetCondition(Neutral):
    """Debits what is asked anew."""

    grounds: object = None

    def admit(self, tx, visit):
        return PERMITTED, Grant(budget={"tokens": cost(visit.step)})

    def judge(self, tx, asking):
        account = tx.get(ACCOUNTS, asking.visit.job.agreement) or Account("")
        if not asking.new or account.spent + asking.grant.budget["tokens"] <= ALL:
            return PERMITTED
        asked, held = Text("at most five tokens for one agreement"), Text("they would be more")
        return Decision(Verdict.DENY, "budget.used_up", (Premise("budget", asked, held, satisfied=False),))

    def spend(self, tx, asking):
        agreement = asking.visit.job.agreement
        old, tokens = tx.get(ACCOUNTS, agreement), asking.grant.budget["tokens"]
        if old is None:
            tx.insert(ACCOUNTS, Account(agreement, tokens, (asking.request,)))
        else:
            tx.replace(ACCOUNTS, old, Account(agreement, old.spent + tokens, (*old.debits, asking.request)))


def cost(step):
    said = step.task.get("tokens")
    return said if isinstance(said, int) and said > 0 else 1


@dataclass(frozen=True)
class Slow:
    """Counts rows, while the file `wait` is there for as long as it is; tells what was set aside for it."""

    kind: str = STATISTICS
    task: str = "slow"
    outputs: tuple[OutputForm, ...] = (OutputForm("slow.count"),)
    steps: tuple[str, ...] = ("count",)
    forms: tuple[Form, ...] = (Form.TABLE,)
    limits: StepLimits = field(default_factory=StepLimits)

    def protection(self, task):
        return COORDINATOR_SEES_SUMS

    def check(self, task):
        """Anything goes."""

    def answer(self, admission, step, workplace):
        hold(step)
        count = workplace.material.count
        return Output("slow.count", {"rows": count, "tokens": admission.budget["tokens"]}, count)


def with_accounts(url, collections):
    """The database of the product, and one table more."""
    writer = engines.writer(engines.parse(url))
    schema.build((ACCOUNTS,)).metadata.create_all(writer)
    writer.dispose()
    return open_database(url, (*collections, ACCOUNTS))


WITH_BUDGET = ConnectorParts(
    engines={**ENGINES, (STATISTICS, "slow"): Slow},
    conditions=(*CONDITIONS, BudgetCondition),
    open_database=with_accounts,
)

if __name__ == "__main__":
    live(WITH_BUDGET)
