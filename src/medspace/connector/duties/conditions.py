"""What duties and membership mean for uses: two conditions."""

from datetime import datetime

from medspace.connector.duties import service
from medspace.connector.duties.model import DUTIES, OwedState
from medspace.connector.model import Agreement, Role, Transfer
from medspace.connector.usage.conditions import PERMITTED, Grounds, Lasting, Neutral
from medspace.core.decision import Decision, Premise, Verdict
from medspace.core.paging import each
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.policy import duties, odrl
from medspace.policy.duties import OWED

NO_MEMBER = "member.gone"
CODES = frozenset({NO_MEMBER})


class DutyCondition(Neutral):
    """Records what is owed after each use; a duty that was not kept closes the clause that it hangs on."""

    narrows = False
    duties = frozenset(OWED)

    def __init__(self, grounds: Grounds) -> None:
        self._did = grounds.holder.did

    def violated(self, tx: Transaction, agreement: Agreement, user: str) -> frozenset[str]:
        """The clauses of duties that are overdue; once they are fulfilled late or waived, they are settled.

        What is overdue under an agreement whose place this one took closes the clauses that owe the same here.
        """
        del user
        where = {"role": Role.PROVIDER, "agreement": agreement.id, "state": OwedState.BROKEN}
        own = frozenset(duty.clause for duty in each(tx, DUTIES, where))
        policy = odrl.parse(agreement.policy)
        if policy.replaces is None:
            return own
        before = service.broken_before(tx, agreement)
        return own | {duty.clause for duty in duties.owing(policy) if duty.action in before}

    def over(self, tx: Transaction, transfer: Transfer, agreement: Agreement, now: datetime) -> None:
        """Record the duties of the user, at the user and at the holder alike."""
        service.begin(tx, self._did, transfer, agreement, now)


class MemberCondition(Neutral):
    """A use ends once its user is no member any more: its calls are refused, and so is work that goes on."""

    narrows = False

    def __init__(self, grounds: Grounds) -> None:
        self._facts = grounds.facts

    def lasts(self, tx: Transaction, lasting: Lasting) -> Decision:
        """Whether the members list still names the user."""
        user = lasting.job.user
        if self._facts(tx, user).operator is not None:
            return PERMITTED
        asked = Text(msgid("The user of the data must be a member of the space."))
        held = Text(msgid("{did} is no member any more."), {"did": user})
        remedy = Text(msgid("Ask the authority of the space."))
        return Decision(Verdict.DENY, NO_MEMBER, (Premise("member", asked, held, satisfied=False, remedy=remedy),))
