"""The label: what the holder says of the asset, whatever an agreement says."""

from medspace.connector.usage.calls import Visit
from medspace.connector.usage.conditions import Lasting, Leaving, Neutral, Wish
from medspace.connector.usage.model import LABELS
from medspace.core.decision import Decision
from medspace.core.store import Transaction
from medspace.core.usage import Grant
from medspace.policy import labels
from medspace.policy.model import Label, UseRequest
from medspace.policy.points import Point

REVIEW = "label.review"  # why a person must review
CODES = frozenset({REVIEW})


class LabelCondition(Neutral):
    """Decides by the current label: narrowing it ends running uses. An asset without a label is closed."""

    def examine(self, tx: Transaction, wish: Wish) -> Decision:
        """As far as it can be decided at the transfer."""
        return _decide(tx, wish.agreement.dataset, wish.request, Point.TRANSFER)

    def admit(self, tx: Transaction, visit: Visit) -> tuple[Decision, Grant]:
        """Whether it allows the step, and whether one person or two must review the output."""
        label = _label(tx, visit.job.asset)
        reviewers = 0 if label is None else label.reviewers
        grant = Grant(hold=(REVIEW,), reviewers=reviewers) if reviewers else Grant()
        return labels.decide(label, visit.request, Point.COMPUTE), grant

    def released(self, tx: Transaction, leaving: Leaving) -> Decision:
        """Whether it still allows it."""
        return _decide(tx, leaving.job.asset, leaving.request, Point.RELEASE)

    def lasts(self, tx: Transaction, lasting: Lasting) -> Decision:
        """Whether it still allows the task; before there is one, the kind of use."""
        point = Point.TRANSFER if lasting.request.purpose is None else Point.COMPUTE
        return _decide(tx, lasting.job.asset, lasting.request, point)


def _decide(tx: Transaction, asset: str, request: UseRequest, point: Point) -> Decision:
    return labels.decide(_label(tx, asset), request, point)


def _label(tx: Transaction, asset: str) -> Label | None:
    labelled = tx.get(LABELS, asset)
    return labels.parse(labelled.label if labelled else None)
