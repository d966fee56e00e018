"""How far the quality at one hospital may be off by chance: 95 % intervals from the counts that the quality is of.

AUC: DeLong et al., Biometrics 44 (1988), with groups of patients of like scores once in their first and once in their
last bin, the wider of both, and beyond that what the groups leave open. Brier score: by the fourth powers of the
residuals. ECE: by the binomial variance of each bin. Root mean squared error: as the Brier score. Rows are taken as
independent. Ends are rounded outwards to hundredths, so that they tell little of how many patients have the outcome.
"""

import math
from dataclasses import dataclass

import numpy as np

from medspace.learning.evaluation.figures import Z95
from medspace.learning.glm.design import Vector
from medspace.learning.glm.evaluation import Quality, Tally

COARSE = 100
Ends = tuple[float, float]


@dataclass(frozen=True, slots=True)
class SiteIntervals:
    """The lower and the upper end for each measure; None where it is not known."""

    auc: Ends | None = None
    brier: Ends | None = None
    ece: Ends | None = None
    rmse: Ends | None = None


def intervals(total: Tally, quality: Quality, fourth: float | None = None) -> SiteIntervals:
    """The intervals of a quality of these counts; `fourth` is the sum of the fourth powers of the residuals."""
    yes_or_no = bool(total.case_first)
    spread = None if fourth is None or not total.rows else _squared_error(total, fourth)
    if not yes_or_no:
        return SiteIntervals(rmse=_rooted(total, spread))
    return SiteIntervals(
        auc=_area(total, quality),
        brier=None if spread is None else around(total.squared / total.rows, spread, most=1.0),
        ece=None if quality.ece is None else around(quality.ece, _binned_error(total), most=1.0),
    )


def around(value: float, error: float, open_by: float = 0.0, most: float = math.inf) -> Ends:
    """The ends of a figure with a standard error, and what is left open besides; from 0 to `most`."""
    reach = Z95 * error + open_by
    low, high = math.floor((value - reach) * COARSE) / COARSE, math.ceil((value + reach) * COARSE) / COARSE
    return max(low, 0.0), min(high, most)


def _squared_error(total: Tally, fourth: float) -> float:
    mean = total.squared / total.rows
    return math.sqrt(max(fourth / total.rows - mean * mean, 0.0) / total.rows)


def _rooted(total: Tally, spread: float | None) -> Ends | None:
    if spread is None:
        return None
    mean = total.squared / total.rows
    low, high = (math.sqrt(max(mean + side * Z95 * spread, 0.0)) for side in (-1.0, 1.0))
    return around((low + high) / 2.0, 0.0, (high - low) / 2.0)


def _binned_error(total: Tally) -> float:
    rows, cases = np.asarray(total.bin_rows, dtype=np.float64), np.asarray(total.bin_targets)
    filled = rows > 0.0
    variance = (cases[filled] * (rows[filled] - cases[filled]) / rows[filled]).sum()
    return math.sqrt(max(float(variance), 0.0)) / total.rows


def _area(total: Tally, quality: Quality) -> Ends | None:
    if quality.auc is None:
        return None
    ends = [(total.case_first, total.control_first), (total.case_last, total.control_last)]
    error = max(_delong(*(np.asarray(one, dtype=np.float64) for one in pair)) for pair in ends)
    return around(quality.auc, error, quality.auc_resolution or 0.0, 1.0)


def _delong(cases: Vector, controls: Vector) -> float:
    """The standard error of the AUC by the counts per bin, those of one bin counting half."""
    below, above = np.cumsum(controls) - controls / 2.0, cases.sum() - np.cumsum(cases) + cases / 2.0
    won, lost = below / controls.sum(), above / cases.sum()
    return math.sqrt(_variance(cases, won) + _variance(controls, lost))


def _variance(counts: Vector, values: Vector) -> float:
    """The variance of the mean of values that occur so often."""
    number = float(counts.sum())
    mean = float(counts @ values) / number
    return float(counts @ np.square(values - mean)) / (number * max(number - 1.0, 1.0))
