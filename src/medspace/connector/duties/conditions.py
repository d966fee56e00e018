"""What duties, membership and the course of time mean for uses: three conditions."""

from dataclasses import replace
from datetime import datetime

from medspace.connector.duties import service
from medspace.connector.duties.model import DUTIES, OwedState
from medspace.connector.model import Agreement, Role, Transfer
from medspace.connector.usage.calls import Visit
from medspace.connector.usage.conditions import PERMITTED, Grounds, Lasting, Leaving, Neutral, Wish
from medspace.connector.usage.model import LABELS
from medspace.core.clock import stamp
from medspace.core.decision import Decision, Premise, Verdict, combine
from medspace.core.paging import each
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.core.usage import Grant
from medspace.policy import labels, odrl, rules
from medspace.policy.duties import OWED
from medspace.policy.model import UseRequest
from medspace.policy.points import Point

SET_BACK, NO_MEMBER = "clock.set_back", "member.gone"
CODES = frozenset({SET_BACK, NO_MEMBER})


class DutyCondition(Neutral):
    """Records what is owed after each use; a duty that was not kept closes the clause that it hangs on."""

    narrows = False
    duties = frozenset(OWED)

    def __init__(self, grounds: Grounds) -> None:
        self._did = grounds.holder.did

    def violated(self, tx: Transaction, agreement: Agreement, user: str) -> frozenset[str]:
        """The clauses of duties that are overdue; once they are fulfilled late or waived, they are settled."""
        del user
        where = {"role": Role.PROVIDER, "agreement": agreement.id, "state": OwedState.BROKEN}
        return frozenset(duty.clause for duty in each(tx, DUTIES, where))

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


class ClockCondition(Neutral):
    """What was over at any time that this connector has seen stays over, whatever its clock says later."""

    narrows = False

    def __init__(self, _: Grounds) -> None:
        """Everything that it needs is in the database."""

    def examine(self, tx: Transaction, wish: Wish) -> Decision:
        """As `lasts`, at the transfer."""
        return self._decide(tx, wish.agreement, wish.request, Point.TRANSFER)

    def admit(self, tx: Transaction, visit: Visit) -> tuple[Decision, Grant]:
        """As `lasts`, for a step."""
        return self._decide(tx, visit.agreement, visit.request, Point.COMPUTE), Grant()

    def released(self, tx: Transaction, leaving: Leaving) -> Decision:
        """As `lasts`, for an output."""
        return self._decide(tx, leaving.agreement, leaving.request, Point.RELEASE)

    def lasts(self, tx: Transaction, lasting: Lasting) -> Decision:
        """Whether agreement and label would allow it at the latest time that was ever seen here."""
        return self._decide(tx, lasting.agreement, lasting.request, Point.TRANSFER)

    def _decide(self, tx: Transaction, agreement: Agreement, request: UseRequest, point: Point) -> Decision:
        now = request.time
        if now is None:
            return PERMITTED
        latest = service.latest(tx)
        if latest is None or latest <= now:
            return PERMITTED
        then = replace(request, time=latest)
        labelled = tx.get(LABELS, agreement.dataset)
        label = labels.parse(labelled.label if labelled else None)
        decision = combine(
            rules.decide(odrl.parse(agreement.policy), then, point), labels.decide(label, then, Point.TRANSFER)
        )
        return PERMITTED if decision.permitted else _set_back(now, latest)


def _set_back(now: datetime, latest: datetime) -> Decision:
    lasting = msgid("The terms must also hold at the latest time that was seen here, {latest}.")
    asked = Text(lasting, {"latest": stamp(latest)})
    held = Text(msgid("The clock says {now}: it was set back, and then these terms are over."), {"now": stamp(now)})
    remedy = Text(msgid("Set the clock right, or let the owner say that it was wrong: medspace duties clock."))
    return Decision(Verdict.DENY, SET_BACK, (Premise("clock", asked, held, satisfied=False, remedy=remedy),))
