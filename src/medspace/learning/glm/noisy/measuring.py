"""How good a model is, from noisy counts or squares; and how far off that may be by the noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from medspace.learning.glm.evaluation import Quality
from medspace.learning.glm.noisy.planning import BINS, Total, newton_of
from medspace.learning.glm.task import GlmTask

TELLS_NOTHING = 0.5  # an interval as wide as the whole range of an area
WIDE = 1.96  # deviations on both sides, of a normal distribution, hold 95 %


def quality(task: GlmTask, at: Total, measured: Sequence[float]) -> Quality | None:
    """The quality that a noisy total shows; None if it is lost in the noise.

    `auc_resolution` is half the width of the 95 % interval of the noise, and of what bins do not tell.
    """
    if task.family == "binomial":
        area = _area(at, np.asarray(measured))
        if area is None or area.half >= TELLS_NOTHING:
            return None
        return Quality(area.rows, None, None, area.value, area.half, persons=area.rows)
    count, squares = measured
    if count < WIDE * at.deviation or squares <= 0.0:
        return None
    sums = newton_of(task)
    most = 2.0 * sums.half if task.family == "gaussian" else sums.residual
    return Quality(round(count), None, sqrt(max(squares / count, 0.0)) * most, persons=round(count))


@dataclass(frozen=True, slots=True)
class _Area:
    rows: int
    value: float
    half: float


def _area(at: Total, counts: np.ndarray[tuple[int], np.dtype[np.float64]]) -> _Area | None:
    cases, controls = counts[:BINS], counts[BINS:]
    all_cases, all_controls = float(cases.sum()), float(controls.sum())
    if all_cases < 1.0 or all_controls < 1.0:
        return None
    below = np.cumsum(controls) - controls / 2.0  # controls in lower bins, and half of those in the same one
    above = np.cumsum(cases[::-1])[::-1] - cases / 2.0
    pairs = all_cases * all_controls
    value = float(cases @ below) / pairs
    by_case = below / pairs - value / all_cases  # how the area moves with each count
    by_control = above / pairs - value / all_controls
    spread = at.deviation * sqrt(float(by_case @ by_case + by_control @ by_control))
    ties = abs(float(cases @ controls)) / (2.0 * pairs)
    return _Area(round(all_cases + all_controls), min(max(value, 0.0), 1.0), WIDE * spread + ties)
