"""The agreement: the terms that both parties signed."""

from medspace.connector.usage.calls import Visit
from medspace.connector.usage.conditions import Lasting, Leaving, Neutral, Wish
from medspace.core.decision import Decision
from medspace.core.store import Transaction
from medspace.core.usage import Grant
from medspace.policy import odrl, rules
from medspace.policy.limits import UseLimits, limits
from medspace.policy.points import Point


class AgreementCondition(Neutral):
    """Decides by the agreement at each point of the road, and grants what it allows.

    It checks that uses are logged and counted.
    """

    narrows = False
    # The door writes a log entry, and counts the use, in the transaction that admits it.
    duties = frozenset({"medspace:log", "medspace:count"})

    def examine(self, tx: Transaction, wish: Wish) -> Decision:
        """As far as it can be decided at the transfer."""
        return rules.decide(odrl.parse(wish.agreement.policy), wish.request, Point.TRANSFER)

    def admit(self, tx: Transaction, visit: Visit) -> tuple[Decision, Grant]:
        """The permission that allows it, with its limits."""
        policy = odrl.parse(visit.agreement.policy)
        decision = rules.decide(policy, visit.request, Point.COMPUTE)
        return decision, _granted(limits(policy, visit.request, decided=decision))

    def released(self, tx: Transaction, leaving: Leaving) -> Decision:
        """Decided with what is known of the result."""
        return rules.decide(odrl.parse(leaving.agreement.policy), leaving.request, Point.RELEASE)

    def lasts(self, tx: Transaction, lasting: Lasting) -> Decision:
        """As far as it can be decided while nothing is asked: its time, who the user is, what it owes."""
        return rules.decide(odrl.parse(lasting.agreement.policy), lasting.request, Point.TRANSFER)


def _granted(allowed: UseLimits | None) -> Grant:
    if allowed is None:
        return Grant(outputs=frozenset())  # no permission allows it, so nothing may leave
    return Grant(
        outputs=None if allowed.outputs is None else frozenset(allowed.outputs),
        min_cohort=max(allowed.min_cohort, 1),
        min_sites=max(allowed.min_sites, 1),
        colluders=allowed.colluders,
        expires=allowed.expires,
    )
