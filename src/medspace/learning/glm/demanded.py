"""How good a GLM is in the respects that terms may demand (`policy.gates`), at the worse end of what counts allow.

Coarser counts, fewer bins or other thresholds never make a measure better: of an AUC the resolution is taken off, and
a calibration error of fewer than ten bins is not one that terms mean.
"""

from collections.abc import Iterator, Mapping, Sequence

from medspace.core.usage import Measure
from medspace.learning.evaluation.model import ConfusionMatrix, Gap, Judgement
from medspace.learning.glm.evaluation import Quality
from medspace.learning.glm.task import GlmTask
from medspace.learning.mitigation.model import Mitigated
from medspace.policy import gates

FEWEST_BINS = 10
USUAL = 0.5  # the threshold at which sensitivities are compared: a task could choose one that nobody reaches


def measures(
    task: GlmTask, pooled: Quality, site: Quality | None, judged: Judgement | None, mitigated: Mitigated | None = None
) -> tuple[Measure, ...]:
    """The measures of a model; `site` is its quality at the holder whose terms they are."""
    return (*_measures(task, pooled, site, judged), *_sensitivities(task, judged, mitigated))


def _sensitivities(task: GlmTask, judged: Judgement | None, mitigated: Mitigated | None) -> Iterator[Measure]:
    """The widest gap of the sensitivities, of groups with thresholds of their own at these; known of every column."""
    if judged is None or task.judge is None or not task.judge.attributes:
        return
    found = [_column(one.column, judged, mitigated) for one in task.judge.attributes]
    known = [one for one in found if one is not None]
    if len(known) == len(found):
        yield max(known, key=lambda one: one.value)


def _column(column: str, judged: Judgement, mitigated: Mitigated | None) -> Measure | None:
    if mitigated is not None and mitigated.equal is not None and mitigated.attribute.column == column:
        if mitigated.threshold != USUAL:
            return None
        shown = {one.group: one.sensitivity_after for one in mitigated.groups}
    else:
        own = [(one.group, one.confusion) for one in judged.groups if one.column == column]
        shown = {group: _at_usual(confusion) for group, confusion in own}
    values = {group: value for group, value in shown.items() if value is not None}
    if len(values) < 2 or (mitigated is not None and _unseen(mitigated, column, values)):  # noqa: PLR2004 - one has no gap
        return None
    worst = min(values, key=lambda group: values[group])
    return Measure(gates.SENSITIVITY_GAP, max(values.values()) - values[worst], column, worst)


def _unseen(mitigated: Mitigated, column: str, values: Mapping[str, float]) -> bool:
    """Whether a group has a threshold at which its figures are not shown."""
    own = mitigated.attribute.column == column and mitigated.equal is not None
    return own and any(one.threshold is not None and one.group not in values for one in mitigated.groups)


def _at_usual(confusion: Sequence[ConfusionMatrix]) -> float | None:
    return next((one.sensitivity for one in confusion if one.threshold == USUAL), None)


def _measures(task: GlmTask, pooled: Quality, site: Quality | None, judged: Judgement | None) -> Iterator[Measure]:
    yield Measure(gates.HELD_OUT, task.evaluation.holdout)
    if pooled.auc is not None:
        yield Measure(gates.AUC, pooled.auc - (pooled.auc_resolution or 0.0))
        if site is not None and site.auc is not None:
            yield Measure(gates.SITE_BELOW, pooled.auc - site.auc)
    if pooled.ece is not None and task.evaluation.bins >= FEWEST_BINS:
        yield Measure(gates.ECE, pooled.ece)
    gaps = [] if judged is None else [gap for gap in judged.gaps if gap.measure == "auc"]
    columns = () if task.judge is None else task.judge.attributes
    if judged is not None and gaps and {gap.column for gap in gaps} == {one.column for one in columns}:
        widest = max(gaps, key=lambda gap: _most(gap, judged))
        yield Measure(gates.GROUP_GAP, _most(widest, judged), widest.column, widest.worst)


def _most(gap: Gap, judged: Judgement) -> float:
    """The largest gap that the resolution of both AUCs leaves open."""
    ends = [one for one in judged.groups if one.column == gap.column and one.group in (gap.best, gap.worst)]
    return gap.gap.value + sum(one.auc_resolution or 0.0 for one in ends)
