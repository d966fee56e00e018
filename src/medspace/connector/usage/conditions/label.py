"""The label: what the holder says of the asset, whatever an agreement says."""

from medspace.connector.usage.calls import Visit
from medspace.connector.usage.conditions import Leaving, Neutral, Wish
from medspace.connector.usage.model import LABELS
from medspace.core.decision import Decision
from medspace.core.store import Transaction
from medspace.core.usage import Grant
from medspace.policy import labels
from medspace.policy.model import Label, UseRequest
from medspace.policy.points import Point

REVIEW = "label.review"  # why a person must look


class LabelCondition(Neutral):
    """Decides by the label as it is now: one that was narrowed ends what goes on. An asset without one is closed."""

    def examine(self, tx: Transaction, wish: Wish) -> Decision:
        """As far as it is known at the transfer."""
        return _decide(tx, wish.agreement.dataset, wish.request, Point.TRANSFER)

    def admit(self, tx: Transaction, visit: Visit) -> tuple[Decision, Grant]:
        """Whether it allows the step, and whether a person must look at what comes of it."""
        label = _label(tx, visit.job.asset)
        review = label is not None and label.review
        return labels.decide(label, visit.request, Point.COMPUTE), Grant(hold=(REVIEW,) if review else ())

    def released(self, tx: Transaction, leaving: Leaving) -> Decision:
        """Whether it still does."""
        return _decide(tx, leaving.job.asset, leaving.request, Point.RELEASE)


def _decide(tx: Transaction, asset: str, request: UseRequest, point: Point) -> Decision:
    return labels.decide(_label(tx, asset), request, point)


def _label(tx: Transaction, asset: str) -> Label | None:
    labelled = tx.get(LABELS, asset)
    return labels.parse(labelled.label if labelled else None)
