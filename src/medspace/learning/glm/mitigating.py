"""What a task's `mitigate` adds to a fit under masks, whatever the kind of model on a table.

    moments     who has which group among the rows of the fit, and among those kept out of it for thresholds
    mitigation  rows and persons of each group, by outcome; with a penalty on a linear score, the columns' sums
    newton      rows count as the weights of their group and outcome say; the penalty joins the total
    thresholds  at the final coefficients, for everyone and each group, the rows kept out by their chances
    evaluation  at the thresholds of the groups besides

Which groups take part follows from the first total, before anything about their outcomes is added up.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import msgspec
import numpy as np

from medspace.core.canonical import JsonObject
from medspace.core.text import msgid
from medspace.learning.evaluation.counts import ScoredRows, counted, largest
from medspace.learning.evaluation.counts import read as read_counts
from medspace.learning.evaluation.model import GroupQuality, Judgement
from medspace.learning.evaluation.plan import GroupAttribute
from medspace.learning.exact import FRACTION, fixed
from medspace.learning.glm.design import DesignBlock, Matrix, Vector
from medspace.learning.glm.task import GlmTask
from medspace.learning.glm.totals import TotalCheck, most_measured
from medspace.learning.mitigation import balance, equalising
from medspace.learning.mitigation.model import GroupTreatment, Mitigated
from medspace.learning.mitigation.plan import EDGES, MitigationPlan
from medspace.learning.phases import Phase, Standing
from medspace.privacy.disclosure import Labels, number
from medspace.runs.masked.ports import Shape

MITIGATION, THRESHOLDS = "mitigation", "thresholds"
STEPS = (MITIGATION, THRESHOLDS)


class MitigatedForm(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """What a question says of it: groups of the fit with their weights, groups of the rows kept out, thresholds.

    `rows`, `sizes` and `differs`: how many rows there are, how many each group has (0: it is too small), and how far
    its mean score was from that of all others, where a penalty is taken step by step.
    """

    balanced: list[int] = []
    factors: list[tuple[float, float]] = []
    rows: int = 0
    sizes: list[int] = []
    differs: list[float] = []
    validated: list[int] = []
    cuts: list[float] = []


@dataclass(frozen=True, slots=True)
class MitigationStand:
    """What is known of it so far; `apart` (with 96 bits behind the point, as text) are `balance.differences`."""

    balanced: tuple[int, ...] = ()
    validated: tuple[int, ...] = ()
    cases: int = 0
    factors: balance.Factors = ()
    rows: int = 0
    sizes: tuple[int, ...] = ()
    differs: tuple[float, ...] = ()
    apart: tuple[tuple[str, ...], ...] = ()
    thresholds: tuple[float | None, ...] = ()

    def cuts(self, task: GlmTask) -> tuple[float, ...]:
        """The thresholds at which the model is judged besides."""
        if task.mitigate is None or task.mitigate.equal is None or not self.thresholds:
            return ()
        return tuple(dict.fromkeys((task.mitigate.threshold, *(one for one in self.thresholds if one is not None))))

    def form(self, task: GlmTask) -> MitigatedForm:
        """What the next question says of it."""
        return MitigatedForm(
            list(self.balanced),
            list(self.factors),
            self.rows,
            list(self.sizes),
            list(self.differs),
            list(self.validated),
            list(self.cuts(task)),
        )


class MitigatedStanding(Standing, Protocol):
    """Where a task stands that may mitigate."""

    @property
    def rows(self) -> int:
        """Those of the fit, at all sites; 0 before the first total."""
        ...

    @property
    def mitigation(self) -> MitigationStand | None:
        """What is known of it; None where the task has no such plan, or before the first total."""
        ...


Stand = TypeVar("Stand", bound=MitigatedStanding)


def divided(task: GlmTask) -> tuple[GroupAttribute, ...]:
    """The attributes whose groups the first question counts besides: of rows of the fit, and of those kept out."""
    plan = task.mitigate
    if plan is None:
        return ()
    return (plan.attribute,) * (plan.balances + (plan.equal is not None))


def begun(task: GlmTask, cases: int, shown: Sequence[tuple[int, ...]]) -> MitigationStand | None:
    """What the first total decides: `shown` are the groups that can be counted, in the order of `divided`."""
    plan = task.mitigate
    if plan is None:
        return None
    left = list(shown)
    balanced = left.pop(0) if plan.balances else ()
    return MitigationStand(balanced, left.pop(0) if plan.equal is not None else (), cases)


def well_formed(task: GlmTask, form: MitigatedForm | None) -> bool:
    """Whether a question may say this of it."""
    if form is None or task.mitigate is None:
        return form is None
    groups = set(range(len(task.mitigate.attribute.groups)))
    own = all(places == sorted(set(places) & groups) for places in (form.balanced, form.validated))
    most = balance.LARGEST_FACTOR
    return (
        own
        and all(len(one) in (0, len(form.balanced)) for one in (form.factors, form.sizes, form.differs))
        and all(1 / most <= value <= most for pair in form.factors for value in pair)
        and all(0 <= size <= form.rows for size in form.sizes)
        and all(abs(value) < np.inf for value in form.differs)
        and set(form.cuts) <= set(EDGES)
    )


def judged_at(task: GlmTask, cuts: Sequence[float]) -> GlmTask:
    """The task, whose model is judged at these thresholds besides."""
    if task.judge is None or not cuts:
        return task
    known = task.judge.thresholds
    more = tuple(one for one in cuts if one not in known)
    return replace(task, judge=replace(task.judge, thresholds=(*known, *more))) if more else task


# --- at a site -----------------------------------------------------------------------------------------------------
def weights(part: DesignBlock, labels: Labels, form: MitigatedForm | None) -> Vector:
    """How much each row counts in the fit."""
    made = np.ones(len(part.target))
    if form is not None:
        for place, pair in zip(form.balanced, form.factors, strict=False):
            made = np.where(labels == place, np.where(part.target == 1.0, pair[1], pair[0]), made)
    return made


def pulls(labels: Labels, form: MitigatedForm | None, penalty: float) -> Vector:
    """What the penalty adds to the derivative of each row's loss to its score, by the differences known so far."""
    made = np.zeros(len(labels))
    if form is None or not penalty:
        return made
    for place, size, differs in zip(form.balanced, form.sizes, form.differs, strict=False):
        if 0 < size < form.rows:
            own, others = form.rows / size, form.rows / (form.rows - size)
            made += penalty * differs * np.where(labels == place, own, -others)
    return made


