"""Calibration slope and intercept by a logistic regression on bins, to the same bits on every processor.

Cox, Biometrika 45 (1958): the outcome on the logit of the chance. Of each bin the mean chance is taken, so it is that
of the bins, not of the single rows. `decimal` rounds exponentials and logarithms correctly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal

from medspace.learning.exact import ONE

_EXACT = Context(prec=40, rounding=ROUND_HALF_EVEN, Emin=-9999, Emax=9999)
_STEPS, _SMALL, _LARGE = 50, Decimal("1e-20"), Decimal(100)


@dataclass(frozen=True, slots=True)
class Recalibration:
    """Both coefficients with their standard errors."""

    intercept: float
    slope: float
    intercept_error: float
    slope_error: float


@dataclass(frozen=True, slots=True)
class _Bin:
    logit: Decimal
    rows: Decimal
    cases: Decimal


@dataclass(frozen=True, slots=True)
class _Normal:
    """The gradient and the information of both coefficients."""

    first: Decimal
    second: Decimal
    aa: Decimal
    ab: Decimal
    bb: Decimal

    @property
    def determinant(self) -> Decimal:
        return _minus(_times(self.aa, self.bb), _times(self.ab, self.ab))


def recalibrated(cases: Sequence[int], controls: Sequence[int], chances: Sequence[int]) -> Recalibration | None:
    """The fit on bins with so many cases and controls, and sums of chances with 96 bits behind the point.

    None where there is no finite fit, or where all chances are in one bin.
    """
    found = [_bin(y, y + n, p) for y, n, p in zip(cases, controls, chances, strict=True) if 0 < p < (y + n) * ONE]
    intercept, slope = Decimal(0), Decimal(1)
    for _ in range(_STEPS):
        normal = _normal(found, intercept, slope)
        if not normal.determinant > _SMALL:
            return None
        step_a = _over(_minus(_times(normal.bb, normal.first), _times(normal.ab, normal.second)), normal.determinant)
        step_b = _over(_minus(_times(normal.aa, normal.second), _times(normal.ab, normal.first)), normal.determinant)
        intercept, slope = _EXACT.add(intercept, step_a), _EXACT.add(slope, step_b)
        if max(abs(intercept), abs(slope)) > _LARGE:
            return None
        if max(abs(step_a), abs(step_b)) < _SMALL:
            errors = (_EXACT.sqrt(_over(one, normal.determinant)) for one in (normal.bb, normal.aa))
            return Recalibration(float(intercept), float(slope), *map(float, errors))
    return None


def _bin(cases: int, rows: int, chances: int) -> _Bin:
    odds = _over(Decimal(chances), _minus(Decimal(rows * ONE), Decimal(chances)))
    return _Bin(_EXACT.ln(odds), Decimal(rows), Decimal(cases))


def _normal(bins: Sequence[_Bin], intercept: Decimal, slope: Decimal) -> _Normal:
    sums = [Decimal(0)] * 5
    for one in bins:
        eta = _EXACT.add(intercept, _times(slope, one.logit))
        chance = _over(Decimal(1), _EXACT.add(Decimal(1), _EXACT.exp(-eta)))
        rest = _minus(one.cases, _times(one.rows, chance))
        weight = _times(_times(one.rows, chance), _minus(Decimal(1), chance))
        heavy = _times(weight, one.logit)
        terms = (rest, _times(rest, one.logit), weight, heavy, _times(heavy, one.logit))
        sums = [_EXACT.add(total, term) for total, term in zip(sums, terms, strict=True)]
    return _Normal(*sums)


def _times(left: Decimal, right: Decimal) -> Decimal:
    return _EXACT.multiply(left, right)


def _over(left: Decimal, right: Decimal) -> Decimal:
    return _EXACT.divide(left, right)


def _minus(left: Decimal, right: Decimal) -> Decimal:
    return _EXACT.subtract(left, right)
