"""Agreements that the holder has ended: under them nothing begins, continues or leaves any more."""

from medspace.connector.usage import ended
from medspace.connector.usage.calls import Visit
from medspace.connector.usage.conditions import Lasting, Leaving, Neutral, Wish
from medspace.core.decision import Decision
from medspace.core.store import Transaction
from medspace.core.usage import Grant


class EndedCondition(Neutral):
    """Checks in the transaction that admits, so nothing is admitted after the one that ended the agreement."""

    narrows = False

    def examine(self, tx: Transaction, wish: Wish) -> Decision:
        """Whether a use may begin or be resumed."""
        return ended.decide(tx, wish.agreement)

    def admit(self, tx: Transaction, visit: Visit) -> tuple[Decision, Grant]:
        """Whether the next step is answered."""
        return ended.decide(tx, visit.agreement), Grant()

    def released(self, tx: Transaction, leaving: Leaving) -> Decision:
        """Whether an output that was computed in the meantime may leave."""
        return ended.decide(tx, leaving.agreement)

    def lasts(self, tx: Transaction, lasting: Lasting) -> Decision:
        """Whether a use may go on."""
        return ended.decide(tx, lasting.agreement)