def score_sums(labels: Labels, form: MitigatedForm, scores: Vector) -> list[int]:
    """The sum of the scores of each group, and of all."""
    masks = [*(labels == place for place in form.balanced), np.ones(len(labels), dtype=np.bool_)]
    return [fixed(float(scores[mask].sum())) for mask in masks]


def scored(task: GlmTask, known: MitigationStand | None) -> int:
    """How many sums of scores a round of training has."""
    penalised = task.mitigate is not None and task.mitigate.penalty > 0.0
    return len(known.balanced) + 1 if penalised and known is not None and known.balanced else 0


def balance_sums(part: DesignBlock, labels: Labels, form: MitigatedForm, columns: Matrix | None) -> list[int]:
    """A site's integers of the question before the fit; `columns` where a linear score is penalised."""
    sides = [part.target == side for side in (0.0, 1.0)]
    counts = [number(part.persons[side]) for side in sides]
    for place in form.balanced:
        own = labels == place
        counts += [int((own & side).sum()) for side in sides]
        counts += [number(part.persons[own & side]) for side in sides]
    numbers = [count << FRACTION for count in counts]
    if columns is not None and form.balanced:
        masks = [*(labels == place for place in form.balanced), np.ones(len(labels), dtype=np.bool_)]
        numbers += [fixed(value) for mask in masks for value in columns[mask].sum(axis=0).tolist()]
    return numbers


