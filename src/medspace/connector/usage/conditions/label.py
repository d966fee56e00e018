"""The label: what the holder says of the asset, whatever an agreement says."""

from medspace.connector.usage.calls import Visit
from medspace.connector.usage.conditions import Leaving, Neutral, Wish
from medspace.connector.usage.model import LABELS
from medspace.core.decision import Decision
from medspace.core.store import Transaction
from medspace.core.usage import Grant
from medspace.policy import labels
from medspace.policy.model import UseRequest
from medspace.policy.points import Point


class LabelCondition(Neutral):
    """Decides by the label as it is now: one that was narrowed ends what goes on. An asset without one is closed."""

    scopes = False

    def examine(self, tx: Transaction, wish: Wish) -> Decision:
        """As far as it is known at the transfer."""
        return _decide(tx, wish.agreement.dataset, wish.request, Point.TRANSFER)

    def admit(self, tx: Transaction, visit: Visit) -> tuple[Decision, Grant]:
        """Whether it allows the step."""
        return _decide(tx, visit.job.asset, visit.request, Point.COMPUTE), Grant()

    def released(self, tx: Transaction, leaving: Leaving) -> Decision:
        """Whether it still does."""
        return _decide(tx, leaving.job.asset, leaving.request, Point.RELEASE)


def _decide(tx: Transaction, asset: str, request: UseRequest, point: Point) -> Decision:
    labelled = tx.get(LABELS, asset)
    return labels.decide(labels.parse(labelled.label if labelled else None), request, point)
