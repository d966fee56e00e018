"""How good a GLM is in the respects that terms may demand (`policy.gates`), at the worse end of what counts allow.

Coarser counts, fewer bins or other thresholds never make a measure better: of an AUC the resolution is taken off, and
a calibration error of fewer than ten bins is not one that terms mean.
"""

from collections.abc import Iterator

from medspace.core.usage import Measure
from medspace.learning.evaluation.model import Gap, Judgement
from medspace.learning.glm.evaluation import Quality
from medspace.learning.glm.task import GlmTask
from medspace.policy import gates

FEWEST_BINS = 10


def measures(task: GlmTask, pooled: Quality, site: Quality | None, judged: Judgement | None) -> tuple[Measure, ...]:
    """The measures of a model; `site` is its quality at the holder whose terms they are."""
    return tuple(_measures(task, pooled, site, judged))


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