def threshold_sums(part: DesignBlock, labels: Labels, form: MitigatedForm, chance: Vector) -> list[int]:
    """A site's integers of the question about thresholds: everyone, then each group."""
    rows = ScoredRows(part.target, chance, np.zeros(len(chance), dtype=np.int64), part.persons)
    masks = [np.ones(len(chance), dtype=np.bool_), *(labels == place for place in form.validated)]
    return [value for mask in masks for value in counted(equalising.GRID, rows.of(mask))]


# --- where the totals lead -----------------------------------------------------------------------------------------
def stand_of(stand: MitigatedStanding) -> MitigationStand:
    """What is known of it where a task stands."""
    return stand.mitigation or MitigationStand()


def balance_phase(
    task: GlmTask,
    columns: Callable[[Stand], int],
    asked: Callable[[Stand], JsonObject],
    end: Callable[[Stand, MitigationStand], Stand],
) -> Phase[Stand]:
    """The question before the fit."""

    def shape(stand: Stand) -> Shape:
        groups, width = len(stand_of(stand).balanced), columns(stand)
        counts = balance.width(groups, 0)
        most = [stand.rows] * counts + [2 * stand.rows] * (balance.width(groups, width) - counts if groups else 0)
        return Shape(len(most), FRACTION, tuple(one << FRACTION for one in most))

    def read(stand: Stand, total: Sequence[int]) -> balance.BalanceTotal:
        groups = len(stand_of(stand).balanced)
        return balance.read(groups, columns(stand) if groups else 0, total)

    def check(stand: Stand, total: Sequence[int], sites: int) -> None:
        check = TotalCheck(task, stand.round + 1, sites)
        check.counts(total[: balance.width(len(stand_of(stand).balanced), 0)])
        holds = balance.consistent(read(stand, total), stand.rows, stand_of(stand).cases)
        check.that(holds, msgid("its counts contradict each other"))

    def follow(stand: Stand, total: Sequence[int], proposal: JsonObject, sites: int) -> Stand:
        del proposal, sites
        return end(stand, balanced(task, stand_of(stand), read(stand, total), stand.rows))

    return Phase(shape, check, follow, inputs=asked, restarts=True)


def balanced(task: GlmTask, known: MitigationStand, total: balance.BalanceTotal, rows: int) -> MitigationStand:
    """What the total before the fit decides."""
    plan = plan_of(task)
    weighed = balance.factors(total, rows, known.cases, plan.least) if plan.reweighing else ()
    apart = balance.differences(total, rows, plan.least) if plan.penalty else ()
    sizes = tuple(
        one[0] + one[1] if at in balance.usable(total, plan.least) else 0 for at, one in enumerate(total.groups)
    )
    text = tuple(tuple(str(value) for value in one) for one in apart)
    sizes = sizes if plan.penalty else ()
    return replace(known, factors=weighed, apart=text, rows=rows if sizes else 0, sizes=sizes)


def plan_of(task: GlmTask) -> MitigationPlan:
    """The plan of a task that has one."""
    assert task.mitigate is not None  # noqa: S101 - no other task gets here
    return task.mitigate


