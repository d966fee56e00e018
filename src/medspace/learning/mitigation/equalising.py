"""A threshold for each group, by the counts of rows that were kept out of the fit.

Thresholds lie at hundredths, and only where each group has nobody or enough persons of either outcome between two of
them (`evaluation.hiding.cuts`): what a threshold tells is no more than what a confusion matrix at it would.
"""

from collections.abc import Sequence

from medspace.learning.evaluation import hiding
from medspace.learning.evaluation.counts import Grid, GroupCounts
from medspace.learning.mitigation.plan import EDGES, MitigationPlan

GRID = Grid(EDGES, EDGES, 1, 1)


def shares(counts: GroupCounts, cut: int) -> dict[str, float | None]:
    """What of a group reaches a threshold: of its cases (sensitivity), its controls (less specificity), of all."""
    cases, controls = sum(counts.case_rows), sum(counts.control_rows)
    found, wrong = sum(counts.case_rows[cut:]), sum(counts.control_rows[cut:])
    return {
        "sensitivity": found / cases if cases else None,
        "specificity": (controls - wrong) / controls if controls else None,
        "positives": (found + wrong) / counts.rows if counts.rows else None,
    }


def chosen(plan: MitigationPlan, everyone: GroupCounts, groups: Sequence[GroupCounts]) -> tuple[float | None, ...]:
    """The threshold of each group; None of those with too few persons, which keep that of everyone."""
    name = plan.equal
    target = None if name is None else shares(everyone, GRID.cut(plan.threshold))[name]
    cases = [*(one.case_persons for one in groups), everyone.case_persons - sum(one.case_persons for one in groups)]
    controls = [
        *(one.control_persons for one in groups),
        everyone.control_persons - sum(one.control_persons for one in groups),
    ]
    usable = hiding.both_outcomes([max(one, 0) for one in cases], [max(one, 0) for one in controls], plan.least)
    if name is None or target is None:
        return (None,) * len(groups)
    return tuple(
        _nearest(plan, name, target, one, single=everyone.rows == everyone.persons) if place in usable else None
        for place, one in enumerate(groups)
    )


def _nearest(plan: MitigationPlan, name: str, target: float, own: GroupCounts, *, single: bool) -> float:
    """The threshold at which a share is nearest to that of everyone; of equal ones that nearest to everyone's."""
    nearness = sorted(EDGES, key=lambda edge: (abs(edge - plan.threshold), edge))
    parts = (own.case_heads, own.control_heads)
    allowed = hiding.cuts(parts, plan.least, [GRID.cut(edge) for edge in nearness], single=single)
    found = [edge for edge in nearness if GRID.cut(edge) in allowed] or [plan.threshold]

    def far(edge: float) -> float:
        share = shares(own, GRID.cut(edge))[name]
        return abs(target - share) if share is not None else 1.0

    return min(found, key=far)  # the first of several is the nearest to everyone's
