"""The label: what the holder says of the asset and its parts, whatever an agreement says."""

from dataclasses import dataclass

from medspace.connector.usage.calls import Visit
from medspace.connector.usage.conditions import Grounds, Lasting, Leaving, Neutral, Wish
from medspace.connector.usage.labelling import label_of
from medspace.core.decision import Decision, combine
from medspace.core.store import Transaction
from medspace.core.usage import Grant, RowScope, Step
from medspace.policy import labels, portions
from medspace.policy.model import UseRequest
from medspace.policy.points import Point

REVIEW = "label.review"  # why a person must review
CODES = frozenset({REVIEW})


@dataclass(frozen=True, slots=True)
class LabelCondition(Neutral):
    """Decides by the current label: narrowing it ends running uses. An asset without a label is closed.

    A task that touches a column out of label is refused; rows out of label are not among those that it gets.
    """

    grounds: Grounds

    def examine(self, tx: Transaction, wish: Wish) -> Decision:
        """As far as it can be decided at the transfer."""
        return labels.decide(label_of(tx, wish.agreement.dataset), wish.request, Point.TRANSFER)

    def admit(self, tx: Transaction, visit: Visit) -> tuple[Decision, Grant]:
        """Whether it allows the step, on which rows, and whether one person or two must review the output."""
        label, request = label_of(tx, visit.job.asset), visit.request
        decision = self._decided(tx, visit.job.asset, (visit.job.kind, visit.step), request, Point.COMPUTE)
        if label is None:
            return decision, Grant()
        rows = portions.open_rows(label, request, Point.COMPUTE)
        scope = tuple(RowScope(one.column, one.values, one.within) for one in rows if one.within or one.values)
        hold = (REVIEW,) if label.reviewers else ()
        return decision, Grant(scope=scope, hold=hold, reviewers=label.reviewers or 1)

    def released(self, tx: Transaction, leaving: Leaving) -> Decision:
        """Whether it still allows it."""
        job = leaving.job
        return self._decided(tx, job.asset, (job.kind, leaving.step), leaving.request, Point.RELEASE)

    def lasts(self, tx: Transaction, lasting: Lasting) -> Decision:
        """Whether it still allows the task; before there is one, the kind of use. Each step asks for its parts."""
        point = Point.TRANSFER if lasting.request.purpose is None else Point.COMPUTE
        return labels.decide(label_of(tx, lasting.job.asset), lasting.request, point)

    def _decided(
        self, tx: Transaction, asset: str, asked: tuple[str, Step], request: UseRequest, point: Point
    ) -> Decision:
        label = label_of(tx, asset)
        whole = labels.decide(label, request, point)
        if label is None or not whole.permitted or not (label.columns or label.rows):
            return whole
        touched = self.grounds.looked_at(*asked) if label.columns else None
        columns = portions.decide_columns(label, touched, request, point)
        return combine(whole, columns, portions.decide_rows(label, request, point))