def thresholds_phase(
    task: GlmTask,
    asked: Callable[[Stand], JsonObject],
    end: Callable[[Stand, MitigationStand], Stand],
) -> Phase[Stand]:
    """The question about thresholds."""
    width = equalising.GRID.width

    def shape(stand: Stand) -> Shape:
        most = largest(equalising.GRID, most_measured(stand.rows)) * (1 + len(stand_of(stand).validated))
        return Shape(len(most), FRACTION, tuple(one << FRACTION for one in most))

    def check(stand: Stand, total: Sequence[int], sites: int) -> None:
        check = TotalCheck(task, stand.round + 1, sites)
        found = [total[at : at + width] for at in range(0, len(total), width)]
        for one in found:
            check.counts(one[: equalising.GRID.whole])
        everyone, *groups = (read_counts(equalising.GRID, one) for one in found)
        inside = all(one.rows <= everyone.rows and one.persons <= everyone.persons for one in groups)
        holds = inside and all(one.consistent for one in (everyone, *groups))
        check.that(holds, msgid("its counts contradict each other"))

    def follow(stand: Stand, total: Sequence[int], proposal: JsonObject, sites: int) -> Stand:
        del proposal, sites
        found = [total[at : at + width] for at in range(0, len(total), width)]
        everyone, *groups = (read_counts(equalising.GRID, one) for one in found)
        chosen = equalising.chosen(plan_of(task), everyone, groups)
        return end(stand, replace(stand_of(stand), thresholds=chosen))

    return Phase(shape, check, follow, inputs=asked, restarts=True)


# --- what is published ---------------------------------------------------------------------------------------------
def published(task: GlmTask, known: MitigationStand | None, judged: Judgement | None) -> Mitigated | None:
    """What was done and what it changed; `judged` has all thresholds."""
    plan = task.mitigate
    if plan is None or known is None:
        return None
    factors = dict(zip(known.balanced, known.factors, strict=False))
    limits = dict(zip(known.validated, known.thresholds, strict=False))
    made = []
    for place, name in enumerate(plan.attribute.groups):
        pair = factors.get(place)
        own = GroupTreatment(name) if pair is None else GroupTreatment(name, pair[0], pair[1])
        own = replace(own, threshold=limits.get(place))
        made.append(own if plan.equal is None else _compared(plan, own, judged))
    before, after = (None, None) if plan.equal is None else (_gap(made, plan, end) for end in ("before", "after"))
    return Mitigated(
        plan.attribute, tuple(made), plan.reweighing, plan.penalty, plan.equal, plan.threshold, before, after
    )


def _compared(plan: MitigationPlan, own: GroupTreatment, judged: Judgement | None) -> GroupTreatment:
    groups = () if judged is None else judged.groups
    quality = next((one for one in groups if (one.column, one.group) == (plan.attribute.column, own.group)), None)
    if quality is None:
        return own
    ends = {"before": plan.threshold, "after": plan.threshold if own.threshold is None else own.threshold}
    found: dict[str, Any] = {
        f"{name}_{end}": value for end, at in ends.items() for name, value in _shares(quality, at).items()
    }
    return replace(own, **found)


def _shares(quality: GroupQuality, threshold: float) -> dict[str, float]:
    matrix = next((one for one in quality.confusion if one.threshold == threshold), None)
    if matrix is None:
        return {}
    positives = (matrix.true_positives + matrix.false_positives) / quality.rows
    return {"sensitivity": matrix.sensitivity, "specificity": matrix.specificity, "positives": positives}


def _gap(groups: Sequence[GroupTreatment], plan: MitigationPlan, end: str) -> float | None:
    """The largest difference of two groups that are shown; None where one with a threshold of its own is not."""
    name = f"{plan.equal}_{end}"
    if any(one.threshold is not None and getattr(one, name) is None for one in groups):
        return None
    known = [value for one in groups if (value := getattr(one, name)) is not None]
    return max(known) - min(known) if len(known) > 1 else None


def as_asked(task: GlmTask, judged: Judgement | None) -> Judgement | None:
    """The judgement at the thresholds that the task names, as if no others had been counted."""
    if judged is None or task.judge is None or task.mitigate is None:
        return judged
    named = task.judge.thresholds
    groups = tuple(
        replace(one, confusion=tuple(matrix for matrix in one.confusion if matrix.threshold in named))
        for one in judged.groups
    )
    gaps = tuple(one for one in judged.gaps if one.threshold is None or one.threshold in named)
    return replace(judged, groups=groups, gaps=gaps)
